"""Soft targets: what teachers say of a text, position by position, computed once and kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tzip.data.pieces import Encoded
from tzip.files import replacing

ENTRY = np.dtype([("piece", "<i4"), ("log", "<f2")])


class SoftTargets:
    """The K most likely pieces at each target position of an encoded text, and their log-probabilities.

    entries  [positions, K] of ENTRY, the most likely first: the positions of pair 0, with that of END, then
             those of pair 1, ...; log: natural logarithm, of the whole vocabulary's softmax
    data     the text
    ValueError if there are not as many positions in it.
    """

    def __init__(self, entries: np.ndarray, data: Encoded):
        self.entries, self.starts = entries, starts(data)
        if entries.ndim != 2 or entries.dtype != ENTRY or len(entries) != self.starts[-1]:
            said = f"soft targets {entries.shape} of {entries.dtype}"
            raise ValueError(f"{said}: the text has {self.starts[-1]:,} positions; make them again")

    @classmethod
    def load(cls, path: str | Path, data: Encoded, top: int) -> SoftTargets:
        """The `top` most likely pieces of what `save` wrote, mapped from disk; ValueError in one line without them."""
        try:
            entries = np.load(path, mmap_mode="r", allow_pickle=False)
            if entries.ndim == 2 and entries.shape[1] < top:
                raise ValueError(f"top = {top}, but soft targets of {entries.shape[1]} pieces")
            return cls(np.asarray(entries)[..., :top], data)
        except (ValueError, TypeError, EOFError) as error:
            raise ValueError(f"{path}: {error}") from None

    def save(self, path: str | Path) -> None:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.save(file, self.entries)

    @property
    def top(self) -> int:
        return self.entries.shape[1]

    def check(self, pieces: int) -> None:
        """ValueError in one line if an entry is none of a vocabulary's pieces."""
        low, high = (int(end(self.entries["piece"], initial=0)) for end in (np.min, np.max))
        if low < 0 or high >= pieces:
            wrong = low if low < 0 else high
            raise ValueError(f"soft targets name piece {wrong}, of a vocabulary of {pieces}; make them again")

    def of(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Pieces int32 [N, K] and log-probabilities float32 [N, K] of all positions of these pairs, in their order."""
        found = np.concatenate([self.entries[self.starts[row] : self.starts[row + 1]] for row in rows])
        pieces, logs = np.ascontiguousarray(found["piece"]), found["log"].astype(np.float32)
        return torch.from_numpy(pieces), torch.from_numpy(logs)


def starts(data: Encoded) -> np.ndarray:
    """int64 [pairs + 1]: at which target position each pair begins, END counted, and how many there are."""
    return np.concatenate([[0], np.cumsum(data.lengths()[:, 1] + 1)])
