"""Torch files: tensors come back bit for bit; no file runs code, takes memory beyond its size, or hangs."""

import argparse
import collections
import contextlib
import io
import os
import pickle
import pickletools
import resource
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.format.test_fuzz import mutant
from tzip.exchange.torchfile import INSTRUCTIONS, MAGIC, Instructions, StandIn, load
from tzip.nmt import checkpoint

HEAD = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": True}))
STORAGE = b"(U\x07storagectorch\nFloatStorage\nU\x01kU\x03cpu"
NAMESPACE = b"cargparse\nNamespace\n"
DEEP = b")" + b"\x85" * 200_000  # tuples, one in the other


class Call:
    """A pickle of it is a call, in a reader that calls."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def save(value: Any, path: Path, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def read(folder: Path, body: bytes, keys: Any = (), data: bytes = b"") -> Any:
    """The value of a file from before torch 1.6, whose pickle is `body`."""
    path = folder / "x.pt"
    path.write_bytes(HEAD + body + pickle.dumps(list(keys), 2) + data)
    return load(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
def test_tensors_and_dictionaries_come_back_bit_for_bit(tmp_path: Path, zipped: bool) -> None:
    base, layer = torch.randn(6, 8), torch.nn.Linear(3, 4)
    tensors = {"plain": base, "view": base[2:4], "transposed": base.t(), "every other": base[::2, ::3]}
    tensors |= {"empty": torch.zeros(0, 4), "number": torch.tensor(3.5), "weight": layer.weight}
    kinds = "float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
    tensors |= layer.state_dict() | {kind: base[0].to(getattr(torch, kind)) for kind in kinds.split()}
    others: list = [collections.Counter("aba"), collections.defaultdict(int, a=1), {layer.weight: 5}]
    others.append(Call(collections.OrderedDict, [["a", 1]]))  # as Python 2 wrote it
    path = save([tensors, *others], tmp_path / "x.pt", zipped)
    assert checkpoint.is_torch_file(path)
    found, counts, rest, by_tensor, ordered = load(path)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
    assert (counts, rest, list(by_tensor.values()), ordered) == ({"a": 2, "b": 1}, {"a": 1}, [5], {"a": 1})


PLAIN: list = [None, True, False, 0, -1, 255, 65535, 1 << 31, -(1 << 70), 1 << 3000, 0.5, -1e999, "", "ä€😀"]
PLAIN += ["x" * 300, [], [1, [2]], (), (1,), (1, 2), (1, 2, 3), (1,) * 4, {}, {"a": {1: 2, 2.5: 0, None: 1}}]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_stand_ins(protocol: int, tmp_path: Path) -> None:
    plain = PLAIN + ([b"", b"\0\xff" * 200, {b"b": 1}] if protocol > 2 else [])
    found = read(tmp_path, pickle.dumps(plain, protocol))
    assert list(zip(found, map(type, found), strict=True)) == list(zip(plain, map(type, plain), strict=True))
    shared: list = [1]
    shared.append(shared)
    found = read(tmp_path, pickle.dumps([shared, shared, argparse.Namespace(heads=8)], protocol))
    assert found[0] is found[1] is found[0][1]
    assert isinstance(found[2], StandIn)
    assert (found[2].get("heads"), found[2].get("nothing")) == (8, None)


def test_texts_of_python_2_and_a_part_of_a_storage(tmp_path: Path) -> None:
    """The part as torch before 0.4.1 wrote it."""
    assert read(tmp_path, b"\x80\x02U\x03\xe2\x96\x81.") == "▁"
    assert read(tmp_path, b"S'abc'\n.") == "abc"
    part = STORAGE + b"K\x06(U\x01vK\x02K\x03ttQ"
    body = b"ctorch._utils\n_rebuild_tensor\n(" + part + b"K\x01K\x02\x85K\x01\x85tR."
    assert read(tmp_path, body, "k", struct.pack("<q6f", 6, *range(6))).tolist() == [3.0, 4.0]


CALLS = [(os.system, "touch trace"), (os.mkdir, "trace"), (eval, "open('trace', 'w')"), (open, "trace", "w")]
CALLS += [(getattr, str, "join"), (__import__, "os"), (os.popen, "touch trace")]


@pytest.mark.parametrize("call", CALLS)
def test_exploits_are_refused_by_name_and_not_run(call: tuple, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    value = {"w": torch.ones(3), "model": [{"a": (1, Call(*call))}]}
    paths = [save(value, tmp_path / f"{zipped}.pt", zipped) for zipped in (True, False)]
    for protocol in range(6):
        paths.append(tmp_path / f"{protocol}.pt")
        paths[-1].write_bytes(HEAD + pickle.dumps(value["model"], protocol))
    for path in paths:
        with pytest.raises(ValueError, match=rf"{path}: .*{call[0].__name__}', .*; refused, and not run"):
            load(path)
    assert not Path("trace").exists()


NAMES = """torch.serialization load; torch.hub load; torch._utils _import_dotted_name; torch load; torch ops;
torch.storage _load_from_bytes; torch._dynamo.utils runtime; torchtextual os; onmtx system; torch.jit _load;
numpy.core.multiarray _reconstruct; functools reduce; collections namedtuple; builtins getattr; onmt a-b;
copyreg __newobj__; argparse open; argparse _os.system; argparse._os system; torch.optim system x; _io open;
operator attrgetter; torch QuantizedStorage; __torch__ Model; argparse Namespace os; torch FloatTensor.set_"""


@pytest.mark.parametrize("named", [*NAMES.split(";"), "argparse Namespace" + "x" * 999])
def test_names_that_are_not_on_the_list_are_refused(named: str, tmp_path: Path) -> None:
    module, name = named.strip().split(maxsplit=1)
    with pytest.raises(ValueError, match="refused, and not run") as caught:
        read(tmp_path, f"c{module}\n{name}\n.".encode())
    assert f"{module}.{name}"[:100] in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_may_be_named_is_neither_looked_up_nor_called(tmp_path: Path) -> None:
    for name in ("onmt.os.system", "torch.optim.os.system", "functools.partial", "copyreg._reconstructor"):
        module, _, function = name.rpartition(".")
        (found,) = read(tmp_path, f"(c{module}\n{function}\n(U\x05touchtRt.".encode())
        assert (type(found), found.name, found.args) == (StandIn, name, ("touch",))


ORDERED = b"ccollections\nOrderedDict\n"
HUGE = struct.pack("<Q", 1 << 60)
HOSTILE = {  # what is said, and the pickles
    "names 'os.system'": [NAMESPACE + b"}U\x08__call__cos\nsystem\nsb."],
    "the state of a function": [NAMESPACE + b"}b.", NAMESPACE + b"N}U\x08__code__Ns\x86b."],
    "the state of a method": [b"ctorch._utils\n_rebuild_tensor_v2\n}b."],
    "the state of a Tensor": [STORAGE + b"K\x00NtQ}b."],
    "the state of a dtype": [b"ctorch\nFloatStorage\n}b."],
    "not callable": [b"\x8c\x02os(\x8c\x01xtR.", b"ctorch\nFloatStorage\n)\x81.", NAMESPACE + b")R)R."],
    "'StandIn' object is not": [NAMESPACE + b")R}U\x08__call__" + NAMESPACE + b"sb)R."],
    "a list where": [NAMESPACE + b"]R.", b"](K\x01K\x01u."],
    "STACK_GLOBAL requires str": [b"]]\x93."],
    "instruction b'i'": [b"(S'touch x'\nios\nsystem\n."],
    "the instruction": [b"(" + NAMESPACE + b"o.", b"\x82\x01.", b"Pos.system\n.", b"\x96" + HUGE, b"\xfe."],
    "outside of it that is no tensor's data": [b"(U\x06moduleU\x01aU\x01bU\x01cU\x01dtQ."],
    "tuple as key": [b"}(K\x01\x85K\x01u.", b"}()" + b"2\x86" * 200 + b"K\x01u.", b"}" + DEEP + b"K\x01s."],
    "with a tuple as key": [ORDERED + b"]K\x01\x85K\x01\x86a\x85R."],
    "int as key": [b"}\x8a\x08" + b"\xff" * 7 + b"\x1fK\x01s."],  # which has the same hash as 0
    "str as key": [b"}X\x01\x00\x01\x00" + b"x" * 65537 + b"K\x01s."],
    "damaged: IndexError": [b".", b"K\x01t.", b"(."],
    "Memo value": [b"h\x05."],
    "EOFError|exhausted": [b"\x95" + HUGE + b"](", b"\x8b\xff\xff\xff\x7f\x01."],
    "decode": [b"U\x01\xff.", b"\x8d" + HUGE],
    "Exceeds the limit": [b"I" + b"9" * 100_000 + b"\n."],
}


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_instructions_are_refused_in_one_line(said: str, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body in HOSTILE[said]:
        with pytest.raises(ValueError, match=said) as caught:
            read(tmp_path, body)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


TWICE = b"h\x00h\x01R0" * 20 + b"."  # a function is called again and again with the same arguments
STEPS = [b"]" + b"Na" * 1000 + b".", STORAGE + b"K\x00Ntq\x00" + b"h\x00Q0" * 90 + b"."]
STEPS.append(NAMESPACE + b"q\x00(" + b"N" * 300 + b"tq\x01" + TWICE)
STEPS.append(ORDERED + b"q\x00](" + b"U\x01aN\x86" * 70 + b"e\x85q\x01" + TWICE)


@pytest.mark.parametrize("body", STEPS, ids=["instructions", "storages", "tuples", "pairs"])
def test_pickles_of_too_many_instructions_are_refused(body: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Instructions, "left", 1000)
    with pytest.raises(ValueError, match="pickles of more than"):
        read(tmp_path, body)


def test_deep_nesting_and_large_indices_end_no_process(tmp_path: Path) -> None:
    assert read(tmp_path, b"]r\xff\xff\xff\x7f0j\xff\xff\xff\x7f.") == []
    assert len(read(tmp_path, b"]" * 200_000 + b"a" * 199_999 + b".")) == 1
    chain = NAMESPACE + b"q\x00)Rq\x01" + b"h\x00h\x01\x85Rq\x01" * 200_000 + b"."
    assert isinstance(read(tmp_path, chain), StandIn)


def test_every_instruction_is_known_or_refused() -> None:
    """A new Python may have new ones, which nobody here has looked at."""
    refused = {op.name for op in pickletools.opcodes if ord(op.code) not in INSTRUCTIONS}
    expected = "INST OBJ NEWOBJ_EX PERSID EXT1 EXT2 EXT4 NEXT_BUFFER READONLY_BUFFER BYTEARRAY8"
    assert (len(pickletools.opcodes), refused) == (68, set(expected.split()))


def rebuilt(size: int, offset: Any, shape: Any, stride: Any, kind: bytes = b"FloatStorage") -> bytes:
    """A pickle of one tensor by its description."""
    size, offset, shape, stride = (pickle.dumps(one, 2)[2:-1] for one in (size, offset, shape, stride))
    storage = STORAGE.replace(b"FloatStorage", kind) + size + b"NtQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + stride + b"\x89NtR."


BAD: dict[str, list[tuple]] = {  # what is said; numbers of the storage, offset, shape and strides
    "beyond its 6 numbers": [(6, 0, (7,), (1,)), (6, 2, (5,), (1,)), (6, 0, (2, 2), (5, 1))],
    "tensor .* beyond its": [(6, 0, (3, 2), (1 << 47, 1 << 47)), (6, 0, (1 << 40,), (0,))],
    "without shape": [(6, 0, (2, 2), (1 << 63, 1)), (6, -1, (2,), (1,)), (6, 5, (2,), (-1,))],
    "tensor without": [(6, 0, ("a",), (1,)), (6, 0, (2, 2), (1,)), (6, 0, (1,) * 9, (1,) * 9)],
    "a str where": [(6, 0, "ab", (1, 1))],
    "not what the pickle says": [(7, 0, (2,), (1,))],
    "incomplete: .* 'k' has 1099511627776 numbers": [(1 << 40, 0, (1 << 40,), (1,))],
    "no tensor's data": [(-6, 0, (2,), (1,)), (6, 0, (2,), (1,), b"Tensor")],
}


def test_tensors_that_are_not_in_the_file_are_refused(tmp_path: Path) -> None:
    whole = rebuilt(6, 0, (6,), (1,))
    cases: list = [(rebuilt(*case), said, "k", 6, 24) for said, some in BAD.items() for case in some]
    cases += [(whole, "'x' is not what", "x", 6, 24), (whole, "incomplete", "k", 6, 23)]
    cases += [(whole, "is not what", "k", -6, 24), (whole, "a list where", [["k"]], 6, 24)]
    cases += [(whole, "incomplete: no tensor data 'k'", "", 6, 24)]
    both = STORAGE + b"K\x64NtQ" + STORAGE.replace(b"\x01k", b"\x01l") + b"K\x64NtQ\x86."
    cases += [(both, "incomplete: its tensor data 'l' has 100 numbers", "kl", 100, 400)]
    for body, said, keys, size, count in cases:
        with pytest.raises(ValueError, match=said):
            read(tmp_path, body, keys, struct.pack("<q", size) + bytes(count))


def test_archives_that_torch_does_not_write(tmp_path: Path) -> None:
    """Compressed ones, which could be bombs, encrypted ones, and other byte orders."""
    path = save({"w": torch.zeros(1 << 20)}, tmp_path / "x.pt")
    with zipfile.ZipFile(path) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    cases = [
        ({}, zipfile.ZIP_DEFLATED, "'byteorder' is compressed, which torch never does"),
        ({"x/byteorder": b"big"}, zipfile.ZIP_STORED, "big-endian"),
        ({"x/data/0": bytes(1 << 22 | 1)}, zipfile.ZIP_STORED, "'0': 4194305 bytes for 1048576 numbers"),
        ({"y/data.pkl": b"N."}, zipfile.ZIP_STORED, "a zip archive, but not torch's"),
    ]
    for changed, compression, said in cases:
        with zipfile.ZipFile(tmp_path / "y.pt", "w", compression) as archive:
            for name, data in (members | changed).items():
                archive.writestr(name, data)
        with pytest.raises(ValueError, match=said):
            load(tmp_path / "y.pt")
    data = path.read_bytes()
    at = data.index(b"PK\1\2") + 8
    path.write_bytes(data[:at] + bytes([data[at] | 1]) + data[at + 1 :])
    with pytest.raises(ValueError, match=r"'data.pkl' is compressed"):
        load(path)


def test_other_files_are_refused_by_what_they_are(tmp_path: Path) -> None:
    tar, zipped = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("\x80\x02", "storages", "tensors", "pickle"):  # as torch.load reads it
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    zipfile.ZipFile(zipped, "w").close()
    big = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": False}))
    cases = [(b"", "neither a zip archive nor a pickle"), (pickle.dumps({"a": 1}, 2), "not one of torch")]
    cases += [(tar.getvalue(), "instruction"), (tar.getvalue()[512:], "neither a zip archive nor a pickle")]
    cases += [(big, "big-endian"), (zipped.getvalue(), "a zip archive, but not torch's")]
    for data, said in cases:
        (tmp_path / "x.pt").write_bytes(data)
        with pytest.raises(ValueError, match=said):
            load(tmp_path / "x.pt")


def test_damage_raises_nothing_but_value_errors(tmp_path: Path) -> None:
    value = {"w": torch.ones(3, 2), "v": torch.arange(4), "c": (argparse.Namespace(a=2.5), {1: "y"})}
    files = [save(value, tmp_path / "x.pt", zipped).read_bytes() for zipped in (True, False)]
    files.append(HEAD + pickle.dumps(value["c"], 4) + pickle.dumps([], 2))
    generator = np.random.default_rng(1)
    for number in range(3000):
        (tmp_path / "y.pt").write_bytes(mutant(generator, files[number % 3]))
        with contextlib.suppress(ValueError):  # and nothing else
            load(tmp_path / "y.pt")
