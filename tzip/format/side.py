"""Side information as coded streams: scales on steps of an octave, and the fixed-point numbers of all tensors."""

from math import prod

import numpy as np

from tzip.compression.code import FIXED, Code, octave_steps
from tzip.format import entropy
from tzip.format.header import SPREAD, Cursor, Entry, Header, Stream

STEPS = (1, 2, 4, 8, 16, 32)  # per octave, of scales that a writer recognizes
ZERO = 2.0**-26  # a size of which the nearest float16 is 0


def encode_scales(name: str, scales: np.ndarray | None) -> tuple[tuple[int, ...] | None, bytes, bytes | np.ndarray]:
    """`octaves` of the header, levels and bytes: coded if they lie on steps of an octave and that is shorter."""
    if scales is None:
        return None, b"", b""
    plain = encode_floats(name, scales)
    sizes = scales.astype(np.float64).reshape(-1)
    logs = np.log2(np.where(sizes > 0, sizes, ZERO))
    for steps in STEPS:
        numbers = np.rint(logs * steps).astype(np.int64)
        if octave_steps(numbers, steps).tobytes() == scales.tobytes():
            first = int(numbers.min())
            levels, coded = entropy.encode((numbers - first).astype(np.uint16), int(numbers.max()) - first + 1)
            if len(coded) + len(levels) < plain.nbytes:
                return (steps, first, len(levels), len(coded)), levels, coded
            break
    return None, b"", plain


def decode_scales(tensor: Entry, levels: Cursor, body: Stream) -> np.ndarray | None:
    if tensor.scales is None:
        return None
    if tensor.octaves is None:
        return decode_floats(body.take(2 * prod(tensor.scales)), "float16").reshape(tensor.scales)
    steps, first, symbols, coded = tensor.octaves
    values = octave_steps(first + np.arange(symbols), steps)
    if not np.isfinite(values).all():
        raise ValueError("scales that are not finite")
    numbers = entropy.decode(levels.take(symbols), body.take(coded), prod(tensor.scales), np.uint16)
    return values[numbers].reshape(tensor.scales)


def centre(code: Code) -> int:
    """What is subtracted from the numbers of a tensor before they are coded: their median, or the one below it."""
    return int(np.partition(code.symbols, (code.size - 1) // 2)[(code.size - 1) // 2]) if code.size else 0


def encode_fixed(codes: dict[str, Code]) -> tuple[tuple[int, int, int] | None, bytes, bytes]:
    """`fixed` of the header, levels and bytes of the fixed-point numbers of all tensors, in one stream."""
    tensors = [code for code in codes.values() if code.exponent is not None]
    if not tensors:
        return None, b"", b""
    numbers = np.concatenate([code.symbols.astype(np.int32) - centre(code) for code in tensors])
    first, last = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    levels, coded = entropy.encode((numbers - first).astype(np.uint16), last - first + 1)
    return (first, len(levels), len(coded)), levels, coded


def decode_fixed(header: Header, levels: Cursor, body: Stream) -> dict[str, Code]:
    """The codes of all tensors of fixed-point numbers."""
    tensors = [tensor for tensor in header.tensors if tensor.fixed]
    if (header.fixed is None) != (not tensors):
        raise ValueError(f"{len(tensors)} tensors of fixed-point numbers, which the header has as {header.fixed}")
    if not tensors:
        return {}
    first, symbols, coded = header.fixed
    stream = entropy.decode(levels.take(symbols), body.take(coded), sum(tensor.size for tensor in tensors), np.uint16)
    codes, at = {}, 0
    for tensor in tensors:
        centre, exponent = tensor.fixed
        if abs(first + centre) > SPREAD:
            raise ValueError(f"{tensor.name}: fixed-point numbers from {first + centre} on")
        numbers = stream[at : at + tensor.size] + np.int32(first + centre)
        at += tensor.size
        if numbers.min() <= -FIXED or numbers.max() >= FIXED:
            raise ValueError(f"{tensor.name}: fixed-point numbers beyond {FIXED}")
        codes[tensor.name] = Code(tensor.shape, numbers.astype(np.int16), exponent=exponent)
    return codes


def encode_floats(name: str, values: np.ndarray) -> np.ndarray:
    """Numbers as a file has them, on most machines without a copy; ValueError if one is not finite."""
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: only finite weights can be written")
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<"))


def decode_floats(data: memoryview, dtype: str) -> np.ndarray:
    """The inverse of `encode_floats`."""
    values = np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    if not np.isfinite(values).all():
        raise ValueError("weights that are not finite")
    return values
