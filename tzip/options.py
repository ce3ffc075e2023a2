"""Options as frozen dataclasses: declared once, read by the workflow, the scripts and the command line."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tzip import files

KINDS = {"int": "an integer", "float": "a number", "str": "a text", "bool": "true or false"}
FROM_TEXT = {"int": int, "float": float, "str": str, "bool": lambda text: {"true": True, "false": False}[text.lower()]}
REQUIRED = dataclasses.MISSING


def option(default: Any, help: str, *, choices: tuple = (), low=None, high=None, metavar: str = "", **more) -> Any:
    """A dataclass field with what a user must know of it: meaning, choices or bounds (inclusive).

    Its metadata are the arguments of pydantic's Field, which reads them from a field of any dataclass; `more`
    are further ones. Pydantic itself is only imported where something is checked, for it takes 0.2 s.

    metavar  the placeholder of the value in --help, such as FILE; by default it follows from the type
    """
    metadata = {"description": help, "choices": tuple(choices), "ge": low, "le": high, "metavar": metavar} | more
    metadata["json_schema_extra"] = {"enum": list(choices)} if choices else None
    if isinstance(default, list | dict):
        metadata["json_schema_extra"] = {"default": default}
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def same(cls: type, name: str) -> Any:
    """A field declared as that of another class."""
    field = cls.__dataclass_fields__[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


def shared_scale(default: str) -> Any:
    """The field `per` of a quantizer with scales: which weights share one (a number: so many at most)."""
    choices = ("tensor", "row", "128", "64", "32")
    return option(default, "weights that share a scale: all, a row's, or so many of a row", choices=choices)


def scale_rounding() -> Any:
    """The field `scale_steps` of a quantizer with scales: the precision of scales in a file."""
    help = "steps per octave of the scales, which a file then holds in a few bits each; 0: 16 bits, as float16"
    return option(0, help, choices=(0, 8, 32))


def make(cls: type, given: dict[str, Any], name: str) -> Any:
    """`cls(**given)` after checking every key and value; strings are converted to the field's type.

    Raises ValueError in one line that names `name`, the option, the value and the choices.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in given:
        if key not in fields:
            raise ValueError(f"{name}: no option '{key}'; choose from {', '.join(fields) or 'none'}")
    checked = {key: _check(fields[key], value, f"{name}: {key}") for key, value in given.items()}
    missing = [f.name for f in fields.values() if f.default is REQUIRED and f.name not in checked]
    if missing:
        raise ValueError(f"{name}: option '{missing[0]}' must be given")
    try:
        return cls(**checked)
    except ValueError as error:  # a rule between options, stated in __post_init__
        raise ValueError(f"{name}: {error}") from None


def _check(field: dataclasses.Field, value: Any, label: str) -> Any:
    """`value` as the field's type, within its choices and bounds."""
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    choices, low, high = (field.metadata.get(key) for key in ("choices", "ge", "le"))
    try:
        converted = FROM_TEXT[kind](value) if isinstance(value, str) else value
        return _validator(kind, choices, low, high).validate_python(converted, strict=True)
    except (ValueError, KeyError):  # pydantic's ValidationError is a ValueError
        bounds = [f"{word} {end}" for word, end in (("at least", low), ("at most", high)) if end is not None]
        expected = " ".join([KINDS[kind], " and ".join(bounds)]).strip()
        expected = f"one of {', '.join(map(str, choices))}" if choices else expected
        raise ValueError(f"{label} = {shown(value)} is not {expected}") from None


@functools.cache
def _validator(kind: str, choices: tuple, low: Any, high: Any) -> Any:
    """Pydantic's check of one value; its core alone is imported in half the time."""
    from pydantic_core import SchemaValidator

    bounds = {key: end for key, end in (("ge", low), ("le", high)) if end is not None}
    steps = [{"type": kind} | bounds] + [{"type": "literal", "expected": list(choices)}] * bool(choices)
    return SchemaValidator({"type": "chain", "steps": steps})


def shown(value: Any) -> str:
    """A value in an error: of a text or number the beginning, of anything else what kind it is."""
    plain = isinstance(value, str | int | float | bool | type(None))
    return repr(value)[:200] if plain else f"a {type(value).__name__}"


def parse(spec: str) -> tuple[str, dict[str, str]]:
    """'kmeans:bits=4,start=linear' → ('kmeans', {'bits': '4', 'start': 'linear'})."""
    name, _, rest = spec.partition(":")
    pairs = [item.partition("=") for item in rest.split(",") if item]
    for key, equals, _ in pairs:
        if not equals:
            raise ValueError(f"'{spec}': expected name:key=value,key=value, found '{key}'")
    return name, {key: value for key, _, value in pairs}


def spell(name: str, given: dict[str, Any]) -> str:
    """The inverse of `parse`: what a user types to get these options."""
    settings = ",".join(f"{key}={text(value)}" for key, value in given.items())
    return f"{name}:{settings}" if settings else name


