"""The header of model.tzip: one line per tensor, in JSON, and what a reader refuses in it (docs/format.md)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields
from math import prod
from typing import Any, BinaryIO

import numpy as np

from tzip.compression.code import RAW_TYPES

INDEX_TYPES = ("uint8", "uint16")
ADDED = {"scales": 2, "residual": 2, "octaves": 3, "fixed": 3}  # members that a tensor can lack: since which version
LARGEST_STEPS = 64  # of scales, per octave
SPREAD = 1 << 16  # the most symbols of scales or of fixed-point numbers


@dataclass(frozen=True)
class Entry:
    """A tensor's line of the header: its form, and the bytes that its parts take in the body."""

    name: str
    shape: tuple[int, ...]
    type: str  # of the symbols: uint8 or uint16 with a codebook; float32, float16 or fixed without
    mask: int | None  # bytes of the coded mask; None where no weight was pruned
    codebook: tuple[int, ...] | None  # its shape
    symbols: int  # bytes
    scales: tuple[int, ...] | None = None  # their shape
    residual: Entry | None = None
    octaves: tuple[int, ...] | None = None  # of coded scales: steps per octave, first step, symbols, bytes
    fixed: tuple[int, ...] | None = None  # of fixed-point numbers: what is added to their symbols, exponent

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isprintable() or not 1 <= len(self.name) <= 256:
            raise ValueError(f"tensor {str(self.name)[:40]!r}: not a name of 1 to 256 printable characters")
        if not _is_shape(self.shape) or len(self.shape) > 8 or 0 in self.shape:
            raise ValueError(f"{self.name}: {str(self.shape)[:80]!r} is not a shape")
        types = INDEX_TYPES if self.codebook is not None else ("fixed",) if self.fixed is not None else RAW_TYPES
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
        for part, count in (("octaves", 4), ("fixed", 2)):
            numbers = getattr(self, part)
            if numbers is not None and not _are_numbers(numbers, count):
                raise ValueError(f"{self.name}: {str(numbers)[:40]!r} is not its {part}")
        if self.octaves is not None:
            self._check_octaves()
        if self.residual is not None and self.residual.fixed is not None:
            raise ValueError(f"{self.name}: a residual of fixed-point numbers")
        if self.fixed is not None:
            if self.symbols or any(part is not None for part in (self.mask, self.codebook, self.scales, self.residual)):
                raise ValueError(f"{self.name}: fixed-point numbers have no part of their own")
        elif self.entries > (most := 1 << 8 * np.dtype(self.type).itemsize):
            raise ValueError(f"{self.name}: a codebook of {self.entries}; {self.type} reaches {most} entries")

    def _check_octaves(self) -> None:
        steps, _, symbols, coded = self.octaves
        if not (1 <= steps <= LARGEST_STEPS and 0 <= symbols <= SPREAD and coded >= 0):
            raise ValueError(f"{self.name}: {str(self.octaves)[:40]!r} is not its octaves")
        if self.scales is None or prod(self.scales) > self.size:
            raise ValueError(f"{self.name}: octaves of {str(self.scales)[:40]} scales")

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
    def coded(self) -> int:
        """Bytes of mask and symbols in the body."""
        return (self.mask or 0) + self.symbols + (0 if self.residual is None else self.residual.coded)

    @property
    def stored(self) -> int:
        """Bytes in the body, without codebooks."""
        own = (self.mask or 0) + (self.octaves[3] if self.octaves else 2 * prod(self.scales or (0,))) + self.symbols
        return own + (0 if self.residual is None else self.residual.stored)

    @property
    def books(self) -> int:
        """Entries of codebooks, float32."""
        return prod(self.codebook or (0,)) + (0 if self.residual is None else self.residual.books)

    def json(self) -> dict[str, Any]:
        """As the header has it: a list of one size as that size, and what was added to the format if used."""
        entry = {part: getattr(self, part) for part in ("name", "shape", "type", "mask", "symbols")}
        entry["codebook"] = self.codebook[0] if self.codebook and len(self.codebook) == 1 else self.codebook
        for part in ADDED:
            if (value := getattr(self, part)) is not None:
                entry[part] = value.json() if isinstance(value, Entry) else value
        return entry


def _entry(line: Any, version: int) -> Entry:
    """The entry of a line of the header: the inverse of `Entry.json`."""
    needed = {field.name for field in fields(Entry)} - set(ADDED)
    optional = {name for name, since in ADDED.items() if since <= version}
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


def _are_numbers(value: Any, count: int) -> bool:
    small = isinstance(value, tuple) and all(type(number) is int and abs(number) < 1 << 31 for number in value)
    return small and len(value) == count


@dataclass(frozen=True)
class Header:
    """What a file says before its body.

    config, history  JSON values
    tensors    in the order of the body
    fixed      of all fixed-point numbers: the first symbol, the number of symbols, bytes; None for none
    codebooks  entries of all codebooks, float32; None where the body has them (versions 1 and 2)
    levels     of the models of all coded streams
    """

    config: dict[str, Any]
    history: dict[str, Any]
    tensors: list[Entry]
    fixed: tuple[int, int, int] | None
    codebooks: bytes | None
    levels: bytes


def encode_header(header: Header) -> bytes:
    """JSON text after its length, the codebooks, the levels, each as its difference to the one before."""
    content = {part: getattr(header, part) for part in ("config", "history", "fixed")}
    content["tensors"] = [tensor.json() for tensor in header.tensors]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for part in ("config", "history"):
        if json.loads(text)[part] != content[part]:
            raise ValueError(f"{part}: only JSON values can be written")
    text = text.encode("utf-8")
    steps = np.diff(np.frombuffer(header.levels, np.uint8), prepend=np.uint8(0))
    return struct.pack("<I", len(text)) + text + header.codebooks + steps.tobytes()


def decode_header(data: bytes, version: int) -> Header:
    """The header of a file of this version; ValueError for what no writer makes."""
    cursor = Cursor(data)
    (length,) = struct.unpack("<I", cursor.take(4))
    content = json.loads(bytes(cursor.take(length)).decode("utf-8"), parse_constant=_refuse)
    names = ["config", "history", "tensors", "fixed"][: 4 if version > 2 else 3]
    if not isinstance(content, dict) or set(content) != set(names):
        raise ValueError(f"header: {', '.join(names[:-1])} and {names[-1]} expected")
    config, history, entries = content["config"], content["history"], content["tensors"]
    if not (isinstance(config, dict) and isinstance(history, dict) and isinstance(entries, list)):
        raise ValueError("header: config and history must be objects, tensors a list")
    tensors = [_entry(entry, version) for entry in entries]
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ValueError("header: a tensor is listed twice")
    fixed = _fixed(content.get("fixed"))
    codebooks = cursor.take(4 * sum(tensor.books for tensor in tensors)) if version > 2 else None
    levels = np.cumsum(np.frombuffer(cursor.take(cursor.rest), np.uint8), dtype=np.uint8).tobytes()
    return Header(config, history, tensors, fixed, codebooks, levels)


def _fixed(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    value = tuple(value) if isinstance(value, list) else value
    if not _are_numbers(value, 3) or not 0 <= value[1] <= SPREAD or value[2] < 0:
        raise ValueError(f"header: {str(value)[:40]} are no fixed-point numbers")
    return value


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


@dataclass
class Stream:
    """As `Cursor`, of the next `rest` bytes of a file."""

    file: BinaryIO
    rest: int

    def take(self, count: int) -> memoryview:
        if count > self.rest:
            raise ValueError(f"{count} bytes expected where {self.rest} are left")
        self.rest -= count
        return memoryview(self.file.read(count))
