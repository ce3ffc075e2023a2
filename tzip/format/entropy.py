"""Symbols ↔ bytes: one static model per tensor and an ANS coder, a fraction of a percent from the entropy."""

import numpy as np
from constriction import stream

from tzip.compression.code import counted

Categorical, AnsCoder = stream.model.Categorical, stream.stack.AnsCoder

PRECISION = 24  # the probabilities of a model are integers that sum to 2**PRECISION
CHUNK = 1 << 18  # symbols coded at a time, to keep the int32 copies that the coder asks for small
MANTISSAS = (128, 140, 152, 166, 181, 197, 215, 235)  # 128 · 2^(i/8) rounded: eight steps per octave

# What a level, the one byte that a file spends on the frequency of a symbol, stands for: level 0 is
# "does not occur", and level 1 + 8·octave + step is a count of MANTISSAS[step] / 128 · 2^octave.
FREQUENCIES = np.array([0, *[m << octave for octave in range(32) for m in MANTISSAS][:255]], np.int64)
MIDPOINTS = (FREQUENCIES[1:-1] + FREQUENCIES[2:]) // 2


def levels(counts: np.ndarray) -> np.ndarray:
    """The level nearest to each count: [K] integers below 2**32 → [K] uint8."""
    nearest = 1 + np.searchsorted(MIDPOINTS, counts.astype(np.int64) * MANTISSAS[0])
    return np.where(counts > 0, nearest, 0).astype(np.uint8)


def probabilities(levels: np.ndarray) -> np.ndarray:
    """The probabilities of the symbols that occur, in units of 2**-PRECISION: [K] uint8 → [occurring] int64.

    Each is at least 1 and their sum is exactly 2**PRECISION; integers only, so that every machine
    arrives at the same model.
    """
    weights = FREQUENCIES[levels[levels > 0]]
    shares = 1 + weights * ((1 << PRECISION) - len(weights)) // weights.sum()
    shares[shares.argmax()] += (1 << PRECISION) - shares.sum()
    return shares


def encode(symbols: np.ndarray, alphabet: int) -> tuple[bytes, bytes]:
    """Levels (`alphabet` bytes) and coded bytes of `symbols`, integers [count] in 0 … alphabet − 1."""
    model = levels(counted(symbols, alphabet))
    if np.count_nonzero(model) < 2:
        return model.tobytes(), b""
    rank = np.cumsum(model > 0, dtype=np.int32) - 1
    distribution, coder = _distribution(model), AnsCoder()
    for start in reversed(range(0, len(symbols), CHUNK)):  # a stack: the last symbol goes in first
        coder.encode_reverse(rank[symbols[start : start + CHUNK]], distribution)
    return model.tobytes(), coder.get_compressed().astype("<u4").tobytes()


def decode(model: bytes, data: bytes, count: int, dtype: type | np.dtype = np.uint8) -> np.ndarray:
    """The [count] symbols whose levels and coded bytes these are; ValueError if they are nobody's."""
    model = np.frombuffer(model, np.uint8)
    occurring = np.flatnonzero(model).astype(dtype)
    if len(occurring) > count or (count and not len(occurring)):
        raise ValueError(f"{len(occurring)} different symbols cannot make {count}")
    if len(occurring) < 2:
        if len(data):
            raise ValueError(f"{len(data)} bytes for symbols that need none")
        return np.full(count, occurring[0] if count else 0, dtype)
    distribution, coder = _distribution(model), AnsCoder(np.frombuffer(data, "<u4").astype(np.uint32))
    symbols = np.empty(count, dtype)
    for start in range(0, count, CHUNK):
        chunk = symbols[start : start + CHUNK]
        chunk[:] = occurring[coder.decode(distribution, len(chunk))]
    if not coder.is_empty():
        raise ValueError(f"{count} symbols do not use up their {len(data)} bytes")
    return symbols


def _distribution(model: np.ndarray) -> Categorical:
    """The model as the coder takes it.

    The coder itself gives every symbol one unit and shares out the rest in proportion to these
    numbers; as they sum to that rest, its own probabilities are exactly ours.
    """
    return Categorical((probabilities(model) - 1).astype(np.float64), perfect=False)
