"""Base classes of quantizers and pruners: fixed zeros, trained codebooks, scales per row or group."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tzip.compression.code import Code, counted, looked_up, matrix

LARGEST = torch.finfo(torch.float16).max
TINY = 2.0**-24  # the smallest scale that float16 has
BLOCK = 1 << 19  # weights of a large tensor whose levels are found at a time
COMPARED = 32  # edges that are compared one after the other, at most
FITTING = 20  # iterations of a least-squares scale; a handful are needed


def compact(indices: np.ndarray, codebook: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices and codebook without the unused entries (one is left if none is used)."""
    used = counted(indices, len(codebook)) > 0
    used[0] |= not used.any()
    kind = np.uint8 if len(codebook) <= 256 else np.uint16
    return looked_up((np.cumsum(used) - 1).astype(kind), indices), codebook[used]


class Lookup(torch.autograd.Function):
    """codebook[indices], differentiable: `Lookup.apply(codebook, indices, latent)`.

    An entry's gradient is the sum over the weights that use it (Deep Compression, equation 3). `latent`,
    if given, receives the weights' gradient unchanged (straight-through).

    codebook  [K] float32      indices  uint8, any shape      latent  shape of indices, or None
    """

    @staticmethod
    def forward(ctx, codebook: Tensor, indices: Tensor, latent: Tensor | None) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.entries = len(codebook)
        return codebook.index_select(0, indices.flatten().int()).view(indices.shape)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (indices,) = ctx.saved_tensors
        wanted, _, straight = ctx.needs_input_grad
        sums = summed(gradient.flatten(), indices.flatten(), ctx.entries) if wanted else None
        return sums, None, gradient if straight else None


def summed(values: Tensor, indices: Tensor, entries: int) -> Tensor:
    """The sum of the values of each index, deterministic on every device; [entries]."""
    if values.device.type == "cpu":
        return torch.bincount(indices, values, entries)
    return summed_by_sorting(values, indices, entries)


def summed_by_sorting(values: Tensor, indices: Tensor, entries: int) -> Tensor:
    """As `summed`, for devices that add up by index in no fixed order; does not wait for the device."""
    ordered, order = torch.sort(indices.int(), stable=True)
    ends = torch.searchsorted(ordered, torch.arange(entries + 1, dtype=torch.int32, device=indices.device))
    return torch.segment_reduce(values[order], "sum", lengths=ends.diff(), unsafe=True)


def bucket(values: Tensor, edges: Tensor) -> Tensor:
    """How many of the ascending `edges` are below each value (no NaN): torch.bucketize, int32 of the values' shape.

    Few edges are compared one after the other: on a CPU twice to four times as fast as a search with branches.
    """
    if values.device.type == "cpu":
        different, times = edges.unique_consecutive(return_counts=True)
    if values.device.type != "cpu" or len(different) > COMPARED:
        return torch.bucketize(values, edges, out_int32=True)
    count, above = torch.zeros_like(values, dtype=torch.uint8), torch.empty_like(values, dtype=torch.bool)
    for edge, number in zip(different.tolist(), times.tolist(), strict=True):
        count.add_(torch.gt(values, edge, out=above).view(torch.uint8), alpha=number)
    return count.int()


def zeroed(weight: Tensor, keep: Tensor | None) -> Tensor:
    """The weight, exactly 0 where `keep` is False, as is its gradient."""
    return weight if keep is None else Zeroed.apply(weight, keep)


class Zeroed(torch.autograd.Function):
    """weight.masked_fill(~keep, 0.0) for float32, on its bits: five times as fast on a CPU."""

    @staticmethod
    def forward(ctx, weight: Tensor, keep: Tensor) -> Tensor:
        ctx.save_for_backward(keep)
        return (weight.view(torch.int32) & -keep.int()).view(torch.float32)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (keep,) = ctx.saved_tensors
        return gradient * keep, None


class Straight(torch.autograd.Function):
    """The straight-through estimator: `Straight.apply(weight, value)` is `value`.

    Its gradient goes to the weight unchanged (Bengio et al. 2013, arXiv 1308.3432).
    """

    @staticmethod
    def forward(ctx, weight: Tensor, value: Tensor) -> Tensor:
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient, None


