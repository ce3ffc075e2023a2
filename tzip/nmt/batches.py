"""Batches of sentence pairs of like length under a budget of tokens, in an order that the seed decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tzip.data.pieces import Encoded
from tzip.nmt.model import BEGIN, END, PAD, padded


@dataclass(frozen=True)
class Batch:
    """source [B, S] ends in END if the model's do; target [B, T+1] begins with BEGIN and ends in END.

    Both are padded with PAD. seen [N] are the places in target[:, 1:], flattened, of the pieces to predict,
    END included, padding not: found where the batch is made, so that no GPU is waited for.
    """

    source: Tensor
    target: Tensor
    seen: Tensor

    @classmethod
    def of(cls, source: Tensor, target: Tensor) -> Batch:
        return cls(source, target, (target[:, 1:].flatten() != PAD).nonzero().squeeze(1))

    @property
    def tokens(self) -> int:
        """Target pieces to predict."""
        return len(self.seen)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.source, self.target, self.seen

    def pinned(self) -> Batch:
        """In memory that a GPU copies from while the processor goes on."""
        return Batch(*(x.pin_memory() for x in self.parts()))

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(x.to(device, non_blocking=True) for x in self.parts()))


def groups(lengths: np.ndarray, budget: int, seed: int | None) -> list[np.ndarray]:
    """Pairs grouped so that rows × longest row, with END, stays within `budget` on both sides.

    lengths  [N, 2] source and target pieces of each pair
    seed     decides which pairs of equal lengths meet and the order of the groups; None keeps the
             groups in order of length. The number of groups does not depend on it.
    A pair longer than the budget gets a batch of its own.
    """
    random = np.random.default_rng(seed)
    tie = random.permutation(len(lengths)) if seed is not None else np.arange(len(lengths))
    order = np.lexsort((tie, lengths[:, 0], lengths[:, 1]))
    cut, longest = [0], 0
    for row, length in enumerate(lengths[order].max(axis=1) + 1):
        longest = max(longest, int(length))
        if longest * (row + 1 - cut[-1]) > budget and row > cut[-1]:
            cut.append(row)
            longest = int(length)
    parts = np.split(order, cut[1:]) if len(order) else []
    return [parts[i] for i in random.permutation(len(parts))] if seed is not None else parts


def batch(data: Encoded, rows: np.ndarray, source_end: bool = True, multiple: int = 1,
          most: int | None = None) -> Batch:  # fmt: skip
    """The pairs `rows` of `data` as one padded batch; `source_end` as in the model's Config.

    multiple  of the lengths that a model sees, of sources and of targets without their BEGIN
    most      a length that such a multiple stays within
    """
    pairs = [data.pair(int(row)) for row in rows]
    end = [END] if source_end else []
    source = padded([[*source.tolist(), *end] for source, _ in pairs], multiple, most)
    target = padded([[*target.tolist(), END] for _, target in pairs], multiple, most)
    begin = target.new_full((len(pairs), 1), BEGIN)
    return Batch.of(source, torch.cat([begin, target], dim=1))


class Stream:
    """Batches for ever, epoch after epoch, from any position: what a resumed training continues with."""

    def __init__(self, data: Encoded, budget: int, seed: int, source_end: bool = True, multiple: int = 1):
        if len(data) == 0:
            raise ValueError("no training pairs")
        self.data, self.budget, self.seed = data, budget, seed
        self.source_end, self.multiple = source_end, multiple
        self.lengths = data.lengths()
        self.per_epoch = len(groups(self.lengths, budget, seed))
        self.most = int(self.lengths.max()) + 1  # with END

    def __call__(self, start: int = 0, step: int = 1) -> Iterator[Batch]:
        """Every `step`-th batch from number `start` on."""
        epoch, order = -1, []
        while True:
            if start // self.per_epoch != epoch:
                epoch = start // self.per_epoch
                order = groups(self.lengths, self.budget, self.seed * 1_000_003 + epoch)
            yield batch(self.data, order[start % self.per_epoch], self.source_end, self.multiple, self.most)
            start += step


def ahead(batches: Iterator[Batch], device: torch.device, depth: int = 4) -> Iterator[Batch]:
    """The same batches without an end, made so many ahead by a thread of their own, pinned for the GPU."""
    chosen = {"initializer": torch.cuda.set_device, "initargs": (device,)} if device.type == "cuda" else {}
    with ThreadPoolExecutor(1, **chosen) as thread:  # a new thread would pin for the first GPU
        waiting = deque(thread.submit(lambda: next(batches).pinned()) for _ in range(depth))
        while True:
            yield waiting.popleft().result()
            waiting.append(thread.submit(lambda: next(batches).pinned()))
