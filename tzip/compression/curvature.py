"""Second derivatives of a model's loss by its weights, over sentences: statistics for the methods that ask for them."""

from collections.abc import Callable, Iterable
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
from tzip.nmt.model import Places

KINDS = ("hessian", "fisher")
CONJUGATE = 200  # steps of conjugate gradients at most
Statistics = dict[str, Tensor]  # by "kind/tensor"


def sample(data: Encoded, sentences: int, seed: int, source_end: bool = True) -> list[Batch]:
    """Pairs drawn without replacement, each a batch of its own: no padding enters the statistics."""
    rows = np.random.default_rng(seed).permutation(len(data))[:sentences]
    return [batch(data, np.array([row]), source_end) for row in rows]


def collect(model: nn.Module, sentences: Iterable[Batch], places: Places) -> Statistics:
    """The statistics of a plain model's tensors over sentence pairs, one per batch.

    hessian  2 X Xᵀ / n of the n inputs x of a linear layer: the second derivative of its squared error by a
             row of its weight (Hassibi et al. 1993); float32 [C, C]. Of a tensor that several layers share,
             of all linear ones' inputs; none of an embedding that is no layer's weight
    fisher   the mean over sentences of the squared gradient of the sentence's negative log-likelihood: the
             diagonal of the empirical Fisher matrix; float32 of the tensor's shape
    """
    model.eval()
    parameters = {name: getattr(*where[0]) for name, where in places.items()}
    fisher = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    moments: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    hooks = [
        module.register_forward_pre_hook(_adding(name, moments, counts))
        for name, where in places.items()
        for module, attribute in where
        if isinstance(module, nn.Linear) and attribute == "weight"
    ]
    device, total = next(model.parameters()).device, 0
    for sentence in sentences:
        here = sentence.to(device)
        state = model.decode(here.target[:, :-1], *model.encode(here.source)).flatten(0, 1)
        with torch.no_grad():
            model.generator(state)  # the loss reads its weight without calling it
        loss = smoothed_cross_entropy(state, model.generator, here.target[:, 1:].flatten(), 0.0)
        for name, slope in zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True):
            fisher[name] += slope.square()
        total += 1
    for hook in hooks:
        hook.remove()
    if not total:
        raise ValueError("calibration: no sentence pairs")
    hessian = {f"hessian/{name}": 2 * moment / counts[name] for name, moment in moments.items()}
    return hessian | {f"fisher/{name}": summed / total for name, summed in fisher.items()}


def _adding(name: str, moments: dict[str, Tensor], counts: dict[str, int]) -> Callable:
    """A hook that adds a layer's inputs to its moment."""

    def hook(module: nn.Module, inputs: tuple[Tensor]) -> None:
        rows = inputs[0].detach().flatten(0, -2)
        moments[name] = moments.get(name, 0.0) + rows.t() @ rows
        counts[name] = counts.get(name, 0) + len(rows)

    return hook


def save(path: str | Path, statistics: Statistics) -> None:
    """Write statistics as safetensors, all of them or nothing."""
    with replacing(path) as temporary:
        save_file({key: value.contiguous() for key, value in statistics.items()}, temporary)


def load(path: str | Path) -> Statistics:
    """What `save` wrote; ValueError names the file if it is no such thing."""
    try:
        statistics = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path}: {error}") from None
    for key in statistics:
        if key.partition("/")[0] not in KINDS:
            raise ValueError(f"{path}: '{key}' is no statistic; choose from {', '.join(KINDS)}")
    return statistics


def damped(hessian: Tensor | None, columns: int, damp: float) -> Tensor:
    """H with damp · mean(diagonal) added to its diagonal, float64 [C, C]; the identity if there is none.

    An input that is always 0 has no second derivative; it gets the mean's, so that H can be inverted. An
    embedding that is not the output layer's, too, has no inputs to measure, and gets the identity.
    """
    if hessian is None:
        return torch.eye(columns, dtype=torch.float64)
    result = hessian.double().clone()
    mean = result.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny)
    result.diagonal().add_(damp * mean)
    result.diagonal()[hessian.diagonal() <= 0] = mean
    return result


def inverse_factor(hessian: Tensor) -> Tensor:
    """U, upper triangular, with Uᵀ U = H⁻¹: row q over U_qq is what the later weights do about q.

    Rows and columns before q have been eliminated from it (Frantar et al. 2022, "GPTQ", arXiv 2210.17323,
    section 3.3).
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    return torch.linalg.cholesky(inverse, upper=True)


def settled(rows: Tensor, target: Tensor, keep: Tensor, hessian: Tensor) -> Tensor:
    """The kept weights that bring each row nearest to its target: the least of ½ (w - t) H (w - t)ᵀ.

    Preconditioned conjugate gradients from `rows`, all rows side by side. [R, C], [R, C], bool [R, C], [C, C]
    → [R, C], 0 where not kept.
    """
    rows = rows * keep
    slope = (target - rows) @ hessian * keep
    step = direction = slope / hessian.diagonal()
    energy = (slope * step).sum(1, keepdim=True)
    enough = 1e-12 * energy
    for _ in range(CONJUGATE):
        if (energy <= enough).all():
            break
        image = direction @ hessian * keep
        length = energy / (direction * image).sum(1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
        rows, slope = rows + length * direction, slope - length * image
        step = slope / hessian.diagonal()
        before, energy = energy, (slope * step).sum(1, keepdim=True)
        direction = step + energy / before.clamp(min=torch.finfo(rows.dtype).tiny) * direction
    return rows
