"""Magnitude pruning: the smallest weights go first.

See, Luong & Manning 2016 (arXiv 1606.09274), section 3.2; the pruning of transformers.zip.
"""

from dataclasses import dataclass

from torch import Tensor

from tzip.compression.parametrization import Mask

SOURCE = "See, Luong & Manning 2016"


@dataclass(frozen=True)
class Options:
    """Magnitude pruning; it has nothing to choose but its schedule."""


class Pruner(Mask):
    """The weight with all but its largest magnitudes set to 0."""

    def saliency(self, weight: Tensor) -> Tensor:
        return weight.abs()
