"""Batches of sentence pairs of similar length, of limited size, in an order that the seed decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tzip.data.pieces import BEGIN, END, PAD, Encoded
from tzip.nmt.model import padded
from tzip.nmt.soft import SoftTargets


class Batch(NamedTuple):
    """Sentence pairs as padded tensors.

    source [B, S]    piece ids, with END if the model's sources have it
    target [B, T+1]  piece ids, with BEGIN and END
    predicted [N]    indices into target[:, 1:].flatten() of the pieces to predict: END included, padding not.
                     They are computed on the CPU, so that nothing waits for a GPU
    soft_pieces [N, K], soft_logs [N, K]  a teacher's most likely pieces and their log-probabilities, if there is one
    """

    source: Tensor
    target: Tensor
    predicted: Tensor
    soft_pieces: Tensor | None = None
    soft_logs: Tensor | None = None

    @classmethod
    def of(cls, source: Tensor, target: Tensor, *soft: Tensor) -> Batch:
        return cls(source, target, (target[:, 1:].flatten() != PAD).nonzero().squeeze(1), *soft)

    @property
    def tokens(self) -> int:
        """Target pieces to predict."""
        return len(self.predicted)

    def pinned(self) -> Batch:
        """The batch in pinned memory, from which a GPU copies while the CPU goes on."""
        return Batch(*(x if x is None else x.pin_memory() for x in self))

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(x if x is None else x.to(device, non_blocking=True) for x in self))


def groups(lengths: np.ndarray, tokens: int, seed: int | None) -> list[np.ndarray]:
    """Indices of pairs in groups in which rows × longest row, with END, is at most `tokens` on both sides.

    lengths  [N, 2] source and target pieces of each pair
    seed     decides which pairs of equal lengths share a group, and the order of the groups; None keeps the
             groups in order of length. The number of groups does not depend on it.
    A pair of more tokens gets a group of its own.
    """
    random = np.random.default_rng(seed)
    tie = random.permutation(len(lengths)) if seed is not None else np.arange(len(lengths))
    order = np.lexsort((tie, lengths[:, 0], lengths[:, 1]))
    cut, longest = [0], 0
    for row, length in enumerate(lengths[order].max(axis=1) + 1):
        longest = max(longest, int(length))
        if longest * (row + 1 - cut[-1]) > tokens and row > cut[-1]:
            cut.append(row)
            longest = int(length)
    parts = np.split(order, cut[1:]) if len(order) else []
    return [parts[i] for i in random.permutation(len(parts))] if seed is not None else parts


def batch(
    data: Encoded,
    rows: np.ndarray,
    source_end: bool = True,
    multiple: int = 1,
    most: int | None = None,
    soft: SoftTargets | None = None,
) -> Batch:
    """The pairs `rows` of `data` as one padded batch; `source_end` as in the model's Config.

    multiple  the lengths of sources, and of targets without BEGIN, are multiples of it
    most      the largest length that this may lead to
    soft      what a teacher says of `data`, to be part of the batch
    """
    pairs = [data.pair(int(row)) for row in rows]
    end = [END] if source_end else []
    source = padded([[*source.tolist(), *end] for source, _ in pairs], multiple, most)
    target = padded([[*target.tolist(), END] for _, target in pairs], multiple, most)
    begin = target.new_full((len(pairs), 1), BEGIN)
    return Batch.of(source, torch.cat([begin, target], dim=1), *(soft.of(rows) if soft else ()))


class Stream:
    """Batches without an end, epoch after epoch, from any position on, as a resumed training needs them."""

    def __init__(
        self,
        data: Encoded,
        tokens: int,
        seed: int,
        source_end: bool = True,
        multiple: int = 1,
        soft: SoftTargets | None = None,
    ):
        if len(data) == 0:
            raise ValueError("no training pairs")
        self.data, self.tokens, self.seed, self.soft = data, tokens, seed, soft
        self.source_end, self.multiple = source_end, multiple
        self.lengths = data.lengths()
        self.per_epoch = len(groups(self.lengths, tokens, seed))
        self.most = int(self.lengths.max()) + 1  # with END

    def __call__(self, start: int = 0, step: int = 1) -> Iterator[Batch]:
        """Every `step`-th batch from number `start` on."""
        epoch, order = -1, []
        while True:
            if start // self.per_epoch != epoch:
                epoch = start // self.per_epoch
                order = groups(self.lengths, self.tokens, self.seed * 1_000_003 + epoch)
            rows = order[start % self.per_epoch]
            yield batch(self.data, rows, self.source_end, self.multiple, self.most, self.soft)
            start += step


def ahead(batches: Iterator[Batch], device: torch.device, depth: int = 4) -> Iterator[Batch]:
    """The same batches, pinned for the GPU; a thread prepares `depth` of them ahead."""
    chosen = {"initializer": torch.cuda.set_device, "initargs": (device,)} if device.type == "cuda" else {}
    with ThreadPoolExecutor(1, **chosen) as thread:  # a new thread would pin for the first GPU
        prepared = deque(thread.submit(lambda: next(batches).pinned()) for _ in range(depth))
        while True:
            yield prepared.popleft().result()
            prepared.append(thread.submit(lambda: next(batches).pinned()))
