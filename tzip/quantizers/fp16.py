"""Half precision: the baseline that every other method must beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tzip.compression.code import Code
from tzip.compression.parametrization import Straight, zeroed

LARGEST = torch.finfo(torch.float16).max
SOURCE = "IEEE 754 half precision"


@dataclass(frozen=True)
class Options:
    """Half precision, without options."""

    @property
    def bits(self) -> int:
        return 16


class Quantizer(nn.Module):
    """A weight in half precision, trained by the straight-through estimator."""

    trains_latent = True

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__()
        self.register_buffer("keep", None if keep is None else keep.clone())

    def forward(self, weight: Tensor) -> Tensor:
        return zeroed(Straight.apply(weight, half(weight.detach()).float()), self.keep)

    def code(self, weight: Tensor) -> Code:
        mask = None if self.keep is None else self.keep.flatten().cpu().numpy()
        values = half(weight.detach()).flatten().cpu().numpy()
        return Code(tuple(weight.shape), values if mask is None else values[mask], mask=mask)


def half(weight: Tensor) -> Tensor:
    """The nearest float16; larger values become the largest one."""
    return weight.clamp(-LARGEST, LARGEST).half()
