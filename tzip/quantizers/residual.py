"""Residual quantization: a codebook of sub-vectors, and further ones for the remaining error.

Gong et al. 2014 (arXiv 1412.6115), section 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from tzip.compression.code import Code
from tzip.compression.parametrization import zeroed
from tzip.compression.vectors import Books, cut
from tzip.options import option

SOURCE = "Gong et al. 2014"


@dataclass(frozen=True)
class Options:
    """Codebooks of sub-vectors that are added up."""

    bits: int = option(8, "bits per sub-vector and stage; a codebook has at most 2^bits entries", low=1, high=8)
    width: int = option(4, "weights per sub-vector", choices=(2, 4, 8))
    stages: int = option(2, "number of codebooks, each for the error that those before it leave", low=1, high=4)


class Quantizer(nn.Module):
    """A weight as the sum of vectors from trained codebooks, one of each stage."""

    trains_latent = False

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__()
        self.register_buffer("keep", None if keep is None else keep.clone())
        left = cut(zeroed(weight.detach(), self.keep), options.width)
        self.stages = nn.ModuleList()
        for stage in range(options.stages):
            self.stages.append(Books(left, 2**options.bits, 1, seed + stage))
            left = left - self.stages[-1]().detach()

    def forward(self, weight: Tensor) -> Tensor:
        total = self.stages[-1]()  # from the last stage on, as in `Code.decode`
        for stage in reversed(self.stages[:-1]):
            total = stage() + total
        return zeroed(total.flatten()[: weight.numel()].view(weight.shape), self.keep)

    def code(self, weight: Tensor) -> Code:
        residual = None
        for stage in reversed(self.stages[1:]):
            residual = stage.code(tuple(weight.shape), None, residual)
        return self.stages[0].code(tuple(weight.shape), self.keep, residual)
