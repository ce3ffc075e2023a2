"""Learned step size quantization: even steps whose size is trained (Esser et al. 2020, "LSQ", arXiv 1902.08153)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tzip.compression.parametrization import TINY, Latent, Straight, blocks, scale_form, spread, stored, zeroed
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Esser et al. 2020 (Learned Step Size Quantization)"


@dataclass(frozen=True)
class Options:
    """Evenly spaced levels, symmetric around 0, a trained step apart."""

    bits: int = option(4, "bits per weight; there are 2^bits - 1 levels", low=2, high=8)
    per: str = shared_scale("tensor")
    scale_steps: int = scale_rounding()


class Quantizer(Latent):
    """⌊clip(w / s, -Q, Q)⌉ · s, Q = 2^(bits-1) - 1 (equations 1, 2), the step s of a tensor, row or group trained.

    The derivative by s is ⌊w / s⌉ - w / s within ±Q, and ±Q from there on (equation 3), times g = 1 / √(N Q) for a
    step of N weights (section 2.2); by w it is 1 within, else 0 (equation 5). s begins as 2 · mean|w| / √Q (section
    2.1). The paper has one more level, -Q - 1, and a step per tensor.

    step  [R, G] parameter    rate  [R, G] buffer: g
    """

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__(weight, options, keep=keep)
        self.top = 2 ** (options.bits - 1) - 1
        size = zeroed(weight.detach().float(), self.keep).abs()
        self.form = scale_form(weight.shape, options.per)
        count = self.kept(size, self.form)
        self.step = nn.Parameter(2 * blocks(size, self.form).sum(2) / count / self.top**0.5)
        self.register_buffer("rate", (count * self.top).rsqrt())

    def scales(self) -> Tensor:
        """The steps as a file holds them (`stored`), [R, G]; their gradient is g times what arrives."""
        return Straight.apply(self.rate * self.step, stored(self.step.detach().clamp(min=TINY), self.options))

    def levels(self, weight: Tensor, scale: Tensor) -> Tensor:
        """Integers from -Q to Q, float32 of the weight's shape; straight-through within, constant from ±Q on."""
        ratio = weight / scale
        rounded = Straight.apply(ratio, ratio.detach().round() + 0.0)  # -0.0 becomes 0.0
        return torch.where(ratio.abs() < self.top, rounded, ratio.detach().clamp(-self.top, self.top))

    def forward(self, weight: Tensor) -> Tensor:
        scale = spread(self.scales(), weight.shape)
        return zeroed(self.levels(weight, scale) * scale, self.keep)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        scales = self.scales().detach()
        codebook = torch.arange(-self.top, self.top + 1, dtype=torch.float32, device=weight.device)
        return (self.levels(weight, spread(scales, weight.shape)) + self.top).int(), codebook, scales
