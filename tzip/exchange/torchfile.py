"""Files of torch.save, zipped or from before torch 1.6, read without running what their pickles name.

Python's own unpickler does the work, but a name stands for a function of this module or for nothing, and
nothing else is called. Neither torch.load nor the unpickler in C is used: a dictionary with a tuple of tuples
as a key crashes or stops the latter; the former unpacks, extracts or runs what else an archive may hold.
"""

from __future__ import annotations

import io
import mmap
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

STEPS = 1 << 23  # instructions of a file's pickles, of which each makes some hundred bytes; a tensor is ten
PART = 1 << 20  # bytes read at a time
LONGEST = 1 << 16  # characters of a dictionary's key
MAGIC = 0x1950A86A20F9469CFC6C
NUMBERS = "Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool"
STORAGES = {
    f"torch.{cuda}{name}Storage": getattr(torch, f"{name}Tensor").dtype
    for name in NUMBERS.split("|")
    for cuda in ("", "cuda.")
}
HARMLESS = re.compile(
    r"collections\.(OrderedDict|defaultdict|Counter)|argparse\.Namespace|functools\.partial"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)|torch\.nn\.parameter\.Parameter|copy_?reg\._reconstructor"
    rf"|torch\.(cuda\.)?(({NUMBERS})?Tensor|Size|device|float\d*|double|half|bfloat16|u?int\d+|long|bool)"
    r"|(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|int|float|str|bool|object|unicode|long)"
    r"|(onmt|torchtext|torch\.optim)(\.\w+)+"
)
DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, EOFError, RuntimeError)
REFUSED = re.compile("load_(inst|obj|newobj_ex|persid|ext[124]|next_buffer|readonly_buffer|bytearray8)")


@dataclass(eq=False)
class StandIn:
    """What a call of `name` would have made: its arguments and state. Its items are dropped."""

    name: str
    args: tuple
    state: Any = None

    def get(self, key: str) -> Any:
        """An attribute, as its state has it; None if there is none."""
        return self.state.get(key) if isinstance(self.state, dict) else None

    def extend(self, _: Any) -> None:
        """Drop an item, or a list of them."""

    append = extend


class Instructions(dict):
    """The functions of a pickle's instructions by their codes; how many are looked up is limited."""

    left = STEPS

    def __getitem__(self, code: int) -> Callable[[Unpickler], None]:
        self.spend(1)
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[[Unpickler], None]:
        raise ValueError(f"its pickle has the instruction {bytes([code])}, which no model needs; refused")

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise ValueError(f"pickles of more than {STEPS:,} instructions")


