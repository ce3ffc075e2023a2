"""Ternary weights: -α, 0 or α (Li & Liu 2016, "Ternary Weight Networks", arXiv 1605.04711)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Latent, blocks, scale_form, spread, stored
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Li & Liu 2016 (Ternary Weight Networks)"


@dataclass(frozen=True)
class Options:
    """Three levels."""

    bits = 2
    per: str = shared_scale("tensor")
    scale_steps: int = scale_rounding()
    threshold: float = option(
        0.7, "Δ over the mean magnitude: 0.7 is Li & Liu's; more, for more zeros, is our choice", low=0.0, high=2.0
    )


class Quantizer(Latent):
    """α · sign(w) where |w| > Δ, else 0: Δ = 0.7 · mean|W|, α the mean of |w| > Δ (equations 5, 6).

    With another `threshold` than 0.7, α is still the best for its Δ, but Δ is not that of the paper.
    """

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        form, size = scale_form(weight.shape, self.options.per), weight.abs()
        delta = self.options.threshold * blocks(size, form).sum(2) / self.kept(weight, form)
        large = size > spread(delta, weight.shape)
        count = blocks(large.float(), form).sum(2).clamp(min=1)
        alpha = stored(blocks(size * large, form).sum(2) / count, self.options)
        levels = torch.tensor([-1.0, 0.0, 1.0], device=weight.device)
        return (weight.sign() * large + 1).int(), levels, alpha
