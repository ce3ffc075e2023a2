"""Word2Bits: fixed levels between -1 and 1, times a constant of the tensor (Lam 2018, arXiv 1803.05651).

Word vectors have magnitudes around 1, a Transformer's weights far smaller ones: each tensor is divided by a
constant before quantization and multiplied by it afterwards: the one of least squared error, which follows the
weights while they are trained.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Grid
from tzip.options import option

SOURCE = "Lam 2018 (Word2Bits)"


@dataclass(frozen=True)
class Options:
    """The levels of Word2Bits."""

    per = "tensor"
    bits: int = option(1, "bits per weight", choices=(1, 2, 4, 5, 6, 7, 8))


class Quantizer(Grid):
    """Word2Bits' quantization function (section 3), before the constant of the tensor.

    1 bit   sign(x) / 3, sign(0) = +1
    2 bits  ±1/4 where |x| ≤ 1/2, else ±3/4
    more    sign(x) · min(⌊|x| · 2^(bits-1) + 1/2⌋, 2^(bits-1)) / 2^(bits-1); +1 itself is left out, as
            in two's complement, because it is one level too many for the bits
    """

    fits = True

    def levels(self) -> Tensor:
        bits = self.options.bits
        if bits <= 2:
            return torch.tensor([1 / 3] if bits == 1 else [1 / 4, 3 / 4])
        return torch.arange(2 ** (bits - 1) + 1) / 2 ** (bits - 1)

    def nearest(self, size: Tensor) -> Tensor:
        bits = self.options.bits
        if bits <= 2:
            return (size > 0.5).float() * (bits - 1)
        return (size * 2 ** (bits - 1) + 0.5).floor()
