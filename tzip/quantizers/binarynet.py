"""Binary weights: a sign, and the mean magnitude of the row.

Courbariaux & Bengio 2016 (BinaryNet, arXiv 1602.02830); the scale is XNOR-Net's (Rastegari et al. 2016, arXiv
1603.05279, equation 6).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Latent, blocks, scale_form, stored
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Courbariaux & Bengio 2016 (BinaryNet); Rastegari et al. 2016 (XNOR-Net)"


@dataclass(frozen=True)
class Options:
    """One sign per weight."""

    bits = 1
    per: str = shared_scale("row")
    scale_steps: int = scale_rounding()
    activations: bool = option(False, "whether the inputs of the layers are binarized, too")


class Quantizer(Latent):
    """α · sign(w), sign(0) = +1, α the mean of |w|; no gradient where |w| > 1 (BinaryNet, equation 4)."""

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        form = scale_form(weight.shape, self.options.per)
        alpha = stored(blocks(weight.abs().clamp(max=1.0), form).sum(2) / self.kept(weight, form), self.options)
        return (weight >= 0).int(), torch.tensor([-1.0, 1.0], device=weight.device), alpha

    def forward(self, weight: Tensor) -> Tensor:
        return super().forward(weight.clamp(-1.0, 1.0))
