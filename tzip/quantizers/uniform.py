"""Uniform quantization: evenly spaced levels around 0, with a scale per tensor, row or group.

Quinn & Ballesteros 2018 (Pieces of Eight, arXiv 1804.05038) round to 8 bits, by the largest weight, a model that was
trained in 32. Jacob et al. 2018 (arXiv 1712.05877, section 3) train weights behind their rounded values, mostly in 8
bits. Training in 3 or 2 bits, and the scale of least squared error, are choices of this project.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Grid
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Quinn & Ballesteros 2018 (Pieces of Eight: 8 bits after training); Jacob et al. 2018 (training with rounding)"


@dataclass(frozen=True)
class Options:
    """Evenly spaced levels, symmetric around 0."""

    bits: int = option(4, "bits per weight; there are 2^bits - 1 levels", low=2, high=8)
    per: str = shared_scale("row")
    scale_steps: int = scale_rounding()
    clip: str = option(
        "max", "the scale: from the largest weight, or the one of least squared error", choices=("max", "error")
    )


class Quantizer(Grid):
    """The nearest of the levels k / (2^(bits-1) - 1), |k| < 2^(bits-1), times the scale."""

    @property
    def fits(self) -> bool:
        return self.options.clip == "error"

    def levels(self) -> Tensor:
        top = 2 ** (self.options.bits - 1) - 1
        return torch.arange(top + 1) / top

    def nearest(self, size: Tensor) -> Tensor:
        return (size * (2 ** (self.options.bits - 1) - 1) + 0.5).floor()
