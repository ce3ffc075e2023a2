"""Attention maps: how sharp a model's are, and how far compression has moved them from the baseline's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

KINDS = ("encoder", "decoder", "cross")
SUFFIXES = {
    "encoder": ("encoder.", "self_attention.weights"),
    "decoder": ("decoder.", "self_attention.weights"),
    "cross": ("decoder.", "cross_attention.weights"),
}


@torch.no_grad()
def maps(model: nn.Module, source: Sequence[int], target: Sequence[int]) -> dict[str, Tensor]:
    """The attention probabilities of every head of `model` on one sentence pair, with teacher forcing.

    source, target: piece ids as in training (source with END, target with BEGIN).
    Returns {"encoder": [layers, heads, S, S], "decoder": [layers, heads, T, T], "cross": [layers, heads,
    T, S]}, without the kinds that the model does not have (it has convolutions instead); each row is a
    distribution over the last axis. The batch is this one pair, so that no row and no column is padding.
    """
    recorded: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    hooks = []
    for name, module in model.named_modules():
        for kind, (prefix, suffix) in SUFFIXES.items():
            if name.startswith(prefix) and name.endswith(suffix):
                keep = recorded[kind]
                hooks.append(module.register_forward_hook(lambda _m, _i, out, keep=keep: keep.append(out[0])))
    if not hooks:
        raise ValueError("the model has no attention: no module named *_attention.weights")
    device = next(model.parameters()).device
    was_training = model.training
    try:
        model.eval()
        model(torch.tensor([list(source)], device=device), torch.tensor([list(target)], device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {kind: torch.stack(layers).float().cpu() for kind, layers in recorded.items() if layers}


def sharpness(weights_LHTS: Tensor) -> Tensor:
    """Shannon entropy of the attention rows in nats, mean over heads and rows: [layers]; less is sharper.

    0 where every row has one position; log S where every row is uniform over S positions.
    """
    return torch.special.entr(weights_LHTS.double()).sum(-1).mean((1, 2))


def distance(weights_LHTS: Tensor, others_LHTS: Tensor) -> Tensor:
    """Total variation between two models' rows, mean over heads and rows: [layers], from 0 to 1."""
    if weights_LHTS.shape != others_LHTS.shape:
        raise ValueError(
            f"attention maps: {tuple(weights_LHTS.shape)} found, {tuple(others_LHTS.shape)} expected: "
            "the models must have the same layers, heads and vocabulary"
        )
    return (weights_LHTS.double() - others_LHTS.double()).abs().sum(-1).mean((1, 2)) / 2


@dataclass(frozen=True)
class Sample:
    """Sharpness and distance of each sentence and layer: {kind: [sentences, layers]}, float64.

    `left_out`: the kinds of attention that cannot be compared, and why.
    """

    sharpness: dict[str, np.ndarray]
    baseline: dict[str, np.ndarray]  # the baseline's sharpness on the same sentences
    distance: dict[str, np.ndarray]
    left_out: dict[str, str]
    sentences: int


def measure(model: nn.Module, baseline: nn.Module, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Sample:
    """Both models on the same pairs, with teacher forcing, so that their rows correspond."""
    rows: list[dict[str, list]] = [{kind: [] for kind in KINDS} for _ in range(3)]
    left_out: dict[str, str] = {}
    count = 0
    for count, (source, target) in enumerate(pairs, 1):  # noqa: B007
        both = maps(model, source, target), maps(baseline, source, target)
        for kind in KINDS:
            pair = [one.get(kind) for one in both]
            if reason := _incomparable(*pair):
                left_out[kind] = reason
                continue
            for lists, value in zip(rows, (*map(sharpness, pair), distance(*pair)), strict=True):
                lists[kind].append(value.numpy())
    if not count:
        raise ValueError("attention: no sentence to measure on")
    measured = [kind for kind in KINDS if kind not in left_out]
    return Sample(*({kind: np.array(lists[kind]) for kind in measured} for lists in rows), left_out, count)


def _incomparable(model: Tensor | None, baseline: Tensor | None) -> str:
    """Why maps of one kind [layers, heads, T, S] cannot be compared; nothing if they can."""
    for name, maps in (("the model", model), ("the baseline", baseline)):
        if maps is None:
            return f"{name} has no such attention"
    sizes = [f"{len(maps)} layers of {maps.shape[1]} heads" for maps in (model, baseline)]
    return "" if sizes[0] == sizes[1] else f"the model has {sizes[0]}, the baseline {sizes[1]}"


def summarize(sample: Sample, seed: int, draws: int = 1000) -> dict:
    """The sample's means with 95 % bootstrap intervals over sentences, as plain numbers for JSON.

    `sharpness`, `sharpness_change` (minus the baseline's, sentence by sentence) and `distance`, each with
    `_low` and `_high`: the mean over the three kinds of attention (encoder, decoder, cross), unless some are
    `left_out`, and under `by_kind` the mean of each; `by_layer` holds the means of each layer.
    """
    count, kinds = sample.sentences, list(sample.sharpness)
    drawn = np.random.default_rng(seed).integers(0, count, (draws, count))
    measures = {
        "sharpness": sample.sharpness,
        "sharpness_change": {kind: sample.sharpness[kind] - sample.baseline[kind] for kind in kinds},
        "distance": sample.distance,
    }
    of_kind = {name: {k: v.mean(1) for k, v in values.items()} for name, values in measures.items()}
    over_kinds = {name: np.mean(list(v.values()), 0) for name, v in of_kind.items() if not sample.left_out}
    return {
        **_intervals(over_kinds, drawn),
        "by_kind": {k: _intervals({n: v[k] for n, v in of_kind.items()}, drawn) for k in kinds},
        "by_layer": {
            name: {kind: [_round(x) for x in layers.mean(0)] for kind, layers in values.items()}
            for name, values in measures.items()
        },
        "left_out": sample.left_out,
        "sentences": count,
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
