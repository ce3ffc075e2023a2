"""Batches of sentence pairs of like length under a budget of tokens, in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tzip.model import BEGIN, END, PAD, padded
from tzip.pieces import Encoded


@dataclass(frozen=True)
class Batch:
    """source [B, S] ends in END if the model's do; target [B, T+1] begins with BEGIN and ends in END.

    Both are padded with PAD.
    """

    source: Tensor
    target: Tensor

    @property
    def tokens(self) -> int:
        """Target pieces to predict, END included, padding not."""
        return int((self.target[:, 1:] != PAD).sum())

    def to(self, device: torch.device | str) -> Batch:
        if torch.device(device).type == "cpu":
            return self
        pinned = (self.source.pin_memory(), self.target.pin_memory())
        return Batch(*(x.to(device, non_blocking=True) for x in pinned))


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


def batch(data: Encoded, rows: np.ndarray, source_end: bool = True) -> Batch:
    """The pairs `rows` of `data` as one padded batch; `source_end` as in the model's Config."""
    pairs = [data.pair(int(row)) for row in rows]
    end = [END] if source_end else []
    return Batch(
        padded([[*source.tolist(), *end] for source, _ in pairs]),
        padded([[BEGIN, *target.tolist(), END] for _, target in pairs]),
    )


class Stream:
    """Batches for ever, epoch after epoch, from any position: what a resumed training continues with."""

    def __init__(self, data: Encoded, budget: int, seed: int, source_end: bool = True):
        if len(data) == 0:
            raise ValueError("no training pairs")
        self.data, self.budget, self.seed, self.source_end = data, budget, seed, source_end
        self.lengths = data.lengths()
        self.per_epoch = len(groups(self.lengths, budget, seed))

    def __call__(self, start: int = 0, step: int = 1) -> Iterator[Batch]:
        """Every `step`-th batch from number `start` on."""
        epoch, order = -1, []
        while True:
            if start // self.per_epoch != epoch:
                epoch = start // self.per_epoch
                order = groups(self.lengths, self.budget, self.seed * 1_000_003 + epoch)
            yield batch(self.data, order[start % self.per_epoch], self.source_end)
            start += step
