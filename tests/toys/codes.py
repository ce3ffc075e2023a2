"""What tests of codes and files compare and measure: every bit of a code, and the memory that a step takes."""

import tracemalloc
from collections.abc import Callable

from tzip.compression.code import Code


def exact(code: Code | None) -> list | None:
    """A code down to types, shapes and every bit, to be compared with `==`."""
    if code is None:
        return None
    arrays = (code.symbols, code.codebook, code.mask, code.scales)
    parts = [None if array is None else (array.dtype.str, array.shape, array.tobytes()) for array in arrays]
    return [code.shape, *parts, exact(code.residual), code.exponent]


def same_codes(left: dict[str, Code], right: dict[str, Code]) -> bool:
    """Whether the names are the same, in the same order, and their codes, bit for bit."""
    first, second = ([(name, exact(code)) for name, code in codes.items()] for codes in (left, right))
    return first == second


def peak_memory(step: Callable[[], object]) -> int:
    """The most bytes that Python and numpy hold at a time while the step runs."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
