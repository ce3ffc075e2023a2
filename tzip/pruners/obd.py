"""Optimal Brain Damage: what the loss rises by without a weight (LeCun, Denker & Solla 1990)."""

from dataclasses import dataclass

from torch import Tensor

from tzip.compression.parametrization import Mask

NEEDS = ("fisher",)
SOURCE = "LeCun, Denker & Solla 1990 (Optimal Brain Damage)"


@dataclass(frozen=True)
class Options:
    """Optimal Brain Damage; it has nothing to choose but its schedule."""


class Pruner(Mask):
    """Saliency ½ · h_kk · w_k² (equation 5), h_kk the diagonal of the empirical Fisher matrix."""

    degree = 2

    def __init__(self, weight: Tensor, options: Options, *, fisher: Tensor):
        super().__init__(weight, options)
        self.register_buffer("fisher", fisher.to(weight), persistent=False)

    def saliency(self, weight: Tensor) -> Tensor:
        return 0.5 * self.fisher * weight.square()
