"""Pickles read without running them: plain values, and stand-ins where other readers would call something.

Nothing of a pickle is ever imported, called or changed. A name that it mentions stays a `Name`, what a call
would have made stays a `Made`, and both are inert. A name that is not known to be harmless is refused, as is
every instruction that these files have no use for.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

MOST = 1 << 23  # instructions of one pickle; each makes no more than some hundred bytes
KEYS = (
    str,
    bytes,
    int,
    float,
    bool,
    type(None),
)  # what a dictionary may have as keys: their hashes recurse nowhere


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names; never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Made:
    """What a call of `name` would have made, as its arguments, state and items."""

    name: Name
    args: tuple = ()
    state: Any = None
    items: dict = field(default_factory=dict)
    values: list = field(default_factory=list)

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute, as its state has it."""
        return self.state.get(key, default) if isinstance(self.state, dict) else default


_MARK = object()


@dataclass(frozen=True)
class Rules:
    """What a format's pickles may mention.

    harmless    whether a name may occur at all
    calls       what stands for a call, by name; all others make a `Made`
    persistent  what stands for an object that lies outside of the pickle
    """

    harmless: Callable[[Name], bool]
    calls: dict[Name, Callable[..., Any]]
    persistent: Callable[[Any], Any]


def load(file: BinaryIO, rules: Rules) -> Any:
    """The value of the pickle that begins here; the file is left behind its end.

    Raises ValueError in one line for what is refused, and for what is no pickle. `file` must not read beyond
    its end, whatever it is asked for (as io.BytesIO and mmap).
    """
    machine = _Machine(rules)
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
            if count > MOST:
                raise ValueError(f"a pickle of more than {MOST:,} instructions")
            if instruction.name == "STOP":
                return machine.pop()
            machine.do(instruction.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError) as error:
        raise ValueError(f"a damaged pickle: {type(error).__name__}") from None
    raise ValueError("a pickle without an end")


class _Machine:
    """A pickle's stack and memory; `do` is one instruction (Python's pickletools says what each does)."""

    def __init__(self, rules: Rules):
        self.rules = rules
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        if name in VALUES:
            self.stack.append(VALUES[name](argument))
        elif name in NOTHING:
            return
        elif (method := getattr(self, f"_{name.lower()}", None)) is not None:
            method(argument)
        else:
            raise ValueError(f"its pickle has the instruction {name}, which no model needs; refused")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a damaged pickle: a mark where a value should be")
        return value

    def items(self) -> list[Any]:
        """What lies above the last mark, which goes too."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1  # an IndexError ends it
            if at < 0:
                raise ValueError("a damaged pickle: no mark")
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    # --- stack and memory

    def _mark(self, _) -> None:
        self.stack.append(_MARK)

    def _pop(self, _) -> None:
        self.stack.pop()

    def _pop_mark(self, _) -> None:
        self.items()

    def _dup(self, _) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _binget = _long_binget = _get

    # --- containers

    def _append(self, _) -> None:
        value = self.pop()
        self._extend([value])

    def _appends(self, _) -> None:
        self._extend(self.items())

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        (target.values if isinstance(target, Made) else _only(target, list)).extend(values)

    def _list(self, _) -> None:
        self.stack.append(self.items())

    def _tuple(self, _) -> None:
        self.stack.append(tuple(self.items()))

    def _tuple1(self, _) -> None:
        self._take_tuple(1)

    def _tuple2(self, _) -> None:
        self._take_tuple(2)

    def _tuple3(self, _) -> None:
        self._take_tuple(3)

    def _take_tuple(self, count: int) -> None:
        self.stack.append(tuple(self.pop() for _ in range(count))[::-1])

    def _dict(self, _) -> None:
        items = self.items()
        self.stack.append({})
        self._update(items)

    def _setitem(self, _) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def _setitems(self, _) -> None:
        self._update(self.items())

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        into = target.items if isinstance(target, Made) else _only(target, dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (*KEYS, Made)) and type(key).__eq__ is not object.__eq__:
                raise ValueError(f"its pickle has a dictionary with a {type(key).__name__} as key; refused")
            into[key] = value

    def _additems(self, _) -> None:
        self._extend(self.items())  # a set is a list here: nobody asks what is in it

    def _frozenset(self, _) -> None:
        self._list(None)

    # --- names, and what others would call

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _) -> None:
        name, module = self.pop(), self.pop()
        self._name(_only(module, str), _only(name, str))

    def _name(self, module: str, name: str) -> None:
        found = Name(module, name)
        plain = name.isidentifier() and all(part.isidentifier() for part in module.split("."))
        if not plain or not self.rules.harmless(found):
            raise ValueError(
                f"its pickle names {str(found)[:200]!r}, which no model needs; refused, and not run"
            )
        self.stack.append(found)

    def _reduce(self, _) -> None:
        args, name = _only(self.pop(), tuple), _only(self.pop(), Name)
        call = self.rules.calls.get(name)
        self.stack.append(Made(name, args) if call is None else call(*args))

    _newobj = _reduce

    def _newobj_ex(self, _) -> None:
        self.pop()  # arguments by name
        self._reduce(None)

    def _build(self, _) -> None:
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Made):
            target.state = state
        elif not isinstance(
            target, dict
        ):  # an ordered dictionary has attributes (of a state dict, `_metadata`)
            raise ValueError(f"its pickle sets the state of a {type(target).__name__}; refused")

    def _binpersid(self, _) -> None:
        self.stack.append(self.rules.persistent(self.pop()))


def _only(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a damaged pickle: {type(value).__name__} where a {kind.__name__} should be")
    return value


def _text(value: str) -> str:
    """A string of Python 2, whose bytes pickletools takes for Latin-1."""
    return value.encode("latin-1").decode("utf-8")


def _same(value: Any) -> Any:
    return value


VALUES: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None, "NEWTRUE": lambda _: True, "NEWFALSE": lambda _: False,
    "EMPTY_LIST": lambda _: [], "EMPTY_TUPLE": lambda _: (), "EMPTY_DICT": lambda _: {},
    "EMPTY_SET": lambda _: [],
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), _same),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), _same),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _same),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _same),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _text),
}
NOTHING = ("PROTO", "FRAME")
