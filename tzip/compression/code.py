"""Code: one tensor as the symbols and the codebook that a file holds, and the way back to its weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, prod

import numpy as np

RAW_TYPES = ("float32", "float16")
FIXED = 1 << 14  # fixed-point numbers are below it in magnitude: differences of two fit 16 bits
EXPONENTS = range(-126, 101)  # of their unit, 2^exponent: every one is a finite float32
CHUNK = 1 << 20  # symbols that numpy indexes with or counts at a time, of which it makes copies of eight bytes each


@dataclass(frozen=True, eq=False)
class Code:
    """A compressed tensor of `shape`, in row-major order.

    symbols   [kept] indices into `codebook` (uint8 or uint16), or, without a codebook, the values
              themselves (float32 or float16), or with `exponent` fixed-point numbers (int16)
    codebook  [K] float32, or None; or [B, K, D] float32, vectors of D consecutive weights: then there is
              a symbol for every D weights, pruned ones too, and symbol i is looked up in book i mod B
    mask      [size] bool, True where a weight was kept; None where no weight was pruned
    scales    [R, G] float16 that the entries are multiplied with, or None: one row of them for each row of
              the tensor, or R = 1 for all; a row of C weights is cut into G groups of ceil(C / G)
    residual  another Code of the shape, without a mask, whose weights are added; or None
    exponent  of fixed-point numbers, which have no other part: a weight is its number times 2^exponent
    """

    shape: tuple[int, ...]
    symbols: np.ndarray
    codebook: np.ndarray | None = None
    mask: np.ndarray | None = None
    scales: np.ndarray | None = None
    residual: Code | None = None
    exponent: int | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != (self.size,)):
            raise ValueError(f"mask: {self.mask.dtype} {self.mask.shape} for a tensor of shape {self.shape}")
        if self.exponent is not None:
            self._check_fixed()
        elif self.codebook is None:
            if self.symbols.dtype.name not in RAW_TYPES:
                raise ValueError(
                    f"symbols: {self.symbols.dtype} without a codebook; choose from {', '.join(RAW_TYPES)}"
                )
        elif self.codebook.dtype != np.float32 or (
            self.codebook.ndim != 1 and (self.codebook.ndim != 3 or not self.codebook.size)
        ):
            raise ValueError(
                f"codebook: {self.codebook.dtype} {self.codebook.shape} found, float32 [K] or [B, K, D] expected"
            )
        elif self.symbols.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"symbols: {self.symbols.dtype} with a codebook; choose from uint8, uint16")
        kept = self.size if self.mask is None else int(np.count_nonzero(self.mask))
        expected = -(-self.size // self.width) if self.codebook is not None and self.codebook.ndim == 3 else kept
        if self.symbols.shape != (expected,):
            raise ValueError(f"symbols: {self.symbols.shape} found, ({expected},) expected for shape {self.shape}")
        if self.codebook is not None and expected and int(self.symbols.max()) >= self.entries:
            raise ValueError(f"symbols: {int(self.symbols.max())} found, the codebook has {self.entries} entries")
        if self.scales is not None:
            self._check_scales()
        if self.residual is not None and (self.residual.mask is not None or self.residual.shape != self.shape):
            raise ValueError(f"residual: shape {self.residual.shape} without a mask expected {self.shape}")
        if self.residual is not None and self.residual.exponent is not None:
            raise ValueError("residual: fixed-point numbers have no place in it")

    def _check_fixed(self) -> None:
        if any(part is not None for part in (self.codebook, self.mask, self.scales, self.residual)):
            raise ValueError("fixed-point numbers have no codebook, mask, scales or residual")
        numbers = self.symbols
        if numbers.dtype != np.int16 or (numbers.size and max(-int(numbers.min()), int(numbers.max())) >= FIXED):
            raise ValueError(f"symbols: {numbers.dtype} with an exponent; int16 below {FIXED} expected")
        if self.exponent not in EXPONENTS:
            raise ValueError(f"exponent = {self.exponent} is not {EXPONENTS[0]} to {EXPONENTS[-1]}")

    def _check_scales(self) -> None:
        rows, columns = matrix(self.shape)
        fits = self.scales.ndim == 2 and self.scales.shape[0] in (1, rows)
        groups = self.scales.shape[1] if fits else 0
        if self.scales.dtype != np.float16 or not groups or -(-columns // -(-columns // groups)) != groups:
            raise ValueError(f"scales: {self.scales.dtype} {self.scales.shape} for shape {self.shape}")

    @property
    def size(self) -> int:
        """The number of weights, pruned ones included."""
        return prod(self.shape)

    @property
    def entries(self) -> int:
        """The number of entries that a symbol chooses from; 0 without a codebook."""
        return 0 if self.codebook is None else self.codebook.shape[self.codebook.ndim // 2]

    @property
    def width(self) -> int:
        """Weights per symbol: 1, or D with a codebook of vectors."""
        return 1 if self.codebook is None or self.codebook.ndim == 1 else self.codebook.shape[2]

    def decode(self) -> np.ndarray:
        """The weights, float32 of `shape`, bit for bit those that the model was scored with."""
        weights = self._entries()
        if self.scales is not None:
            rows, columns = matrix(self.shape)
            scales = self.scales.astype(np.float32) if self.scales.shape[1] == 1 else spread(self.scales, columns)
            weights = weights.reshape(rows, columns)
            weights = np.multiply(weights, scales, out=None if self.codebook is None else weights)
        if self.residual is not None:
            weights = weights.reshape(self.shape) + self.residual.decode()
        if self.mask is not None:
            weights = np.where(self.mask, weights.reshape(-1), np.float32(0.0))
        return weights.reshape(self.shape)

    def _entries(self) -> np.ndarray:
        """What the symbols stand for, float32 [size]; anything at all where a weight was pruned."""
        if self.exponent is not None:
            return np.ldexp(self.symbols.astype(np.float32), self.exponent)
        if self.codebook is None:
            values = self.symbols.astype(np.float32, copy=False)
        elif self.codebook.ndim == 1:
            values = looked_up(self.codebook, self.symbols)
        else:
            books = np.arange(len(self.symbols)) % len(self.codebook)
            return self.codebook[books, self.symbols].reshape(-1)[: self.size]
        if self.mask is None:
            return values
        weights = np.zeros(self.size, np.float32)
        weights[self.mask] = values
        return weights


def matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tensor as scales see it: a vector is one row."""
    rows = shape[0] if len(shape) > 1 else 1
    return rows, prod(shape) // rows


