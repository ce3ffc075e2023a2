"""Binarization: two levels per tensor, fixed or trained (BS-Fixed and BS-Flexible of transformers.zip).

After Word2Bits (Lam 2018, arXiv 1803.05651) and BinaryNet (Courbariaux & Bengio 2016, arXiv 1602.02830).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tzip.compression import kmeans1d
from tzip.compression.code import Code
from tzip.compression.parametrization import Latent, Lookup, coded, zeroed
from tzip.options import option

SOURCE = "Cheong & Daniel 2019 (transformers.zip)"


@dataclass(frozen=True)
class Options:
    """Binarization to a lower and an upper level."""

    bits = 1
    levels: str = option("flexible", "whether fine-tuning moves the levels", choices=("fixed", "flexible"))
    gradient: str = option(
        "latent",
        "what fine-tuning trains: the full-precision weights behind the levels (straight-through, as the "
        "paper says), or the levels alone (as its code does)",
        choices=("latent", "levels"),
    )


class Quantizer(Latent):
    """Each weight replaced by the lower or the upper level, by the midpoint between them.

    The levels start at the two centroids of k-means.
    """

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__(weight, options, keep=keep)
        self.trains_latent = options.gradient == "latent"
        values = weight.detach().float().cpu().numpy()
        centroids = kmeans1d.exact(values if keep is None else values[keep.cpu().numpy()], 2)
        levels = torch.from_numpy(np.resize(centroids, 2)).to(weight.device)  # a constant weight has one
        if options.levels == "flexible":
            self.levels = nn.Parameter(levels)
        else:
            self.register_buffer("levels", levels)

    def upper(self, weight: Tensor) -> Tensor:
        """1 where a weight takes the upper level, else 0; uint8."""
        return (weight.detach() > self.levels.detach().mean()).to(torch.uint8)

    def forward(self, weight: Tensor) -> Tensor:
        latent = weight if self.trains_latent else None
        return zeroed(Lookup.apply(self.levels, self.upper(weight), latent), self.keep)

    def code(self, weight: Tensor) -> Code:
        return coded(weight.shape, self.upper(weight), self.levels, None, self.keep)
