"""The methods of a folder, by their files' names; listing them and checking their options needs no torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tzip.options import constant, make

KINDS = ("quantizers", "pruners")
FOLDERS = [Path(__file__).parent.parent]  # each with a folder for each kind; `extend` adds a user's own


def extend(folder: str | Path) -> None:
    """Look for methods in this folder's quantizers/ and pruners/, too, as in tzip's own.

    Raises ValueError if it has neither, or a method whose name is taken.
    """
    folder = Path(folder).absolute()
    if folder in FOLDERS:
        return
    if not any((folder / kind).is_dir() for kind in KINDS):
        raise ValueError(f"methods = '{folder}': it has no folder {' or '.join(KINDS)}")
    for kind in KINDS:
        for found in files(kind, [folder]):
            if found in files(kind, FOLDERS):
                raise ValueError(f"{folder / kind / found}.py: there is a method '{found}' already")
    FOLDERS.append(folder)


def files(kind: str, folders: list[Path]) -> dict[str, Path]:
    """The methods of a kind ("quantizers", "pruners") in these folders, by name."""
    assert kind in KINDS, kind
    found = [path for folder in folders for path in (folder / kind).glob("*.py") if path.stem != "__init__"]
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def names(kind: str) -> list[str]:
    """The methods of a kind, sorted."""
    return list(files(kind, FOLDERS))


def path(kind: str, name: str) -> Path:
    """The file of a method; ValueError with the choices if there is none of that name."""
    found = files(kind, FOLDERS)
    if name not in found:
        raise ValueError(f"no {kind.removesuffix('s')} '{name}'; choose from {', '.join(found)}")
    return found[name]


def load(kind: str, name: str) -> ModuleType:
    """The module of a method; ValueError as by `path`."""
    file, module = path(kind, name), f"tzip.{kind}.{name}"
    if file.parent.parent == FOLDERS[0]:
        return importlib.import_module(module)
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, file)
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    return sys.modules[module]


def needs(kind: str, name: str) -> tuple[str, ...]:
    """The statistics that a method asks for by its constant NEEDS."""
    return constant(path(kind, name), "NEEDS")


def source(kind: str, name: str) -> str:
    """Where a method comes from, by its constant SOURCE; empty if it does not say."""
    return constant(path(kind, name), "SOURCE", "")


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
