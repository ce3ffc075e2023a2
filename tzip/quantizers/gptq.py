"""GPTQ: rounding with calibration, in which later columns compensate the error of earlier ones.

Frantar, Ashkboos, Hoefler & Alistarh 2022 ("GPTQ", arXiv 2210.17323, algorithm 1): Optimal Brain Surgeon with
rounding in place of pruning, the columns in one order for all rows.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tzip.compression import kmeans1d
from tzip.compression.code import matrix
from tzip.compression.curvature import damped, inverse_factor
from tzip.compression.parametrization import TINY, Indexed, blocks, spread, stored
from tzip.options import option, scale_rounding

NEEDS = ("hessian",)
SOURCE = "Frantar et al. 2022 (GPTQ)"


@dataclass(frozen=True)
class Options:
    """Rounding with calibration, to a codebook that is trained afterwards."""

    bits: int = option(4, "bits per weight; the codebook has at most 2^bits entries", low=1, high=8)
    levels: str = option(
        "kmeans",
        "the codebook: optimal centroids of the tensor, or even steps times a scale per row",
        choices=("kmeans", "uniform"),
    )
    scale_steps: int = scale_rounding()
    damp: float = option(0.01, "damping of the Hessian, over the mean of its diagonal", low=1e-6, high=1.0)


class Quantizer(Indexed):
    """A weight as fixed indices, chosen column by column, into a trained codebook."""

    def __init__(
        self,
        weight: Tensor,
        options: Options,
        *,
        keep: Tensor | None = None,
        seed: int = 0,
        hessian: Tensor | None = None,
    ):
        shape = matrix(tuple(weight.shape))
        value = weight.detach().reshape(shape)
        kept = torch.ones_like(value, dtype=torch.bool) if keep is None else keep.reshape(shape)
        levels, scales = initial(value, kept, options)
        second = damped(hessian, shape[1], options.damp).to(value.device)
        indices = rounded(value.masked_fill(~kept, 0.0).double(), kept, levels, scales, second)
        padding = (0, 2**options.bits - len(levels))  # unused entries, for a known size
        codebook = torch.from_numpy(np.pad(levels.cpu().numpy(), padding, "edge")).to(value.device)
        super().__init__(indices.view(weight.shape), codebook, scales, keep)


def initial(value: Tensor, keep: Tensor, options: Options) -> tuple[Tensor, Tensor | None]:
    """Levels, ascending float32 [K], and scales [R, 1]."""
    if options.levels == "kmeans":
        centroids = kmeans1d.exact(value[keep].float().cpu().numpy(), 2**options.bits)
        return torch.from_numpy(centroids).to(value.device), None
    top = 2 ** (options.bits - 1) - 0.5
    scales = stored(blocks(value.masked_fill(~keep, 0.0).abs(), (len(value), 1)).amax(2), options)
    return torch.arange(-top, top + 1, device=value.device) / top, scales


def rounded(rows: Tensor, keep: Tensor, levels: Tensor, scales: Tensor | None, hessian: Tensor) -> Tensor:
    """The index of the level that each weight becomes; uint8 [R, C].

    Columns of the largest second derivative come first ("act order"): most other columns can still
    compensate their error.
    """
    order = hessian.diagonal().argsort(descending=True, stable=True)
    factor = inverse_factor(hessian[order][:, order])
    middle = ((levels[1:] + levels[:-1]) / 2).double()
    scale = torch.ones_like(rows[:, 0]) if scales is None else spread(scales, rows.shape)[:, 0].double()
    rows, keep = rows[:, order], keep[:, order]
    indices = torch.zeros_like(rows, dtype=torch.uint8)
    for column in range(rows.shape[1]):
        index = torch.bucketize(rows[:, column] / scale.clamp(min=TINY), middle)
        value = (levels.double()[index] * scale) * keep[:, column]
        loss = (rows[:, column] - value) / factor[column, column]
        rows[:, column:] -= torch.outer(loss, factor[column, column:])
        indices[:, column] = index
    return torch.empty_like(indices).index_copy_(1, order, indices)
