"""Dropout whose masks cost little on a CPU and follow from the seed alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Dropout with masks cut from a `MaskPool`, if a training has set one, else torch's own.

    p    probability of 0 that the model's layers share
    own  this layer's own; negative: the shared one
    """

    def __init__(self, p: float, own: float = -1.0):
        super().__init__()
        self.shared, self.p = own < 0, p if own < 0 else own
        self.pool: MaskPool | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        return F.dropout(x, self.p) if self.pool is None else x * self.pool.cut(x, self.p)


class MaskPool:
    """Dropout masks cut at random offsets from a pool of random bits, an eighth of it renewed per update.

    On a CPU the random numbers of dropout cost more than the matrix products; cutting costs little.
    Pool and offsets follow from the seed, the update and the number of the batch alone, so that a resumed
    training, or one of several processes, cuts the same masks. A mask of more than `SIZE` values repeats the
    pool.
    """

    SIZE, SLICES = 1 << 23, 8

    def __init__(self, seed: int):
        self.seed = seed
        self.bits = torch.empty(self.SIZE, dtype=torch.int16)  # uniform on [-32768, 32767]
        self.filled: list[int | None] = [None] * self.SLICES  # the update at which each slice was renewed
        self.masks: dict[tuple[float, torch.dtype], Tensor] = {}
        self.offsets = torch.Generator()

    def begin(self, update: int, part: int = 0) -> None:
        """Renew what is due at `update`, and start the offsets of its batch number `part`."""
        for i, bits in enumerate(self.bits.chunk(self.SLICES)):
            due = update - (update - i) % self.SLICES  # the latest update at which slice i is renewed
            if self.filled[i] != due:
                generator = torch.Generator().manual_seed(mixed(self.seed, due, 1))
                bits.view(torch.int64).random_(-(2**63), None, generator=generator)
                self.filled[i] = due
                for (p, _), mask in self.masks.items():
                    mask.chunk(self.SLICES)[i].copy_(self._scaled(bits, p))
        self.offsets.manual_seed(mixed(self.seed, update, 2, part))

    def cut(self, x: Tensor, p: float) -> Tensor:
        """A mask of x's shape and type: 0 with probability p, else 1/(1-p)."""
        mask = self.masks.get((p, x.dtype))
        if mask is None:
            mask = self.masks[p, x.dtype] = self._scaled(self.bits, p).to(x.dtype)
        size = x.numel()
        if size >= self.SIZE:
            return mask.repeat(-(-size // self.SIZE))[:size].view(x.shape)
        start = int(torch.randint(self.SIZE - size, (), generator=self.offsets))
        return mask[start : start + size].view(x.shape)

    @staticmethod
    def _scaled(bits: Tensor, p: float) -> Tensor:
        return (bits >= round(p * 65536) - 32768).float().div_(1 - p)


def share_masks(model: nn.Module, seed: int) -> MaskPool:
    """One pool from which all dropout layers of a model cut their masks."""
    pool = MaskPool(seed)
    for module in model.modules():
        if isinstance(module, Dropout):
            module.pool = pool
    return pool


def mixed(*numbers: int) -> int:
    """One seed from several numbers, by a fixed mixing (splitmix64), the same on every machine."""
    state = 0
    for number in numbers:
        state = (state ^ (number & 0xFFFFFFFFFFFFFFFF)) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
