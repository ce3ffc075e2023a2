"""Entropy-constrained scalar quantization: a level is chosen by its error and by the bits that it takes in a file.

Chou, Lookabaugh & Gray 1989 ("Entropy-constrained vector quantization", with vectors of one weight), in training as
EC2T (Marban et al. 2020, arXiv 2004.01077) has it with three levels. DeepCABAC (Wiedemann et al. 2020, arXiv
1907.11900) decides so after training, with the bits of an adaptive coder; Oktay et al. 2020 (arXiv 1906.06624) put the
bits into the loss. Here they are those of the tensor's own histogram, which the static coder of a model.tzip reaches.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tzip.compression.parametrization import TINY, Latent, blocks, bucket, scale_form, spread, stored, summed, zeroed
from tzip.options import option, scale_rounding, shared_scale

SOURCE = "Chou, Lookabaugh & Gray 1989; Wiedemann et al. 2020 (DeepCABAC); Marban et al. 2020 (EC2T)"
STARTS = (1.0, 0.5, 0.25)  # first levels as far out as the largest weight, half and a quarter of it
ROUNDS = 200  # of the fit, at most
ENOUGH = 1e-6  # gain of a round, over the objective, that ends the fit
EVERY = 8  # forward passes of a training from one further round to the next


@dataclass(frozen=True)
class Options:
    """Levels chosen by error and by bits."""

    bits: int = option(6, "there are at most 2^bits - 1 levels; how many bits they take is the price's", low=2, high=8)
    per: str = shared_scale("tensor")
    scale_steps: int = scale_rounding()
    price: float = option(
        0.05, "λ: squared error that a saved bit is worth, over the mean square of the weights", low=0.0, high=10.0
    )


class Quantizer(Latent):
    """The level q of least (w - q)² + λ · σ² · bits(q), bits(q) = -log2 of the share of weights that took q.

    Weights are divided by σ, the root of the mean square of those that share a step (one per tensor, row or group);
    levels and histogram are the tensor's. A level is the mean of the weights that took it. From even steps, levels and
    histogram are iterated to a fixed point (`fitted`), and once more in every 8th forward pass of a training. A level
    that no weight took is gone for good. The weight itself is trained by the straight-through estimator.

    levels  [2^bits - 1] float32 buffer, ascending but for those that are gone
    counts  [2^bits - 1] float64 buffer: the number of weights that took each level, 0 where one is gone
    passes  [] int64 buffer: forward passes of a training so far
    """

    def __init__(self, weight: Tensor, options: Any, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__(weight, options, keep=keep)
        scaled = self.scaled(zeroed(weight.detach().float(), self.keep))[0]
        scaled = scaled.flatten() if keep is None else scaled[self.keep]
        levels, counts = fitted(scaled.double().cpu(), 2**options.bits - 1, options.price)
        self.register_buffer("levels", levels.float().to(weight.device))
        self.register_buffer("counts", counts.to(weight.device))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def scaled(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weights over σ, and σ [R, G] as `stored` makes it."""
        form = scale_form(weight.shape, self.options.per)
        sizes = torch.linalg.vector_norm(blocks(weight, form), dim=2) / self.kept(weight, form).sqrt()
        scales = stored(sizes, self.options)
        return weight / spread(scales, weight.shape).clamp(min=TINY), scales

    def indices(self, scaled: Tensor) -> Tensor:
        edges = boundaries(self.levels.double(), self.counts, self.options.price)
        return bucket(scaled, edges.float())

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        scaled, scales = self.scaled(weight)
        return self.indices(scaled), self.levels, scales

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            if self.passes % EVERY == 0:
                self.refresh(zeroed(weight.detach(), self.keep))
            self.passes += 1
        return super().forward(weight)

    @torch.no_grad()
    def refresh(self, weight: Tensor) -> None:
        """Iterate once: the histogram of the levels that the weights take now, and the means."""
        scaled = self.scaled(weight)[0]
        indices = self.indices(scaled).flatten()
        there = torch.ones_like(scaled) if self.keep is None else self.keep
        self.counts.copy_(summed(there.flatten().double(), indices, len(self.levels)))
        sums = summed(scaled.flatten().double(), indices, len(self.levels))  # pruned weights are 0
        self.levels.copy_(torch.where(self.counts > 0, sums / self.counts.clamp(min=1), self.levels))


def boundaries(levels: Tensor, counts: Tensor, price: float) -> Tensor:
    """The value below and at which an index less than k costs least, for k = 1, 2, ...; ascending [K - 1].

    Level j > i costs less than i above (c_i + c_j) / 2 + λ (b_j - b_i) / (2 (c_j - c_i)), c the levels and b their
    bits. So an index of at least k is best where one of those j is better than every i < k.

    levels, counts  [K] float64; an index without a count is never the best
    """
    gone, cost = counts == 0, price * (counts.sum() / counts.clamp(min=1)).log2()
    crossing = (levels + levels[:, None]) / 2 + (cost - cost[:, None]) / (2 * (levels - levels[:, None]))
    crossing = crossing.masked_fill(gone[:, None], -torch.inf).masked_fill(gone, torch.inf)
    crossing = crossing.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)  # equal levels, equal costs
    later = torch.ones_like(crossing, dtype=torch.bool).triu(1)
    beats_all = crossing.masked_fill(~later, -torch.inf).cummax(0).values  # [i, j]: j those up to i
    return beats_all.masked_fill(~later, torch.inf).amin(1)[:-1].cummax(0).values


def fitted(values: Tensor, size: int, price: float) -> tuple[Tensor, Tensor]:
    """Levels and how many of the values [N] take each, both float64 [size]: the best of three fixed points.

    In each round, levels and histogram are those of the values' best choice in the round before, so that the
    objective, mean squared error + price · bits per value, never rises. Levels that are gone come last.
    """
    ordered = values.sort().values if len(values) else values.new_zeros(1)
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    largest, square = float(ordered.abs().max()) or 1.0, float(ordered.square().mean())
    best = (float("inf"), ordered[:1], ordered.new_ones(1))
    for start in STARTS:
        levels = torch.linspace(-start * largest, start * largest, size, dtype=values.dtype)
        counts, before = torch.ones_like(levels), float("inf")
        for _ in range(ROUNDS):
            edges = torch.searchsorted(ordered, boundaries(levels, counts, price))
            edges = torch.cat([edges.new_zeros(1), edges, edges.new_full((1,), len(ordered))])
            counts, totals = edges.diff().double(), sums[edges].diff()
            levels, counts = (totals / counts)[counts > 0], counts[counts > 0]
            shares = counts / len(ordered)
            objective = square - float((shares * levels.square()).sum()) - price * float((shares * shares.log2()).sum())
            if before - objective <= ENOUGH * objective:
                break
            before = objective
        best = min(best, (objective, levels, counts), key=lambda fit: fit[0])
    padding = (0, size - len(best[1]))
    return torch.nn.functional.pad(best[1], padding), torch.nn.functional.pad(best[2], padding)
