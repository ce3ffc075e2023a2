"""The header of model.tzip: one line per tensor, in JSON, and what a reader refuses in it (docs/format.md)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import numpy as np

from tzip.compression.code import RAW_TYPES

INDEX_TYPES = ("uint8", "uint16")


@dataclass(frozen=True)
class Entry:
    """A tensor's line of the header: its form, and the bytes that its parts take in the body."""

    name: str
    shape: tuple[int, ...]
    type: str  # of the symbols: uint8 or uint16 with a codebook, float32 or float16 without
    mask: int | None  # bytes of the coded mask; None where no weight was pruned
    codebook: tuple[int, ...] | None  # its shape
    symbols: int  # bytes
    scales: tuple[int, ...] | None = None  # their shape
    residual: Entry | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isprintable() or not 1 <= len(self.name) <= 256:
            raise ValueError(f"tensor {str(self.name)[:40]!r}: not a name of 1 to 256 printable characters")
        if not _is_shape(self.shape) or len(self.shape) > 8 or 0 in self.shape:
            raise ValueError(f"{self.name}: {str(self.shape)[:80]!r} is not a shape")
        types = RAW_TYPES if self.codebook is None else INDEX_TYPES
        if self.type not in types:
            raise ValueError(f"{self.name}: type {str(self.type)[:40]!r}; choose from {', '.join(types)}")
        for part in ("mask", "symbols"):
            length = getattr(self, part)
            if not _counts(length) and (length is not None or part == "symbols"):
                raise ValueError(f"{self.name}: {str(length)[:40]!r} is not a size of its {part}")
        for part, dimensions in (("codebook", (1, 3)), ("scales", (2,))):
            shape = getattr(self, part)
            if shape is not None and not (_is_shape(shape) and len(shape) in dimensions):
                raise ValueError(f"{self.name}: {str(shape)[:40]!r} is not a size of its {part}")
        if self.entries > (most := 1 << 8 * np.dtype(self.type).itemsize):
            raise ValueError(f"{self.name}: a codebook of {self.entries}; {self.type} reaches {most} entries")

    @property
    def size(self) -> int:
        """Weights, pruned ones included."""
        return prod(self.shape)

    @property
    def decoded(self) -> int:
        """Weights that a reader holds for it: its own and its residual's."""
        return self.size + (0 if self.residual is None else self.residual.decoded)

    @property
    def entries(self) -> int:
        """Entries that a symbol chooses from: levels of its model."""
        return 0 if self.codebook is None else self.codebook[len(self.codebook) // 2]

    @property
    def stored(self) -> int:
        """Bytes in the body."""
        own = (self.mask or 0) + 4 * prod(self.codebook or (0,)) + 2 * prod(self.scales or (0,)) + self.symbols
        return own + (0 if self.residual is None else self.residual.stored)

    def json(self) -> dict[str, Any]:
        """As the header has it: a list of one size as that size, and what was added to the format if used."""
        entry = {part: getattr(self, part) for part in ("name", "shape", "type", "mask", "symbols")}
        entry["codebook"] = self.codebook[0] if self.codebook and len(self.codebook) == 1 else self.codebook
        if self.scales is not None:
            entry["scales"] = self.scales
        if self.residual is not None:
            entry["residual"] = self.residual.json()
        return entry


def _entry(line: Any, version: int) -> Entry:
    """The entry of a line of the header: the inverse of `Entry.json`."""
    names = {field.name for field in fields(Entry)}
    optional = {"scales", "residual"} if version > 1 else set()
    needed = names - {"scales", "residual"}
    if not isinstance(line, dict) or not needed <= set(line) <= needed | optional:
        raise ValueError(f"header: tensors must have {', '.join(sorted(needed))}")
    shapes = {key: tuple(value) for key, value in line.items() if isinstance(value, list)}
    entry = line | shapes
    if "codebook" in shapes and (version == 1 or len(shapes["codebook"]) != 3):
        raise ValueError(f"{str(entry['name'])[:40]!r}: {str(line['codebook'])[:40]} is not a codebook")
    if type(entry["codebook"]) is int:
        entry["codebook"] = (entry["codebook"],)
    if "residual" in entry:
        entry["residual"] = _entry(entry["residual"], version)
        if any(entry[key] != getattr(entry["residual"], key) for key in ("name", "shape")):
            raise ValueError(f"{str(entry['name'])[:40]!r}: its residual is another tensor's")
    return Entry(**entry)


def _counts(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_counts, value))


def encode_header(config: dict, history: dict, tensors: list[Entry], levels: bytes) -> bytes:
    """JSON text after its length, then the levels, each as its difference to the one before."""
    header = {"config": config, "history": history, "tensors": [tensor.json() for tensor in tensors]}
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for part in ("config", "history"):
        if json.loads(text)[part] != header[part]:
            raise ValueError(f"{part}: only JSON values can be written")
    text = text.encode("utf-8")
    steps = np.diff(np.frombuffer(levels, np.uint8), prepend=np.uint8(0))
    return struct.pack("<I", len(text)) + text + steps.tobytes()


def decode_header(data: bytes, version: int) -> tuple[dict, dict, list[Entry], bytes]:
    cursor = Cursor(data)
    (length,) = struct.unpack("<I", cursor.take(4))
    header = json.loads(bytes(cursor.take(length)).decode("utf-8"), parse_constant=_refuse)
    if not isinstance(header, dict) or set(header) != {"config", "history", "tensors"}:
        raise ValueError("header: config, history and tensors expected")
    config, history, entries = header["config"], header["history"], header["tensors"]
    if not (isinstance(config, dict) and isinstance(history, dict) and isinstance(entries, list)):
        raise ValueError("header: config and history must be objects, tensors a list")
    tensors = [_entry(entry, version) for entry in entries]
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ValueError("header: a tensor is listed twice")
    levels = np.cumsum(np.frombuffer(cursor.take(cursor.rest), np.uint8), dtype=np.uint8).tobytes()
    return config, history, tensors, levels


def _refuse(constant: str) -> None:
    raise ValueError(f"header: {constant} is not JSON")


class Cursor:
    """Bytes taken from the front, and never more than there are."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data, self.at = memoryview(data), 0

    @property
    def rest(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> memoryview:
        if count > self.rest:
            raise ValueError(f"{count} bytes expected where {self.rest} are left")
        self.at += count
        return self.data[self.at - count : self.at]
