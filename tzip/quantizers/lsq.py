"""Learned step size quantization: even steps whose size is trained (Esser et al. 2020, "LSQ", arXiv 1902.08153)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tzip.compression.parametrization import TINY, Latent, blocks, scale_form, spread, stored, zeroed
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
        """The steps as a file holds them (`stored`), [R, G]."""
        return stored(self.step.detach().clamp(min=TINY), self.options)

    def forward(self, weight: Tensor) -> Tensor:
        return zeroed(Rounded.apply(weight, self.step, self.scales(), self.rate, self.top), self.keep)

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        scales = self.scales()
        codebook = torch.arange(-self.top, self.top + 1, dtype=torch.float32, device=weight.device)
        return (levels(weight / spread(scales, weight.shape), self.top) + self.top).int(), codebook, scales


class Rounded(torch.autograd.Function):
    """The quantized weight with its derivatives by the weight and by the step: faster than their parts."""

    @staticmethod
    def forward(ctx, weight: Tensor, step: Tensor, scales: Tensor, rate: Tensor, top: int) -> Tensor:
        scale = spread(scales, weight.shape)
        ratio = weight / scale
        level, within = levels(ratio, top), ratio.abs() < top
        ctx.save_for_backward(within, torch.addcmul(level, ratio, within, value=-1), rate)
        return level.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        within, by_step, rate = ctx.saved_tensors
        return gradient * within, rate * blocks(gradient * by_step, rate.shape).sum(2), None, None, None


def levels(ratio: Tensor, top: int) -> Tensor:
    """The nearest integers from -top to top, as float32; none is -0.0."""
    return ratio.round().clamp_(-top, top).add_(0.0)
