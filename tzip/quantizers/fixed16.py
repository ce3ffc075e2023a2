"""Fixed point: 16-bit integers over 1024 (Devlin 2017, "Sharp Models on Dull Hardware", arXiv 1705.01991)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.parametrization import Latent

SCALE = 2**10  # section 4.2: weights times 2^10, clipped to 16 bits
LEVELS = 2**15  # on either side of 0
SOURCE = "Devlin 2017 (Sharp Models on Dull Hardware)"


@dataclass(frozen=True)
class Options:
    """16-bit fixed point, without options."""

    bits = 16


class Quantizer(Latent):
    """The nearest multiple of 1/1024 between -32 and 32."""

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        integers = (weight * SCALE).round().clamp(-LEVELS, LEVELS - 1)
        codebook = torch.arange(-LEVELS, LEVELS, device=weight.device) / SCALE
        return (integers + LEVELS).int(), codebook, None
