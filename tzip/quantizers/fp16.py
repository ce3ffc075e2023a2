"""Half precision: the baseline that every other method must beat."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tzip.compression.code import Code
from tzip.compression.parametrization import Latent, Straight, half, zeroed

SOURCE = "IEEE 754 half precision"


@dataclass(frozen=True)
class Options:
    """Half precision, without options."""

    bits = 16


class Quantizer(Latent):
    """A weight in half precision, trained by the straight-through estimator."""

    def forward(self, weight: Tensor) -> Tensor:
        return zeroed(Straight.apply(weight, half(weight.detach())), self.keep)

    def code(self, weight: Tensor) -> Code:
        mask = None if self.keep is None else self.keep.flatten().cpu().numpy()
        values = half(weight.detach()).flatten().cpu().numpy().astype(np.float16)
        return Code(tuple(weight.shape), values if mask is None else values[mask], mask=mask)