class Unpickler(pickle._Unpickler):
    """A file's pickles, one after the other.

    size     of the file in bytes
    numbers  gives a storage by its key, type and count
    """

    def __init__(self, file: Any, size: int, numbers: Callable[[str, torch.dtype, int], Tensor]):
        super().__init__(file, encoding="utf-8")  # of Python 2's texts
        self.dispatch = Instructions(INSTRUCTIONS)
        self.numbers, self.room = numbers, size
        self.storages: dict[str, Tensor] = {}
        self.functions = STORAGES | {
            "collections.OrderedDict": self.ordered,
            "collections.defaultdict": lambda *_: {},
            "collections.Counter": lambda counts=None: counts if isinstance(counts, dict) else {},
            "torch.Size": lambda shape=(): shape,
            "torch._utils._rebuild_tensor": self.tensor,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        }

    def load(self) -> Any:
        """The value of the next pickle."""
        try:
            return super().load()
        finally:
            self.memo.clear()  # which would hold what its user has let go of

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name: a function, or a storage's type; nothing is imported."""
        path = f"{module[:100]}.{name[:100]}"
        if path not in self.functions and not HARMLESS.fullmatch(path):
            raise ValueError(f"its pickle names {path!r}, which no model needs; refused, and not run")
        return self.functions.get(path) or (lambda *args: StandIn(path, args))

    def load_reduce(self) -> None:
        args, function = _only(self.stack.pop(), tuple), self.stack.pop()
        self.dispatch.spend(len(args))
        self.append(function(*args))

    load_newobj = load_reduce
    load_empty_set, load_frozenset = pickle._Unpickler.load_empty_list, pickle._Unpickler.load_list
    load_additems = pickle._Unpickler.load_appends  # nobody asks what is in a set

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, StandIn):
            target.state = state
        elif not isinstance(target, dict):  # a state dict has an attribute, `_metadata`
            raise ValueError(f"its pickle sets the state of a {type(target).__name__}; refused")

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append(_updated({}, items))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _updated(self.stack[-1], [key, value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        _updated(self.stack[-1], items)

    def ordered(self, pairs: Any = ()) -> dict:
        """An ordered dictionary, from nothing or from pairs."""
        self.dispatch.spend(len(_only(pairs, list | tuple)))
        return _updated({}, [part for pair in pairs for part in _only(pair, list | tuple)[:3]])

    def persistent_load(self, saved: Any) -> Tensor:
        """The storage, or part of one, that ("storage", type, key, device, count[, part]) describes."""
        self.dispatch.spend(10)
        word, kind, key, _, count, *part = _only(saved, tuple)
        if word != "storage" or not isinstance(kind, torch.dtype) or not _count(count):
            raise ValueError("its pickle names an object outside of it that is no tensor's data; refused")
        if len(_only(key, str)) <= LONGEST and key not in self.storages:
            self.room -= count * kind.itemsize
            if self.room < 0:
                raise ValueError(f"incomplete: its tensor data {key[:80]!r} has {count} numbers")
            self.storages[key] = self.numbers(key, kind, count)
        whole = self.storages[key]
        if (whole.dtype, len(whole)) != (kind, count):
            raise ValueError(f"tensor data {key[:80]!r} of two types or sizes")
        if not part or part[0] is None:
            return whole
        _, start, count = part[0]
        if not _count(start) or not _count(count) or start + count > len(whole):
            raise ValueError(f"a view beyond the tensor data {key[:80]!r}")
        return whole[start : start + count]

    def tensor(self, storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Tensor:
        """A tensor by its description, which must lie within its storage."""
        self.dispatch.spend(10)
        sizes = [*_only(shape, tuple)[:9], *_only(stride, tuple)[:9]]
        if len(sizes) != 2 * len(shape) or len(shape) > 8 or not all(map(_count, (offset, *sizes))):
            raise ValueError("a damaged pickle: a tensor without shape")
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        count, have = prod(shape), _only(storage, Tensor).numel()
        if count > have or (count and last >= have):
            raise ValueError(f"a tensor {shape} goes beyond its {have} numbers")
        return storage.as_strided(shape, stride, storage.storage_offset() + offset)


INSTRUCTIONS = {
    code: getattr(Unpickler, function.__name__)
    for code, function in pickle._Unpickler.dispatch.items()
    if not REFUSED.fullmatch(function.__name__)
}


def load(path: str | Path) -> Any:
    """The value that was saved, with `StandIn` for objects; ValueError in one line names what is refused."""
    with open(path, "rb") as file:
        try:
            return _zipped(file) if zipfile.is_zipfile(file) else _plain(file)
        except (*DAMAGE, pickle.UnpicklingError, struct.error, zipfile.BadZipFile) as error:
            kind = "" if type(error) is ValueError else f"damaged: {type(error).__name__}: "
            raise ValueError(f"{path}: {kind}{' '.join(str(error).split())[:300]}") from None


def _zipped(file: BinaryIO) -> Any:
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("a zip archive, but not torch's: no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")

        def member(name: str) -> bytearray:
            info = archive.getinfo(folder + name)
            if info.flag_bits & 1 or info.compress_type != zipfile.ZIP_STORED or info.file_size > size:
                raise ValueError(f"its member {name[:80]!r} is compressed, which torch never does; refused")
            data = memoryview(bytearray(info.file_size))
            with archive.open(info) as stream:  # in parts, of which zipfile makes copies
                done = sum(stream.readinto(data[start : start + PART]) for start in range(0, len(data), PART))
            if done < len(data):
                raise ValueError(f"incomplete: its member {name[:80]!r} has {done} bytes")
            return data.obj

        def numbers(key: str, kind: torch.dtype, count: int) -> Tensor:
            if len(data := member(f"data/{key}")) != count * kind.itemsize:
                raise ValueError(f"tensor data {key[:80]!r}: {len(data)} bytes for {count} numbers")
            return torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)

        if f"{folder}byteorder" in archive.namelist() and member("byteorder") != b"little":
            raise ValueError("its bytes are in big-endian order; only little-endian ones are read")
        unpickler = Unpickler(io.BytesIO(member("data.pkl")), size, numbers)
        value = unpickler.load()
        unpickler.storages.clear()
        return value


def _plain(file: BinaryIO) -> Any:
    """Before torch 1.6: five pickles, then each storage's numbers after their count."""
    file.seek(0)
    if file.read(1) != b"\x80":
        raise ValueError("neither a zip archive nor a pickle, as torch.save writes them")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pickles:
        unpickler = Unpickler(pickles, len(pickles), lambda _, kind, count: torch.empty(count, dtype=kind))
        if unpickler.load() != MAGIC or unpickler.load() != 1001:
            raise ValueError("a pickle, but not one of torch.save")
        if _only(unpickler.load(), dict).get("little_endian") is not True:
            raise ValueError("its bytes are in big-endian order; only little-endian ones are read")
        value, keys, left = unpickler.load(), _only(unpickler.load(), list), unpickler.storages
        file.seek(pickles.tell())
    for key in keys:
        storage = left.pop(_only(key, str), None)
        (count,) = struct.unpack("<q", file.read(8))
        if storage is None or count != len(storage):
            raise ValueError(f"tensor data {key[:80]!r} is not what the pickle says of it")
        if file.readinto(storage.view(torch.uint8).numpy()) < storage.nbytes:
            raise ValueError(f"incomplete: tensor data {key[:80]!r} goes beyond its end")
    if left:
        raise ValueError(f"incomplete: no tensor data {next(iter(left))[:80]!r}")
    return value


def _updated(target: Any, items: list[Any]) -> Any:
    """The dictionary with keys and values; only keys whose hash and comparison take no time are let in."""
    into = {} if isinstance(target, StandIn) else _only(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        plain = key is None or isinstance(key, float | StandIn | Tensor)
        short = isinstance(key, str | bytes) and len(key) <= LONGEST
        if not (plain or short or (isinstance(key, int) and -(1 << 60) < key < 1 << 60)):
            raise ValueError(f"its pickle has a dictionary with a {type(key).__name__} as key; refused")
        into[key] = value
    return target


def _only(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a damaged pickle: a {type(value).__name__} where another value should be")
    return value


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48
