"""A toy task for tests: reverse a short sequence of pieces."""

from pathlib import Path

import numpy as np

from tzip.data.pieces import Encoded
from tzip.files import replacing


def toy_pairs(prefix: Path, pairs: list[tuple[list[int], list[int]]] | None = None) -> Encoded:
    """Pairs encoded as the workflow encodes them; by default 200 sequences and their reverse."""
    if pairs is None:
        random = np.random.default_rng(0)
        sources = [random.integers(4, 20, random.integers(2, 9)).tolist() for _ in range(200)]
        pairs = [(source, source[::-1]) for source in sources]
    sides = [side for pair in pairs for side in pair]
    arrays = {
        "tokens": np.concatenate([np.array(side, np.uint16) for side in sides]),
        "offsets": np.cumsum([0, *map(len, sides)], dtype=np.int64),
    }
    for name, array in arrays.items():
        with replacing(f"{prefix}.{name}.npy") as path:  # processes of one test may write it at once
            np.save(path, array)
    return Encoded(prefix)
