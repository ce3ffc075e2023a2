"""Marian's own model files: a NumPy archive (.npz), or Marian's binary container (.bin, version 1).

Read in marian-dev's src/common/binary.cpp and src/tensors/cpu/integer_common.h. Both hold tensors by their names
and `special:model.yml`, the options that the model was trained with. A container may hold 8-bit weights for
intgemm: each number is round(multiplier · weight), the float32 multiplier follows, and a matrix that a product
multiplies from the right is stored transposed, under its plain shape.
"""

import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tzip.files import check_pointer, replacing

SETTINGS = "special:model.yml"
VERSION, ALIGN = 1, 256
FLOAT32, FLOAT16, INT8, INTGEMM8 = 0x404, 0x402, 0x101, 0x4101
TYPES = {FLOAT32: np.dtype("<f4"), FLOAT16: np.dtype("<f2"), INT8: np.dtype("i1"), INTGEMM8: np.dtype("i1")}
LARGEST = 127
INFLATED = 16  # times its size in the archive that an array may have
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # texts, lists and dictionaries alone
Values = dict[str, np.ndarray]


def is_model(path: Path) -> bool:
    """Whether a file begins like a container, or is an archive with a model's options."""
    with open(path, "rb") as file:
        start = file.read(8)
    if not start.startswith(b"PK"):
        return start == struct.pack("<Q", VERSION)
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{SETTINGS}.npy" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def load(path: Path) -> tuple[Values, dict[str, Any]]:
    """The tensors of a file as float32 by their names, and its options; ValueError in one line for all else.

    Values of an option are texts, as they are written, or lists of texts. 8-bit weights are the numbers that
    they stand for, in their plain shape.
    """
    check_pointer(path)
    with open(path, "rb") as file:
        archive = file.read(2) == b"PK"
    try:
        values = archive_values(path) if archive else container_values(path.read_bytes())
        if SETTINGS not in values:
            raise ValueError(f"no {SETTINGS} in it")
        settings = parsed(values.pop(SETTINGS).tobytes())
    except ValueError as error:
        raise ValueError(f"{path}: no model of Marian: {' '.join(str(error).split())[:300]}") from None
    return {name: value.astype(np.float32, copy=False) for name, value in values.items()}, settings