def spread(scales: np.ndarray, columns: int) -> np.ndarray:
    """A scale for each of the columns: [R, G] → [R, columns] float32."""
    group = -(-columns // scales.shape[1])
    return np.repeat(scales.astype(np.float32), group, axis=1)[:, :columns]


def octave_steps(numbers: np.ndarray, steps: int) -> np.ndarray:
    """The scales on steps of which `steps` make an octave: 2^(number / steps) as the nearest float16."""
    with np.errstate(over="ignore"):
        return np.exp2(numbers / steps).astype(np.float16)


def looked_up(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """table[indices], of indices [N], without a copy of all of them."""
    result = np.empty(len(indices), table.dtype)
    for start in range(0, len(indices), CHUNK):
        part = slice(start, start + CHUNK)
        result[part] = table[indices[part]]
    return result


def counted(symbols: np.ndarray, alphabet: int) -> np.ndarray:
    """How often each of 0 ... alphabet - 1 is among the symbols [N], without a copy of all of them."""
    counts = np.zeros(alphabet, np.int64)
    for start in range(0, len(symbols), CHUNK):
        counts += np.bincount(symbols[start : start + CHUNK], minlength=alphabet)
    return counts


def raw(weights: np.ndarray, dtype: str = "float32") -> Code:
    """The code of a tensor that is stored as it is, at 32 or 16 bits per weight; in float32, of its own numbers."""
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(weights, np.float32).reshape(-1).astype(dtype, copy=False)
    if not np.isfinite(values).all():
        raise ValueError(f"a weight of magnitude {np.abs(weights).max():.3g} does not fit {dtype}")
    return Code(tuple(weights.shape), values)


def fixed(weights: np.ndarray) -> Code:
    """The code of a tensor as fixed-point numbers, on a grid of about an eighth of its standard deviation.

    The unit is the power of two next to that; a larger one where the numbers would not stay below `FIXED`, as
    of a tensor that is nearly constant. The rounding error has about 1/28 of the tensor's standard deviation.
    """
    values = np.asarray(weights, np.float64).reshape(-1)
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        raise ValueError(f"a weight of magnitude {largest:.3g} does not fit fixed-point numbers")
    finest = ceil(log2(largest / (FIXED - 1))) if largest else 0
    step = float(values.std()) / 8
    exponent = max(round(log2(step)) if step else finest, finest, EXPONENTS[0])
    return Code(tuple(weights.shape), np.rint(np.ldexp(values, -exponent)).astype(np.int16), exponent=exponent)


def entropy_bits(code: Code) -> float:
    """What a static model of each tensor could reach at best, in bits: symbols and positions.

    Shannon entropy of the symbols' empirical distribution times their number, plus the same for the
    mask and for a residual; values stored as they are count 32 or 16 bits each. Codebooks and scales are not
    included.
    """
    bits = 0.0 if code.mask is None else histogram_bits(counted(code.mask, 2))
    if code.residual is not None:
        bits += entropy_bits(code.residual)
    if code.exponent is not None:
        return bits + histogram_bits(np.unique(code.symbols, return_counts=True)[1])
    if code.codebook is None:
        return bits + 8.0 * code.symbols.nbytes
    return bits + histogram_bits(counted(code.symbols, code.entries))


def side_bits(code: Code) -> int:
    """The bits of codebooks and scales as they are: what a reader needs beside symbols and positions, at most."""
    parts = [code.codebook, code.scales]
    own = sum(8 * part.nbytes for part in parts if part is not None)
    return own + (0 if code.residual is None else side_bits(code.residual))


def histogram_bits(counts: np.ndarray) -> float:
    """Entropy of a sample with these symbol counts, in bits for the whole sample."""
    present = counts[counts > 0].astype(np.float64)
    return float((present * np.log2(present.sum() / present)).sum()) if present.size else 0.0
