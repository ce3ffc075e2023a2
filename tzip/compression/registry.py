"""The methods of a folder, by their files' names; listing them and checking their options needs no torch."""

import ast
import dataclasses
import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tzip.options import constant, declared, make, metavar, parse, spell, text

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
        for name in files(kind, [folder]):
            if name in files(kind, FOLDERS):
                raise ValueError(f"{folder / kind / name}.py: there is a method '{name}' already")
    FOLDERS.append(folder)


def files(kind: str, folders: list[Path]) -> dict[str, Path]:
    """The methods of a kind ("quantizers", "pruners") in these folders, by name."""
    assert kind in KINDS, kind
    return dict(sorted(item for folder in folders for item in _files(folder / kind).items()))


@functools.cache
def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}


def names(kind: str) -> list[str]:
    """The methods of a kind, sorted."""
    return list(files(kind, FOLDERS))


def path(kind: str, name: str) -> Path:
    """The file of a method; ValueError with the choices if there is none of that name."""
    methods = files(kind, FOLDERS)
    if name not in methods:
        raise ValueError(f"no {kind.removesuffix('s')} '{name}'; choose from {', '.join(methods)}")
    return methods[name]


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


def check(kind: str, spec: str, name: str, *more: type) -> None:
    """ValueError as `split` raises it, unless a spec such as kmeans:bits=4 is a method with its options.

    more  further options classes of the spec, as a pruner's schedule; nothing is imported
    """
    method, given = parse(spec)
    split(given, f"{name}: {method}", declared(path(kind, method)), *more)


def listed() -> list[str]:
    """The methods of all folders, one line each: name, what it is, where it comes from, its options' defaults."""
    lines = []
    for kind in KINDS:
        lines.append(f"{kind}:")
        for name, file in files(kind, FOLDERS).items():
            defaults = {field.name: field.default for field in dataclasses.fields(declared(file))}
            lines.append(f"  {name:12} {summary(file)} [{source(kind, name)}] {spell(name, defaults)}")
    return lines


def described(name: str, schedule: type) -> list[str]:
    """A method and its options as --quantize and --prune take them: default, meaning, choices."""
    known = {method: kind for kind in KINDS for method in names(kind)}
    if name not in known:
        raise ValueError(f"no method '{name}'; choose from {', '.join(known)}")
    kind = known[name]
    classes = [declared(path(kind, name)), *([schedule] if kind == "pruners" else [])]
    fields = [field for cls in classes for field in dataclasses.fields(cls)]
    lines = [f"{name}: {summary(path(kind, name))}", f"source: {source(kind, name)}"]
    for field in fields:
        choices = ", ".join(map(str, field.metadata.get("choices") or ())) or metavar(field)
        default = f"{field.name}={text(field.default)}"
        lines.append(f"  {default:20} {field.metadata['description']} ({choices})")
    return lines if fields else [*lines, "  no options"]


def summary(file: Path) -> str:
    """The first line of a method file's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]
