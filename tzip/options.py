"""Options as frozen dataclasses: declared once, read by the workflow, the scripts and the command line."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
from pathlib import Path
from typing import Any

TYPES = {"int": int, "float": float, "str": str, "bool": bool}


def option(default: Any, help: str, *, choices: tuple = (), low=None, high=None, metavar: str = "") -> Any:
    """A dataclass field with what a user must know of it: meaning, choices or bounds (inclusive).

    metavar  the placeholder of the value in --help, such as FILE; by default it follows from the type
    """
    metadata = {"help": help, "choices": tuple(choices), "low": low, "high": high, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


def shared_scale(default: str) -> Any:
    """The field `per` of a quantizer with scales: which weights share one (a number: so many at most)."""
    choices = ("tensor", "row", "128", "64", "32")
    return option(default, "weights that share a scale: all, a row's, or so many of a row", choices=choices)


def make(cls: type, given: dict[str, Any], name: str) -> Any:
    """`cls(**given)` after checking every key and value; strings are converted to the field's type.

    Raises ValueError in one line that names `name`, the option, the value and the choices.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in given:
        if key not in fields:
            raise ValueError(f"{name}: no option '{key}'; choose from {', '.join(fields) or 'none'}")
    checked = {key: _check(fields[key], value, f"{name}: {key}") for key, value in given.items()}
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in checked]
    if missing:
        raise ValueError(f"{name}: option '{missing[0]}' must be given")
    try:
        return cls(**checked)
    except ValueError as error:  # a rule between options, stated in __post_init__
        raise ValueError(f"{name}: {error}") from None


def _check(field: dataclasses.Field, value: Any, label: str) -> Any:
    """`value` as the field's type, within its choices and bounds."""
    kind = TYPES[field.type if isinstance(field.type, str) else field.type.__name__]
    choices, low, high = (field.metadata.get(key) for key in ("choices", "low", "high"))
    expected = f"one of {', '.join(map(str, choices))}" if choices else _range(kind, low, high)
    try:
        converted = _convert(kind, value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{label} = {shown(value)} is not {expected}") from None
    inside = (low is None or converted >= low) and (high is None or converted <= high)
    if not inside or (choices and converted not in choices):
        raise ValueError(f"{label} = {shown(value)} is not {expected}")
    return converted


def shown(value: Any) -> str:
    """A value in an error: of a text or number the beginning, of anything else what kind it is."""
    plain = isinstance(value, str | int | float | bool | type(None))
    return repr(value)[:200] if plain else f"a {type(value).__name__}"


def _convert(kind: type, value: Any) -> Any:
    if kind is bool and isinstance(value, str):
        return (
            {"true": True, "false": False}[value.lower()] if value.lower() in ("true", "false") else int("")
        )
    if isinstance(value, str) or kind is type(value):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    raise TypeError


def _range(kind: type, low, high) -> str:
    article = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}[kind]
    bounds = [f"at least {low}"] if low is not None else []
    bounds += [f"at most {high}"] if high is not None else []
    return " ".join([article, " and ".join(bounds)]).strip()


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
    parser: argparse.ArgumentParser,
    cls: type,
    skip: tuple[str, ...] = (),
    defaults: dict[str, Any] | None = None,
) -> None:
    """One `--flag` for each field of `cls`; its help, choices and default are the field's.

    `defaults` are told instead of the field's own.
    """
    group = parser.add_argument_group((cls.__doc__ or cls.__name__).split("\n")[0].rstrip("."))
    for field in dataclasses.fields(cls):
        if field.name in skip:
            continue
        choices = field.metadata.get("choices")
        told = (
            f"{field.metadata.get('help', '')}{' (' + ', '.join(map(str, choices)) + ')' if choices else ''}"
        )
        usual = (defaults or {}).get(field.name, field.default)
        default = "" if usual is dataclasses.MISSING or usual == "" else f" [{text(usual)}]"
        group.add_argument(flag(field.name), dest=field.name, default=argparse.SUPPRESS,
                           metavar=metavar(field), help=(told + default).replace("%", "%%"))  # fmt: skip


def metavar(field: dataclasses.Field) -> str:
    """The placeholder of an option's value in --help."""
    kind = field.type if isinstance(field.type, str) else field.type.__name__
    words = "CHOICE" if field.metadata.get("choices") else "TEXT"
    usual = {"int": "N", "float": "NUMBER", "bool": "BOOL", "str": words}[kind]
    return field.metadata.get("metavar") or usual


def from_arguments(
    args: argparse.Namespace, cls: type, name: str, defaults: dict[str, Any] | None = None
) -> Any:
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


def declared(path: str | Path, name: str = "Options") -> type:
    """The options dataclass `name` of a Python file, without importing what else the file imports.

    The workflow checks a configuration at every start; importing torch to do so would cost more than
    all else together. Only the class itself is executed, with the names that options are built from.
    """
    tree = ast.parse(Path(path).read_text(encoding="utf-8"), filename=str(path))
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    if not found:
        raise ValueError(f"{path}: no class {name}")
    future = ast.parse("from __future__ import annotations").body
    module = ast.Module(body=future + found, type_ignores=[])
    fields = {"option": option, "shared_scale": shared_scale}
    names: dict[str, Any] = {"dataclass": dataclasses.dataclass, **fields, "__name__": __name__}
    exec(compile(module, str(path), "exec"), names)
    return names[name]
