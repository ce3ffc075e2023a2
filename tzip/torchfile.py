"""Files of torch.save, zipped or of before torch 1.6, without torch.load: no pickle of theirs is run.

A file is read in two steps: its pickle (see `pickles`) says where each tensor lies, and `tensor` takes from
there what is asked for. What is taken is together never more than COPIES times the file.
"""

from __future__ import annotations

import io
import mmap
import re
import struct
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tzip.pickles import Made, Name, Rules, load

COPIES = 4  # a tied tensor is in a file once, and under several names in what is taken from it
MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
TORCH = re.compile(r"(Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)(Storage|Tensor)|Size|device|"
                   r"float\d*|double|half|bfloat16|u?int\d+|long|bool|Tensor")
PLAIN = {
    "collections": {"OrderedDict", "defaultdict", "Counter"},
    "argparse": {"Namespace"},
    "functools": {"partial"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch.nn.parameter": {"Parameter"},
    "builtins": (
        basic := {"set", "frozenset", "list", "dict", "tuple", "int", "float", "str", "bool", "object"}
    ),
    "__builtin__": basic | {"unicode", "long"},
    "copy_reg": {"_reconstructor"},
    "copyreg": {"_reconstructor"},
}
INERT = (
    "torchtext",
    "onmt",
    "torch.optim",
)  # whatever is in these packages may be named: it is not looked up


@dataclass(frozen=True, eq=False)
class Storage:
    """A run of numbers outside of the pickle."""

    key: str
    kind: torch.dtype
    size: int  # numbers
    start: int = 0  # of a view into another storage


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor that has not been read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def harmless(name: Name) -> bool:
    package = name.module.split(".")[0]
    inert = any(name.module == one or name.module.startswith(f"{one}.") for one in INERT)
    of_torch = name.module in ("torch", "torch.cuda") and TORCH.fullmatch(name.name)
    return bool(inert or of_torch or (package in _PACKAGES and name.name in PLAIN.get(name.module, ())))


_PACKAGES = {module.split(".")[0] for module in PLAIN}


class TorchFile:
    """A file of torch.save: `value` with `Stored` where tensors are; `tensor` reads one.

    Raises ValueError in one line that names the file and what is refused.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.left = COPIES * self.path.stat().st_size
        self.data: dict[str, int] = {}  # where a storage of an old file begins
        self.storages: dict[str, Storage] = {}
        try:
            self.zip = zipfile.ZipFile(self.path) if zipfile.is_zipfile(self.path) else None
            self.value = self._zipped() if self.zip else self._plain()
        except (ValueError, KeyError, zipfile.BadZipFile, NotImplementedError, struct.error) as error:
            raise ValueError(f"{self.path}: {' '.join(str(error).split())[:400]}") from None

    def _rules(self) -> Rules:
        calls = {
            Name("collections", "OrderedDict"): _ordered,
            Name("collections", "defaultdict"): lambda *_: {},
            Name("collections", "Counter"): _counted,
            Name("torch._utils", "_rebuild_tensor"): _tensor,
            Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
            Name("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
        }
        return Rules(harmless, calls, self._persistent)

    def _persistent(self, told: Any) -> Storage:
        if not isinstance(told, tuple) or len(told) not in (5, 6) or told[0] != "storage":
            raise ValueError("its pickle names an object outside of it that is no tensor's data; refused")
        kind, key, _, size, *view = told[1:]
        if not isinstance(kind, Name) or kind.name not in KINDS:
            raise ValueError(f"a tensor of the type {str(kind)[:80]}; refused")
        if not isinstance(key, str) or not _count(size):
            raise ValueError("a damaged pickle: a tensor's data without name or size")
        whole = self.storages.setdefault(key, Storage(key, KINDS[kind.name], size))
        if (whole.kind, whole.size) != (KINDS[kind.name], size):
            raise ValueError(f"tensor data {key[:80]!r} of two types or sizes")
        if not view or view[0] is None:
            return whole
        _, start, size = view[0]
        if not _count(start) or not _count(size) or start + size > whole.size:
            raise ValueError(f"a view beyond the tensor data {key[:80]!r}")
        return Storage(key, whole.kind, size, start)

    def _zipped(self) -> Any:
        (name, *more) = [one for one in self.zip.namelist() if one.endswith("/data.pkl")] or [""]
        if not name or more:
            raise ValueError("a zip archive, but not torch's: no data.pkl")
        self.folder = name.removesuffix("data.pkl")
        order = f"{self.folder}byteorder"
        if order in self.zip.namelist() and self._member(order) != b"little":
            raise ValueError("its bytes are in big-endian order; only little-endian ones are read")
        return load(io.BytesIO(self._member(name)), self._rules())

    def _member(self, name: str) -> bytes:
        info = self.zip.getinfo(name)
        if (
            info.flag_bits & 1
            or info.compress_type != zipfile.ZIP_STORED
            or info.file_size > self.path.stat().st_size
        ):
            raise ValueError(f"its member {name[:80]!r} is compressed, which torch never does; refused")
        try:
            with self.zip.open(info) as member:
                return member.read()
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, struct.error) as error:
            raise ValueError(f"its member {name[:80]!r} is damaged: {error}") from None

    def _plain(self) -> Any:
        """Before torch 1.6: five pickles, then the numbers of each storage after their count."""
        with open(self.path, "rb") as opened:
            if opened.read(1) != b"\x80":
                raise ValueError("neither a zip archive nor a pickle, as torch.save writes them")
            with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file:
                rules = self._rules()
                if load(file, rules) != MAGIC or load(file, rules) != 1001:
                    raise ValueError("a pickle, but not one of torch.save")
                system = load(file, rules)
                if not isinstance(system, dict):
                    raise ValueError("a damaged pickle: no settings of the machine that wrote it")
                if system.get("little_endian") is not True:
                    raise ValueError(f"its bytes are in big-endian order: {len(system)} settings say so")
                value, keys = load(file, rules), load(file, rules)
                if not isinstance(keys, list):
                    raise ValueError("a damaged pickle: no list of the tensors' data")
                for key in keys:
                    self._place(file, key)
                return value

    def _place(self, file: mmap.mmap, key: Any) -> None:
        storage = self.storages.get(key) if isinstance(key, str) else None
        (size,) = struct.unpack("<q", file.read(8))
        if storage is None or size != storage.size:
            raise ValueError(f"tensor data {str(key)[:80]!r} is not what the pickle says of it")
        self.data[key] = file.tell()
        if self.data[key] + size * storage.kind.itemsize > len(file):
            raise ValueError(f"incomplete: tensor data {key[:80]!r} goes beyond its end")
        file.seek(self.data[key] + size * storage.kind.itemsize)

    def tensor(self, stored: Stored) -> Tensor:
        """A tensor's numbers, in their own type, contiguous."""
        storage = stored.storage
        self.left -= prod(stored.shape) * storage.kind.itemsize
        if self.left < 0:
            raise ValueError(
                f"{self.path}: its tensors are together more than {COPIES} times the file; refused"
            )
        try:
            data = self._numbers(storage)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{self.path}: tensor data {storage.key[:80]!r}: {error}") from None
        if len(data) != storage.size * storage.kind.itemsize:
            raise ValueError(f"{self.path}: tensor data {storage.key[:80]!r}: {len(data)} bytes")
        if not data:
            return torch.zeros(stored.shape, dtype=storage.kind)
        whole = torch.frombuffer(data, dtype=storage.kind)
        return whole.as_strided(stored.shape, stored.stride, stored.offset).contiguous()

    def _numbers(self, storage: Storage) -> bytearray:
        width = storage.kind.itemsize
        if self.zip:
            whole = bytearray(self._member(f"{self.folder}data/{storage.key}"))
            return whole[storage.start * width :][: storage.size * width] if storage.start else whole
        with open(self.path, "rb") as file:
            file.seek(self.data[storage.key] + storage.start * width)
            return bytearray(file.read(storage.size * width))


def _ordered(*given: Any) -> dict:
    """An ordered dictionary, from nothing or from pairs."""
    pairs = given[0] if given else []
    if not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise ValueError("a damaged pickle: an ordered dictionary of what are no pairs")
    return dict(pairs)


def _counted(*given: Any) -> dict:
    """A Counter, from a dictionary."""
    return given[0] if given and isinstance(given[0], dict) else {}


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Stored:
    """A tensor by its description, which must lie within its storage."""
    shape = shape.args[0] if isinstance(shape, Made) and shape.name == Name("torch", "Size") else shape
    both = (shape, stride)
    if not isinstance(storage, Storage) or not _count(offset) or not all(isinstance(x, tuple) for x in both):
        raise ValueError("a damaged pickle: no description of a tensor")
    if len(shape) != len(stride) or len(shape) > 8 or not all(map(_count, (*shape, *stride))):
        raise ValueError("a damaged pickle: a tensor without shape")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    if prod(shape) > storage.size or (prod(shape) and last >= storage.size):
        raise ValueError(f"a tensor {shape} goes beyond its {storage.size} numbers")
    return Stored(storage, offset, shape, stride)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48
