"""Attention maps: how sharp a model's are, and how far compression has moved them from the baseline's."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tzip.data.pieces import PAD
from tzip.nmt.batches import groups
from tzip.nmt.model import padded

KINDS = ("encoder", "decoder", "cross")
BATCH_TOKENS = 1000  # whose maps are in memory at a time


def maps(model: nn.Module, source: Sequence[int], target: Sequence[int]) -> dict[str, Tensor]:
    """The attention probabilities of every head of `model` on one sentence pair, with teacher forcing.

    source, target: piece ids as in training (source with END, target with BEGIN).
    Returns {"encoder": [layers, heads, S, S], "decoder": [layers, heads, T, T], "cross": [layers, heads,
    T, S]}, without the kinds that the model does not have (it has convolutions instead); each row is a
    distribution over the last axis.
    """
    found = recorded(model, torch.tensor([list(source)]), torch.tensor([list(target)]))
    return {kind: weights_LBHTS[:, 0].cpu() for kind, weights_LBHTS in found.items()}


@torch.no_grad()
def recorded(model: nn.Module, source_BS: Tensor, target_BT: Tensor) -> dict[str, Tensor]:
    """The same of padded sentences, on the model's device: [layers, B, heads, T, S]. Padding has no weight."""
    layers: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    hooks = []
    for name, module in model.named_modules():
        if match := re.fullmatch(r"(encoder|decoder)\.\d+\.(self|cross)_attention\.weights", name):
            keep = layers["cross" if match[2] == "cross" else match[1]]
            hooks.append(module.register_forward_hook(lambda _m, _i, out, keep=keep: keep.append(out)))
    device, was_training = next(model.parameters()).device, model.training
    try:
        model.eval()
        model.decode(target_BT.to(device), *model.encode(source_BS.to(device)))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {kind: torch.stack(found).float() for kind, found in layers.items() if found}


def sharpness(weights_LHTS: Tensor) -> Tensor:
    """Shannon entropy of the attention rows in nats, mean over heads and rows: [layers]; less is sharper.

    0 where every row has one position; log S where every row is uniform over S positions.
    """
    return entropy(weights_LHTS).mean((-2, -1))


def distance(weights_LHTS: Tensor, others_LHTS: Tensor) -> Tensor:
    """Total variation between two models' rows, mean over heads and rows: [layers], from 0 to 1."""
    return variation(weights_LHTS, others_LHTS).mean((-2, -1))


def entropy(weights: Tensor) -> Tensor:
    """Of each distribution over the last axis, in nats."""
    return torch.special.entr(weights.double()).sum(-1)


def variation(weights: Tensor, others: Tensor) -> Tensor:
    """Total variation of each two distributions over the last axis."""
    return (weights.double() - others.double()).abs().sum(-1) / 2


@dataclass(frozen=True)
class Sample:
    """What was measured on some sentences.

    values    {kind: [sentences, 3, layers]}, float64: the model's sharpness, the baseline's, and the distance
    left_out  the kinds of attention that cannot be compared, and why
    """

    values: dict[str, np.ndarray]
    left_out: dict[str, str]
    sentences: int


def measure(model: nn.Module, baseline: nn.Module, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Sample:
    """Both models on the same pairs, with teacher forcing, so that their rows correspond."""
    pairs = list(pairs)
    values: dict[str, np.ndarray] = {}
    left_out = {} if pairs else dict.fromkeys(KINDS, "no sentence is short enough for the model")
    lengths = np.array([[len(source), len(target)] for source, target in pairs]).reshape(-1, 2)
    for rows in groups(lengths, BATCH_TOKENS, None):
        source, target = (padded([list(pairs[row][side]) for row in rows]) for side in (0, 1))
        own, other = recorded(model, source, target), recorded(baseline, source, target)
        for kind in KINDS:
            if reason := _incomparable(own.get(kind), other.get(kind)):
                left_out[kind] = reason
                continue
            measures_3LBHT = entropy(own[kind]), entropy(other[kind]), variation(own[kind], other[kind])
            given_BT = ((source if kind == "encoder" else target) != PAD).to(own[kind].device)
            means_B3L = _means(torch.stack(measures_3LBHT), given_BT).cpu().numpy()
            values.setdefault(kind, np.empty((len(pairs), *means_B3L.shape[1:])))[rows] = means_B3L
    return Sample(values, left_out, len(pairs))


def _means(measures_3LBHT: Tensor, given_BT: Tensor) -> Tensor:
    """The means of each sentence over its heads and rows [B, 3, layers], without those of padding."""
    counted_3LB = (measures_3LBHT.mean(3) * given_BT).sum(-1) / given_BT.sum(-1)
    return counted_3LB.permute(2, 0, 1)


def _incomparable(model: Tensor | None, baseline: Tensor | None) -> str:
    """Why maps of one kind [layers, B, heads, T, S] cannot be compared; nothing if they can."""
    for name, maps in (("the model", model), ("the baseline", baseline)):
        if maps is None:
            return f"{name} has no such attention"
    sizes = [f"{len(maps)} layers of {maps.shape[2]} heads" for maps in (model, baseline)]
    return "" if sizes[0] == sizes[1] else f"the model has {sizes[0]}, the baseline {sizes[1]}"


def summarize(sample: Sample, seed: int) -> dict:
    """The sample's means with 95 % bootstrap intervals over sentences, as plain numbers for JSON.

    `sharpness`, `sharpness_change` (minus the baseline's, sentence by sentence) and `distance`, each with
    `_low` and `_high`: the mean over the three kinds of attention (encoder, decoder, cross), unless some are
    `left_out`, and under `by_kind` the mean of each; `by_layer` holds the means of each layer.
    """
    drawn = np.random.default_rng(seed).integers(0, sample.sentences or 1, (1000, sample.sentences))
    own, other, apart = ({kind: rows[:, i] for kind, rows in sample.values.items()} for i in range(3))
    measures = {
        "sharpness": own,
        "sharpness_change": {kind: own[kind] - other[kind] for kind in own},
        "distance": apart,
    }
    of_kind = {name: {k: v.mean(1) for k, v in values.items()} for name, values in measures.items()}
    over_kinds = {name: np.mean(list(v.values()), 0) for name, v in of_kind.items() if not sample.left_out}
    return {
        **_intervals(over_kinds, drawn),
        "by_kind": {k: _intervals({n: v[k] for n, v in of_kind.items()}, drawn) for k in own},
        "by_layer": {
            name: {kind: [_round(x) for x in layers.mean(0)] for kind, layers in values.items()}
            for name, values in measures.items()
        },
        "left_out": sample.left_out,
        "sentences": sample.sentences,
        "seed": seed,
    }


def _intervals(values: dict[str, np.ndarray], drawn: np.ndarray) -> dict[str, float]:
    """Of each [sentences]: the mean, and its 2.5th and 97.5th percentile over resampled sentences."""
    result = {}
    for name, value in values.items():
        low, high = np.percentile(value[drawn].mean(1), [2.5, 97.5])
        result |= {name: _round(value.mean()), f"{name}_low": _round(low), f"{name}_high": _round(high)}
    return result


def _round(value: float) -> float:
    """Six decimals: far below any interval, and above what the order of a sum can change."""
    return round(float(value), 6) + 0.0
