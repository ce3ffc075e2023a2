"""Code: one tensor as the symbols and the codebook that a file holds, and the way back to its weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

RAW_TYPES = ("float32", "float16")


@dataclass(frozen=True, eq=False)
class Code:
    """A compressed tensor of `shape`, in row-major order.

    symbols   [kept] indices into `codebook` (uint8 or uint16), or, without a codebook, the values
              themselves (float32 or float16)
    codebook  [K] float32, or None
    mask      [size] bool, True where a weight was kept; None where no weight was pruned
    """

    shape: tuple[int, ...]
    symbols: np.ndarray
    codebook: np.ndarray | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        kept = prod(self.shape) if self.mask is None else int(np.count_nonzero(self.mask))
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != (prod(self.shape),)):
            raise ValueError(f"mask: {self.mask.dtype} {self.mask.shape} for a tensor of shape {self.shape}")
        if self.symbols.shape != (kept,):
            raise ValueError(
                f"symbols: {self.symbols.shape} found, ({kept},) expected for shape {self.shape}"
            )
        if self.codebook is None:
            if self.symbols.dtype.name not in RAW_TYPES:
                raise ValueError(
                    f"symbols: {self.symbols.dtype} without a codebook; choose from {', '.join(RAW_TYPES)}"
                )
            return
        if self.codebook.dtype != np.float32 or self.codebook.ndim != 1:
            raise ValueError(
                f"codebook: {self.codebook.dtype} {self.codebook.shape} found, float32 [K] expected"
            )
        if self.symbols.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"symbols: {self.symbols.dtype} with a codebook; choose from uint8, uint16")
        if kept and int(self.symbols.max()) >= len(self.codebook):
            raise ValueError(
                f"symbols: {int(self.symbols.max())} found, the codebook has {len(self.codebook)} entries"
            )

    @property
    def size(self) -> int:
        """The number of weights, pruned ones included."""
        return prod(self.shape)

    def decode(self) -> np.ndarray:
        """The weights, float32 of `shape`, bit for bit those that the model was scored with."""
        kept = self.symbols if self.codebook is None else self.codebook[self.symbols]
        kept = kept.astype(np.float32, copy=False)
        if self.mask is None:
            return kept.reshape(self.shape)
        weights = np.zeros(self.size, np.float32)
        weights[self.mask] = kept
        return weights.reshape(self.shape)


def raw(weights: np.ndarray, dtype: str = "float32") -> Code:
    """The code of a tensor that is stored as it is, at 32 or 16 bits a weight."""
    if dtype not in RAW_TYPES:
        raise ValueError(f"dtype: {dtype!r} found; choose from {', '.join(RAW_TYPES)}")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(weights, np.float32).reshape(-1).astype(dtype)
    if not np.isfinite(values).all():
        raise ValueError(f"a weight of magnitude {np.abs(weights).max():.3g} does not fit {dtype}")
    return Code(tuple(weights.shape), values)


def entropy_bits(code: Code) -> float:
    """What a static model of each tensor could reach at best, in bits: symbols and positions.

    Shannon entropy of the symbols' empirical distribution times their number, plus the same for the
    mask; stored values count 32 or 16 bits each. Codebooks are not included.
    """
    bits = 0.0 if code.mask is None else histogram_bits(np.bincount(code.mask, minlength=2))
    if code.codebook is None:
        return bits + 8.0 * code.symbols.nbytes
    return bits + histogram_bits(np.bincount(code.symbols, minlength=len(code.codebook)))


def histogram_bits(counts: np.ndarray) -> float:
    """Entropy of a sample with these symbol counts, in bits for the whole sample."""
    present = counts[counts > 0].astype(np.float64)
    return float((present * np.log2(present.sum() / present)).sum()) if present.size else 0.0
