"""The methods of a folder, by their files' names; listing them and checking their options needs no torch."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from tzip.options import make

KINDS = ("quantizers", "pruners")


def names(kind: str) -> list[str]:
    """The methods of a kind ("quantizers", "pruners"), sorted."""
    assert kind in KINDS, kind
    return sorted(
        path.stem for path in (Path(__file__).parent / kind).glob("*.py") if path.stem != "__init__"
    )


def load(kind: str, name: str) -> ModuleType:
    """The module of a method; ValueError with the choices if there is none of that name."""
    if name not in names(kind):
        raise ValueError(f"no {kind.removesuffix('s')} '{name}'; choose from {', '.join(names(kind))}")
    return importlib.import_module(f"tzip.{kind}.{name}")


def split(given: dict[str, Any], name: str, *classes: type) -> list[Any]:
    """One instance of each options class, from a dict that holds the options of all of them.

    Raises ValueError in one line that names `name`, the option, the value and the choices.
    """
    fields = {cls: [field.name for field in dataclasses.fields(cls)] for cls in classes}
    known = [field for cls in classes for field in fields[cls]]
    assert len(known) == len(set(known)), f"{name}: two classes declare the same option: {known}"
    for key in given:
        if key not in known:
            raise ValueError(f"{name}: no option '{key}'; choose from {', '.join(known) or 'none'}")
    return [make(cls, {key: given[key] for key in fields[cls] if key in given}, name) for cls in classes]
