"""Pickles are read and never run: plain values come back, what others would execute is refused by name."""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import os
import pickle
import pickletools
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.format.test_fuzz import mutant
from tzip.pickles import Made, Name, Rules, load

HARMLESS = {
    Name("argparse", "Namespace"), Name("collections", "OrderedDict"), Name("tests.test_pickles", "Thing"),
    Name("tests.test_pickles", "Reduced"),
}  # fmt: skip
RULES = Rules(HARMLESS.__contains__, {Name("collections", "OrderedDict"): lambda *_: {}}, lambda told: told)


def read(data: bytes) -> Any:
    return load(io.BytesIO(data), RULES)


class Thing:
    """Of an attribute, items and values: a list and a dictionary at once are not needed."""


class Reduced(dict):
    def __reduce__(self):
        return Reduced, (1, "two"), {"state": 3}, None, iter({"item": 4}.items())


PLAIN = [
    None, True, False, 0, -1, 255, 65535, 1 << 31, -(1 << 70), 1 << 3000, 0.5, float("-inf"), "", "ä€😀",
    "x" * 300, b"", b"\x00\xff" * 200, [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {},
    {"a": {"b": [1]}}, {1: 2, 2.5: None, None: 1, b"b": 1},
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    if protocol < 3 and (isinstance(value, bytes) or (isinstance(value, dict) and b"b" in value)):
        pytest.skip("bytes are calls there, which nobody needs")
    found = read(pickle.dumps(value, protocol))
    assert found == value
    assert type(found) is type(value)


def test_shared_and_recursive_values() -> None:
    one: list = [1]
    found = read(pickle.dumps({"a": one, "b": one}))
    assert found["a"] is found["b"]
    one.append(one)
    found = read(pickle.dumps(one))
    assert found[1] is found


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_are_stand_ins(protocol: int) -> None:
    thing = Thing()
    thing.name, thing.inner = "x", argparse.Namespace(heads=8)
    found = read(pickle.dumps(thing, protocol))
    assert isinstance(found, Made)
    assert found.get("name") == "x"
    assert found.get("inner").state == {"heads": 8}
    assert found.get("nothing", 5) == 5
    found = read(pickle.dumps(Reduced(), protocol))
    assert (found.args, found.state, found.items) == ((1, "two"), {"state": 3}, {"item": 4})
    ordered = collections.OrderedDict(a=1)
    ordered.extra = 2
    assert read(pickle.dumps(ordered, protocol)) == {"a": 1}


def test_the_text_of_python_2_is_utf_8() -> None:
    assert read(b"\x80\x02U\x03\xe2\x96\x81.") == "▁"
    assert read(b"S'abc'\n.") == "abc"


def test_the_file_is_left_behind_the_pickle() -> None:
    file = io.BytesIO(pickle.dumps([1], 2) + pickle.dumps("two", 2) + b"rest")
    assert (load(file, RULES), load(file, RULES), file.read()) == ([1], "two", b"rest")


# ── hostile ───────────────────────────────────────────────────────────────────────────────────────


class Call:
    """A pickle of it is a call, in a reader that calls."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def nested(function: Any, *arguments: Any) -> Any:
    return {"model": [{"a": (1, Call(function, *arguments))}]}


CALLS = {
    "os.system": lambda trace: (os.system, f"touch {trace}"),
    "os.mkdir": lambda trace: (os.mkdir, str(trace)),
    "eval": lambda trace: (eval, f"__import__('os').mkdir({str(trace)!r})"),
    "exec": lambda trace: (exec, f"open({str(trace)!r}, 'w')"),
    "open": lambda trace: (open, str(trace), "w"),
    "getattr": lambda trace: (getattr, os, "system"),
    "__import__": lambda trace: (__import__, "os"),
    "Popen": lambda trace: (subprocess.Popen, ["touch", str(trace)]),
    "pickle.loads": lambda trace: (pickle.loads, pickle.dumps(Call(os.mkdir, str(trace)))),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", CALLS)
def test_exploits_are_refused_by_name_and_not_run(name: str, protocol: int, tmp_path: Path) -> None:
    try:
        data = pickle.dumps(nested(*CALLS[name](tmp_path / "trace")), protocol)
    except TypeError:  # a module cannot be pickled; its name can
        data = pickle.dumps(nested(getattr, Thing, "x"), protocol)
    with pytest.raises(ValueError, match="refused, and not run") as caught:
        read(data)
    assert name.split(".")[-1] in str(caught.value)
    assert list(tmp_path.iterdir()) == []


OPCODES = {
    "a harmless class, called through its state": (
        b"cargparse\nNamespace\n}X\x08\x00\x00\x00__call__cos\nsystem\nsb.",
        "os.system",
    ),
    "state of a name": b"cargparse\nNamespace\n}b.",
    "a call of what is no name": b"\x8c\x02os(\x8c\x01xtR.",
    "a call of a stand-in": (b"cargparse\nNamespace\n)R)R.", "Made where a Name"),
    "a name with dots": (b"\x8c\x08argparse\x8c\x0a_os.system\x93.", "_os.system"),
    "a module within a harmless one": (b"cargparse._os\nsystem\n.", "argparse._os.system"),
    "a name with a space": (b"cargparse\nNamespace os\n.", "Namespace os"),
    "a name that is no text": b"]]\x93.",
    "INST": (b"(S'touch x'\nios\nsystem\n.", "INST"),
    "OBJ": (b"(cargparse\nNamespace\no.", "OBJ"),
    "an extension code": (b"\x82\x01.", "EXT1"),
    "a long extension code": (b"\x84\x01\x00\x00\x00.", "EXT4"),
    "a persistent id of protocol 0": (b"Pos.system\n.", "PERSID"),
    "a buffer out of band": (b"\x97.", "NEXT_BUFFER"),
    "a tuple as key": (b"}(K\x01\x85K\x01u.", "tuple as key"),
    "a list as key": (b"}(]K\x01u.", "list as key"),
    "items of a list": b"](K\x01K\x01u.",
    "values of a dictionary": b"}(K\x01e.",
    "an odd dictionary": b"(K\x01d.",
    "nothing": b".",
    "no end": b"N",
    "no mark": b"K\x01t.",
    "a mark as value": b"(.",
    "an empty stack": b"0.",
    "a memory that was never filled": b"h\x05.",
    "no instruction": b"\xfe.",
    "a huge text": b"X\xff\xff\xff\x7fabc.",
    "a huge text of 8 bytes' length": b"\x8d" + struct.pack("<Q", 1 << 60) + b"abc.",
    "a negative length": b"\x8b\xff\xff\xff\xff.",
    "a huge number": b"\x8b\xff\xff\xff\x7f\x01.",
    "a number of many digits": b"I" + b"9" * 100_000 + b"\n.",
    "no UTF-8": b"X\x01\x00\x00\x00\xff.",
    "a mark below nothing": b"t.",
}


@pytest.mark.parametrize("kind", OPCODES)
def test_hostile_instructions_are_refused_in_one_line(kind: str) -> None:
    data, said = OPCODES[kind] if isinstance(OPCODES[kind], tuple) else (OPCODES[kind], "")
    with pytest.raises(ValueError, match=said or ".") as caught:
        read(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_pickle_of_too_many_instructions_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("tzip.pickles.MOST", 1000)
    with pytest.raises(ValueError, match="more than 1,000 instructions"):
        read(b"]" + b"Na" * 1000 + b".")


def test_deep_nesting_ends_no_process() -> None:
    deep = read(b"]" * 200_000 + b"a" * 199_999 + b".")
    assert len(deep) == 1
    del deep
    chain = b"cargparse\nNamespace\nq\x00)Rq\x01" + b"h\x00h\x01\x85Rq\x01" * 200_000 + b"."
    assert isinstance(read(chain), Made)
    with pytest.raises(ValueError, match="tuple as key"):
        read(b"}" + b")" + b"\x85" * 200_000 + b"K\x01s.")


def test_every_instruction_is_known_or_refused() -> None:
    """A new Python may have new ones; they must not fall on a method of the machine by chance."""
    from tzip.pickles import NOTHING, VALUES, _Machine

    handled = {op.name for op in pickletools.opcodes if hasattr(_Machine, f"_{op.name.lower()}")}
    known = {op.name for op in pickletools.opcodes}
    assert known - handled - set(VALUES) - set(NOTHING) == {
        "STOP", "INST", "OBJ", "PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"
    }  # fmt: skip


def test_damage_raises_nothing_but_value_errors() -> None:
    whole = pickle.dumps({"a": [1, 2.5, "x"], "b": (Thing(), argparse.Namespace(heads=8)), "c": {1: b"y"}}, 2)
    generator = np.random.default_rng(1)
    for _ in range(3000):
        with contextlib.suppress(ValueError):  # and nothing else
            read(mutant(generator, whole))