def parsed(text: bytes) -> dict[str, Any]:
    """The options in the bytes of a model.yml, which end with a zero."""
    try:
        settings = yaml.load(text.rstrip(b"\0").decode("utf-8"), Loader=LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{SETTINGS}: {error}") from None
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ValueError(f"{SETTINGS} has no options")
    flat = {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
    return {
        key: settings[key] if all(isinstance(part, str) for part in parts) else "something nested"
        for key, parts in flat.items()
    }


def archive_values(path: Path) -> Values:
    """The arrays of an .npz file, of floats but for the options."""
    try:
        check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            values = dict(archive)
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, NotImplementedError) as error:
        raise ValueError(error) from None
    for name, value in values.items():
        if name != SETTINGS and value.dtype.kind != "f":
            raise ValueError(f"'{name[:80]}' is of type {value.dtype}, not of a float's")
    return values


def check_sizes(path: Path) -> None:
    """ValueError if an array of an archive claims more numbers than it has bytes."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, _, kind = header(file)
            size = math.prod(shape) * kind.itemsize
            if not 0 < size <= min(entry.file_size, INFLATED * entry.compress_size):
                raise ValueError(f"'{entry.filename[:80]}' has {entry.compress_size} bytes for shape {list(shape)}")


# ── the container ─────────────────────────────────────────────────────────────────────────────────


def container_values(data: bytes) -> Values:
    """The items of a container; 8-bit weights unquantized."""
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        if size > len(data) - place:
            raise ValueError("it ends too early")
        place += size
        return data[place - size : place]

    version, count = struct.unpack("<2Q", take(16))
    if version != VERSION:
        raise ValueError(f"neither an .npz file nor a container of version {VERSION}")
    headers = list(struct.iter_unpack("<4Q", take(32 * count)))
    names = [take(size).rstrip(b"\0").decode("utf-8") for size, *_ in headers]
    shapes = [struct.unpack(f"<{rank}i", take(4 * rank)) for _, _, rank, _ in headers]
    take(*struct.unpack("<Q", take(8)))
    items = zip(names, shapes, headers, strict=True)
    values = {name: value(name, shape, kind, take(size)) for name, shape, (_, kind, _, size) in items}
    if len(values) < count:
        raise ValueError("a name is there twice")
    return values


def value(name: str, shape: tuple[int, ...], kind: int, data: bytes) -> np.ndarray:
    """The numbers of an item; one without numbers, or of a type for one kind of processor, is refused."""
    where = f"'{name[:80]}'"
    if kind not in TYPES:
        raise ValueError(f"{where} is of type {kind:#x}; {', '.join(f'{known:#x}' for known in TYPES)} are read")
    if (kind == INT8) != (name == SETTINGS) or (kind == INTGEMM8 and name.endswith("_Wt")):
        raise ValueError(f"{where} is of type {kind:#x}, in which tzip knows no such item")
    if not shape or min(shape) < 1:
        raise ValueError(f"{where} has no numbers: shape {list(shape)}")
    count = math.prod(shape)
    if count * TYPES[kind].itemsize + 4 * (kind == INTGEMM8) > len(data):
        raise ValueError(f"{where} has {len(data)} bytes for shape {list(shape)}")
    numbers = np.frombuffer(data, TYPES[kind], count)
    if kind != INTGEMM8:
        return numbers.reshape(shape).copy()  # which may be written to
    (multiplier,) = struct.unpack_from("<f", data, count)
    if not multiplier > 0:
        raise ValueError(f"{where} has a multiplier of {multiplier}")
    stored = numbers.reshape(shape if is_plain(name) else shape[::-1])
    weight = stored.astype(np.float32) / np.float32(multiplier)
    return weight if is_plain(name) else np.ascontiguousarray(weight.T)


def is_plain(name: str) -> bool:
    """Whether an 8-bit item is stored as it is: embeddings, which a product multiplies from the right transposed."""
    return name.endswith("Wemb")


def check_prefix(path: Path, pieces: list[str], prefix: str) -> None:
    """ValueError if the pieces have languages to translate into, and none is given."""
    codes = [piece for piece in pieces if piece.startswith(">>") and piece.endswith("<<")]
    if codes and not prefix:
        choices = ", ".join(codes[:20]) + (", ..." if len(codes) > 20 else "")
        raise ValueError(f"{path}: it translates into several languages; give prefix, one of {choices}")


# ── writing ───────────────────────────────────────────────────────────────────────────────────────


def described(settings: Mapping[str, Any]) -> np.ndarray:
    """The options as an item: YAML that ends with a zero."""
    text = yaml.safe_dump(dict(settings), sort_keys=True, default_flow_style=None)
    return np.frombuffer(text.encode("utf-8") + b"\0", np.int8)


def save_archive(path: Path, values: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> None:
    """Write an .npz file; the same model gives the same bytes."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **values, **{SETTINGS: described(settings)})


def save_container(
    path: Path, values: Mapping[str, np.ndarray], settings: Mapping[str, Any], multipliers: Mapping[str, float]
) -> None:
    """Write a container.

    multipliers  of the weights that become 8-bit numbers, by name; all others are written in float32
    """
    items = [(SETTINGS, INT8, described(settings), b"")]
    for name, numbers in values.items():
        if name not in multipliers:
            items.append((name, FLOAT32, numbers.astype("<f4"), b""))
            continue
        scaled = np.rint(numbers * np.float32(multipliers[name])).clip(-LARGEST, LARGEST).astype(np.int8)
        items.append((name, INTGEMM8, scaled, struct.pack("<f", multipliers[name])))
    names = [name.encode("utf-8") + b"\0" for name, *_ in items]
    bodies = []
    for name, kind, numbers, after in items:
        stored = numbers.T if kind == INTGEMM8 and not is_plain(name) else numbers
        bodies.append(filled(np.ascontiguousarray(stored).tobytes() + after))
    head = struct.pack("<2Q", VERSION, len(items))
    for (_, kind, numbers, _), name, body in zip(items, names, bodies, strict=True):
        head += struct.pack("<4Q", len(name), kind, numbers.ndim, len(body))
    head += b"".join(names) + b"".join(struct.pack(f"<{n.ndim}i", *n.shape) for _, _, n, _ in items)
    gap = -(len(head) + 8) % ALIGN
    with replacing(path) as temporary:
        temporary.write_bytes(b"".join([head, struct.pack("<Q", gap), bytes(gap), *bodies]))


def filled(data: bytes) -> bytes:
    """Data with zeros up to the next multiple of ALIGN."""
    return data + bytes(-len(data) % ALIGN)