def scale_form(shape: torch.Size, per: str) -> tuple[int, int]:
    """Rows and groups [R, G] of a tensor's scales, `per` as `options.shared_scale` has it."""
    rows, columns = matrix(tuple(shape))
    if per == "tensor":
        return 1, 1
    return rows, 1 if per == "row" else -(-columns // int(per))


def blocks(weight: Tensor, form: tuple[int, int]) -> Tensor:
    """The weights that share a scale: [R, G, weights], padded with zeros."""
    if form == (1, 1):
        return weight.reshape(1, 1, -1)
    rows, columns = matrix(tuple(weight.shape))
    group = -(-columns // form[1])
    if group * form[1] == columns:
        return weight.reshape(*form, group)
    return nn.functional.pad(weight.reshape(rows, columns), (0, group * form[1] - columns)).view(*form, group)


def spread(scales: Tensor, shape: torch.Size) -> Tensor:
    """A scale for each weight: [R, G] (or a shape that broadcasts to the matrix) → `shape`."""
    rows, columns = matrix(tuple(shape))
    if scales.shape[1] > 1:
        scales = scales.repeat_interleave(-(-columns // scales.shape[1]), 1)[:, :columns]
    return scales.expand(rows, columns).reshape(shape)


def half(values: Tensor) -> Tensor:
    """Values as a file holds them in 16 bits: the nearest float16, at most the largest one; in float32."""
    return values.clamp(-LARGEST, LARGEST).half().float()


def stored(scales: Tensor, options: Any) -> Tensor:
    """Scales as a file holds them: float16, in `scale_steps` per octave if the options have that; in float32.

    On steps a scale is 2^(number / steps) (`code.octave_steps`), the number rounded; 0 stays 0.
    """
    scales = half(scales)
    if not (steps := getattr(options, "scale_steps", 0)):
        return scales
    numbers = (scales.clamp(min=TINY).double().log2() * steps).round()
    return torch.where(scales > 0, half((numbers / steps).exp2()), scales)


class Latent(nn.Module):
    """Base of the quantizers that train the weight itself by the straight-through estimator.

    A subclass defines `quantize`, or `forward` and `code`.
    """

    trains_latent = True

    def __init__(self, weight: Tensor, options: Any, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__()
        self.options = options
        self.register_buffer("keep", None if keep is None else keep.clone())

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Indices (integers of the weight's shape), codebook [K] and scales [R, G] (as `stored` makes them).

        `weight` is exactly 0 where it is pruned, and its index there is ignored.
        """
        raise NotImplementedError

    def forward(self, weight: Tensor) -> Tensor:
        indices, codebook, scales = self.quantize(zeroed(weight.detach(), self.keep))
        value = codebook.index_select(0, indices.flatten().int()).view(weight.shape)
        if scales is not None:
            value = value * spread(scales, weight.shape)
        return zeroed(Straight.apply(weight, value), self.keep)

    def code(self, weight: Tensor) -> Code:
        parts = self.quantize(zeroed(weight.detach(), self.keep))
        return coded(weight.shape, *parts, self.keep)

    def kept(self, weight: Tensor, form: tuple[int, int]) -> Tensor:
        """The number of weights per block that are not pruned: [R, G], at least 1."""
        there = torch.ones_like(weight) if self.keep is None else self.keep.float()
        return blocks(there, form).sum(2).clamp(min=1)


def coded(shape: torch.Size, indices: Tensor, codebook: Tensor, scales: Tensor | None, keep: Tensor | None) -> Code:
    """The Code of indices into a codebook, without the entries that no kept weight uses."""
    mask = None if keep is None else keep.flatten().cpu().numpy()
    used = indices.flatten().cpu().numpy()
    symbols, entries = compact(used if mask is None else used[mask], codebook.detach().cpu().numpy())
    stored = None if scales is None else scales.detach().cpu().numpy().astype(np.float16)
    return Code(tuple(shape), symbols, entries, mask, stored)


class Grid(Latent):
    """Base of the quantizers with fixed levels, the same magnitudes on both sides of 0, times a scale.

    A subclass gives the ascending magnitudes in `levels`, and in `nearest` the index of the one that a
    scaled magnitude becomes. A scale is the largest of its weights over the largest level; with `fits` it is
    the least-squares one, found from there by iterating s ← Σ w·q / Σ q², q the levels of the weights at
    scale s (Aji & Heafield 2020, section 3.2). Each step of a training iterates once more, from the scales of
    the step before: the levels follow the weights.
    """

    fits = False

    def __init__(self, weight: Tensor, options: Any, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__(weight, options, keep=keep)
        self.form = scale_form(weight.shape, options.per)
        levels = self.levels().to(weight.device)
        below = -levels.flip(0) if levels[0] > 0 else -levels[1:].flip(0)
        self.register_buffer("codebook", torch.cat([below, levels]), persistent=False)
        value = zeroed(weight.detach().float(), self.keep)
        if self.fits:
            self.register_buffer("scales", self.largest(value))
            for _ in range(FITTING):
                self.scales.copy_(self.refitted(value))

    def levels(self) -> Tensor:
        """The magnitudes, ascending and at least 0; float32 [M]."""
        raise NotImplementedError

    def nearest(self, size: Tensor) -> Tensor:
        """The index of the level of each of these magnitudes; `indices` clips those beyond the last."""
        raise NotImplementedError

    def quantize(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        scales = stored(self.refitted(weight) if self.fits else self.largest(weight), self.options)
        rows, columns = matrix(tuple(weight.shape))
        step = max(1, BLOCK // columns)
        if rows <= step:
            return self.indices(weight, scales), self.codebook, scales
        parts = zip(weight.view(rows, columns).split(step), scales.expand(rows, -1).split(step), strict=True)
        indices = torch.cat([self.indices(*part).to(torch.uint8) for part in parts])
        return indices.view(weight.shape), self.codebook, scales

    def forward(self, weight: Tensor) -> Tensor:
        if self.fits and self.training:
            with torch.no_grad():
                self.scales.copy_(self.refitted(zeroed(weight.detach(), self.keep)))
        return super().forward(weight)

    def indices(self, weight: Tensor, scales: Tensor) -> Tensor:
        """Indices of the scaled weights in the codebook, clipped to the declared bits."""
        above = (len(self.codebook) + 1) // 2  # levels on one side, including 0 if that is a level
        size = weight.abs() / spread(scales, weight.shape).clamp(min=TINY)
        level = self.nearest(size).clamp_(max=above - 1).int()
        index = torch.where(weight >= 0, len(self.codebook) - above + level, above - 1 - level)
        return index.clamp_(max=2**self.options.bits - 1)

    def largest(self, weight: Tensor) -> Tensor:
        low, high = blocks(weight, self.form).aminmax(dim=2)
        return torch.maximum(low.abs(), high.abs()) / self.codebook[-1]

    def refitted(self, weight: Tensor) -> Tensor:
        """The least-squares scales for the levels of the weights at the scales so far."""
        scales = stored(self.scales, self.options)
        level = self.codebook[self.indices(weight, scales)]
        level = blocks(zeroed(level, self.keep), self.form)
        norm = (level * level).sum(2)
        return torch.where(norm > 0, (blocks(weight, self.form) * level).sum(2) / norm, scales)


class Indexed(nn.Module):
    """Base of the quantizers with fixed indices and a trained codebook."""

    trains_latent = False

    def __init__(self, indices: Tensor, codebook: Tensor, scales: Tensor | None, keep: Tensor | None):
        super().__init__()
        self.codebook = nn.Parameter(codebook)
        self.register_buffer("indices", indices)
        self.register_buffer("scales", scales)
        self.register_buffer("keep", None if keep is None else keep.clone())

    def forward(self, weight: Tensor) -> Tensor:
        value = Lookup.apply(self.codebook, self.indices, None)
        if self.scales is not None:
            value = value * spread(self.scales, weight.shape)
        return zeroed(value, self.keep)

    def code(self, weight: Tensor) -> Code:
        return coded(weight.shape, self.indices, self.codebook, self.scales, self.keep)


class Mask(nn.Module):
    """Base of the pruners: the least salient weights are pruned first, and for good.

    A subclass gives the `saliency` of each weight, at least 0, proportional to |weight|^`degree`.
    """

    degree = 1

    def __init__(self, weight: Tensor, options: Any):
        super().__init__()
        self.options = options
        self.register_buffer("keep", torch.ones_like(weight, dtype=torch.bool))

    def saliency(self, weight: Tensor) -> Tensor:
        """The loss from pruning each weight, in the method's own unit; of the weight's shape."""
        raise NotImplementedError

    def ranks(self, weight: Tensor) -> Tensor:
        """The saliency, -1 where a weight is already pruned; [size]."""
        return self.saliency(weight).masked_fill(~self.keep, -1.0).flatten()

    @torch.no_grad()
    def prune(self, weight: Tensor, sparsity: float) -> None:
        """Prune the least salient of the kept weights until round(sparsity * size) are pruned.

        Of equal saliencies the one with the lower row-major index is pruned first.
        """
        count = round(sparsity * weight.numel())
        if count > int((~self.keep).sum()):
            self.keep.copy_(~lowest(self.ranks(weight), count).view_as(self.keep))

    def forward(self, weight: Tensor) -> Tensor:
        return zeroed(weight, self.keep)

    def code(self, weight: Tensor) -> Code:
        keep = self.keep.flatten().cpu().numpy()
        kept = weight.detach().flatten().cpu().numpy()[keep]
        return Code(tuple(weight.shape), kept, mask=None if keep.all() else keep)


def lowest(values: Tensor, count: int) -> Tensor:
    """True at the `count` lowest of the values [N], the earlier of equal ones; bool [N]."""
    if count == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = values.kthvalue(count).values
    chosen = values < threshold
    chosen[(values == threshold).nonzero().squeeze(1)[: count - int(chosen.sum())]] = True
    return chosen