def text(value: Any) -> str:
    """A value as the command line takes it."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def add_arguments(
    parser: argparse.ArgumentParser, cls: type, skip: tuple[str, ...] = (), defaults: dict[str, Any] | None = None
) -> None:
    """One `--flag` per field of `cls` with the field's help, choices and default, or that in `defaults`."""
    group = parser.add_argument_group((cls.__doc__ or cls.__name__).split("\n")[0].rstrip("."))
    for field in dataclasses.fields(cls):
        if field.name in skip:
            continue
        choices = ", ".join(map(str, field.metadata.get("choices", ())))
        usual = (defaults or {}).get(field.name, field.default)
        default = "" if usual is REQUIRED or usual == "" else f"[{text(usual)}]"
        parts = field.metadata.get("description", ""), f"({choices})" if choices else "", default
        more = {"help": " ".join(filter(None, parts)).replace("%", "%%"), "metavar": metavar(field)}
        action = group.add_argument(flag(field.name), dest=field.name, default=argparse.SUPPRESS, **more)
        kind = field.type if isinstance(field.type, str) else field.type.__name__
        action.completions = ("false", "true") if kind == "bool" else field.metadata.get("choices", ())


def metavar(field: dataclasses.Field) -> str:
    """The placeholder of an option's value in --help."""
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    words = "CHOICE" if field.metadata.get("choices") else "TEXT"
    usual = {"int": "N", "float": "NUMBER", "bool": "BOOL", "str": words}[kind]
    return field.metadata.get("metavar") or usual


def from_arguments(args: argparse.Namespace, cls: type, name: str, defaults: dict[str, Any] | None = None) -> Any:
    """The options of `cls` that the user gave, checked; the rest as in `defaults`, else in `cls`."""
    return make(cls, (defaults or {}) | given(args, cls), name)


def given(args: argparse.Namespace, cls: type) -> dict[str, Any]:
    """The fields of `cls` that the user set on the command line."""
    names = [field.name for field in dataclasses.fields(cls)]
    return {key: getattr(args, key) for key in names if hasattr(args, key)}


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def flags(given: dict[str, Any]) -> str:
    """A dict of options as command-line flags, in the dict's order."""
    return " ".join(f"{flag(key)} {text(value)}" for key, value in given.items())


@functools.cache
def declared(path: str | Path, name: str = "Options") -> type:
    """The options dataclass `name` of a Python file, without importing what else the file imports.

    Importing torch to check a configuration would take longer than all else at the workflow's start.
    Only the class itself is executed, with the names that options are built from.
    """
    classes = [node for node in parsed(path).body if isinstance(node, ast.ClassDef) and node.name == name]
    if not classes:
        raise ValueError(f"{path}: no class {name}")
    names = {"dataclass": dataclasses.dataclass, "__name__": __name__}
    names |= {helper.__name__: helper for helper in (option, shared_scale, scale_rounding)}
    exec(compile(ast.Module(classes, type_ignores=[]), str(path), "exec"), names)  # annotations stay text, as here
    return names[name]


def constant(path: str | Path, name: str, default: Any = ()) -> Any:
    """A constant of a Python file, read as `declared` reads a class."""
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return default


@functools.cache
def parsed(path: str | Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(Path(path).read_text(encoding="utf-8"), filename=str(path))


def add(parser: argparse.ArgumentParser, argument: Any, defaults: dict[type, dict[str, Any]]) -> None:
    """Add one argument, arguments of which only one can be given (a list), or the options of a class.

    A text names a file of the library whose class Options is meant. defaults: of a class, other than its own.
    """
    if isinstance(argument, str):
        argument = declared(Path(__file__).parent / argument)
    if isinstance(argument, type):
        add_arguments(parser, argument, defaults=defaults.get(argument))
    elif isinstance(argument, list):
        group = parser.add_mutually_exclusive_group()
        for alternative in argument:
            add(group, alternative, defaults)
    else:
        names, more = argument
        parser.add_argument(*names, **more)


# Arguments of the command line that are no options of a class


def plain(*names: str, **more) -> tuple[tuple[str, ...], dict]:
    return names, more


path = functools.partial(plain, type=Path, metavar="FILE")


class Output(type(Path())):
    """The path of a file to write. It is looked at before the work begins, see `check_outputs`."""


output = functools.partial(plain, type=Output, metavar="FILE")


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse to write over what is no regular file, or without --force over a file that exists already."""
    for path in vars(args).values():
        if isinstance(path, Output):
            files.check_new(path, args.force)


def amount(unit: str) -> Callable[[str], float]:
    """Reads a positive number, its unit there or not: 8x, 99%."""

    def read(text: str) -> float:
        try:
            value = float(text.removesuffix(unit))
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not a positive number, such as 8{unit}")
        return value

    return read
