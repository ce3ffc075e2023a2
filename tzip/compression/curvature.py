"""What sentences say about a model's weights: second derivatives, for the methods that ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tzip.data.pieces import Encoded
from tzip.files import replacing
from tzip.nmt.batches import Batch, batch
from tzip.nmt.loss import smoothed_cross_entropy
from tzip.options import option

KINDS = ("hessian", "fisher")


@dataclass(frozen=True)
class Options:
    """What second derivatives are measured on."""

    sentences: int = option(256, "sentence pairs of the training text", low=1)


Statistics = dict[str, dict[str, Tensor]]  # by kind, then by tensor
Places = dict[str, list[tuple[nn.Module, str]]]  # tensors, and the modules and attributes that have them


def sample(data: Encoded, sentences: int, seed: int, source_end: bool = True) -> list[Batch]:
    """Pairs drawn without replacement, each a batch of its own: no padding enters the statistics."""
    rows = np.random.default_rng(seed).permutation(len(data))[:sentences]
    return [batch(data, np.array([row]), source_end) for row in rows]


def collect(model: nn.Module, sentences: Iterable[Batch], places: Places) -> Statistics:
    """The statistics of a plain model's tensors over sentence pairs, one a batch.

    hessian  2 X Xᵀ / n of the n inputs x of a linear layer: the second derivative of its squared error by a
             row of its weight (Hassibi et al. 1993); float32 [C, C]. Of a tensor that several layers share,
             of all linear ones' inputs; none of an embedding that is no layer's weight
    fisher   the mean over sentences of the squared gradient of the sentence's negative log-likelihood: the
             diagonal of the empirical Fisher matrix; float32 of the tensor's shape
    """
    model.eval()
    parameters = {name: getattr(*found[0]) for name, found in places.items()}
    fisher = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    moments: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    hooks = [
        module.register_forward_pre_hook(_adding(name, moments, counts))
        for name, found in places.items()
        for module, attribute in found
        if isinstance(module, nn.Linear) and attribute == "weight"
    ]
    device, total = next(model.parameters()).device, 0
    for one in sentences:
        here = one.to(device)
        state = model.decode(here.target[:, :-1], *model.encode(here.source)).flatten(0, 1)
        with torch.no_grad():
            model.generator(state)  # the loss reads its weight without calling it
        loss, _ = smoothed_cross_entropy(state, model.generator, here.target[:, 1:].flatten(), 0.0)
        for name, slope in zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True):
            fisher[name] += slope.square()
        total += 1
    for hook in hooks:
        hook.remove()
    if not total:
        raise ValueError("calibration: no sentence pairs")
    hessian = {name: 2 * moment / counts[name] for name, moment in moments.items()}
    return {"hessian": hessian, "fisher": {name: summed / total for name, summed in fisher.items()}}


def _adding(name: str, moments: dict[str, Tensor], counts: dict[str, int]) -> Callable:
    """A hook that adds a layer's inputs to its moment."""

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
        rows = inputs[0].detach().flatten(0, -2)
        moments[name] = moments.get(name, 0.0) + rows.t() @ rows
        counts[name] = counts.get(name, 0) + len(rows)

    return hook


def save(path: str | Path, statistics: Statistics) -> None:
    """Write statistics as safetensors, all of them or nothing."""
    flat = {
        f"{kind}/{name}": value.contiguous() for kind in KINDS for name, value in statistics[kind].items()
    }
    with replacing(path) as temporary:
        save_file(flat, temporary)


def load(path: str | Path) -> Statistics:
    """What `save` wrote; ValueError names the file if it is no such thing."""
    try:
        flat = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: {error}") from None
    found: Statistics = {kind: {} for kind in KINDS}
    for key, value in flat.items():
        kind, _, name = key.partition("/")
        if kind not in KINDS:
            raise ValueError(f"{path}: '{key}' is no statistic; choose from {', '.join(KINDS)}")
        found[kind][name] = value
    return found
