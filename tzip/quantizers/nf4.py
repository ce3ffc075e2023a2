"""NF4: sixteen levels at quantiles of a normal distribution (Dettmers et al. 2023, arXiv 2305.14314)."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import TINY, Latent, blocks, bucket, scale_form, spread, stored
from tzip.options import scale_rounding, shared_scale

OFFSET = 0.9677083  # the largest probability, as in the authors' code: the mean of 29/30 and 31/32
SOURCE = "Dettmers et al. 2023 (QLoRA)"


@dataclass(frozen=True)
class Options:
    """Quantiles of a normal distribution."""

    bits = 4
    per: str = shared_scale("64")
    scale_steps: int = scale_rounding()


class Quantizer(Latent):
    """The nearest of the levels, times the largest magnitude of the weights that share a scale."""

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        levels = normal_levels().to(weight.device)
        scales = stored(blocks(weight.abs(), scale_form(weight.shape, self.options.per)).amax(2), self.options)
        scaled = weight / spread(scales, weight.shape).clamp(min=TINY)
        return bucket(scaled, (levels[1:] + levels[:-1]) / 2), levels, scales


@functools.cache
def normal_levels() -> Tensor:
    """The levels, -1 over 0 to 1: quantiles of 8 even steps above 0 and 7 below (section 3)."""
    above = torch.special.ndtri(torch.linspace(OFFSET, 0.5, 9, dtype=torch.float64)[:-1])
    below = -torch.special.ndtri(torch.linspace(OFFSET, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat([below, torch.zeros(1, dtype=torch.float64), above.flip(0)])
    return (levels / levels.abs().max()).float()
