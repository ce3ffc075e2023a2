"""Magnitude pruning, each tensor on its own (class-uniform): the smallest weights go first.

See, Luong & Manning 2016 (arXiv 1606.09274), section 3.2; the pruning of transformers.zip.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tzip.clustering import zeroed
from tzip.code import Code


@dataclass(frozen=True)
class Options:
    """Magnitude pruning; it has nothing to choose but its schedule."""


class Pruner(nn.Module):
    """The weight with all but its largest magnitudes set to 0."""

    def __init__(self, weight: Tensor, options: Options):
        super().__init__()
        self.register_buffer("keep", torch.ones_like(weight, dtype=torch.bool))

    @torch.no_grad()
    def prune(self, weight: Tensor, sparsity: float) -> None:
        """Prune the smallest of the kept weights until round(sparsity * size) are pruned.

        Of equal magnitudes the one with the lower row-major index goes first.
        """
        count = round(sparsity * weight.numel())
        keep = self.keep.flatten()
        if count <= int((~keep).sum()):
            return
        magnitude = weight.flatten().abs().masked_fill(~keep, -1.0)  # what is pruned stays pruned
        threshold = magnitude.kthvalue(count).values
        below = magnitude < threshold
        ties = (magnitude == threshold).nonzero().squeeze(1)[: count - int(below.sum())]
        below[ties] = True
        self.keep.copy_((~below).view_as(self.keep))

    def forward(self, weight: Tensor) -> Tensor:
        return zeroed(weight, self.keep)

    def code(self, weight: Tensor) -> Code:
        keep = self.keep.flatten().cpu().numpy()
        kept = weight.detach().flatten().cpu().numpy()[keep]
        return Code(tuple(weight.shape), kept, mask=None if keep.all() else keep)
