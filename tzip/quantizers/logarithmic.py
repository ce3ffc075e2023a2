"""Logarithmic quantization: powers of two times a scale (Aji & Heafield 2020, WNGT, section 3).

Their error feedback adds the rounding error of a weight to its next update: the weight before rounding is
kept and trained by the gradient at the rounded one. Latent weights do the same here. Biases are left alone,
as in the paper by Aji & Heafield, unless a variant names them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Grid
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Aji & Heafield 2020"


@dataclass(frozen=True)
class Options:
    """Powers of two with a sign."""

    bits: int = option(4, "bits per weight: one for the sign, the rest for the exponent", low=2, high=6)
    per: str = shared_scale("tensor")
    scale_steps: int = scale_rounding()


class Quantizer(Grid):
    """sgn · S · 2^clip(⌊log2(|v / S| · 4/3)⌋), exponents from 1 - 2^(bits-1) to 0."""

    fits = True

    def levels(self) -> Tensor:
        return 2.0 ** torch.arange(1 - 2 ** (self.options.bits - 1), 1)

    def nearest(self, size: Tensor) -> Tensor:
        lowest = 1 - 2 ** (self.options.bits - 1)
        return (size * (4 / 3)).log2().floor().clamp(min=lowest, max=0) - lowest
