"""The files that decide the result of a step, found by reading imports without importing anything."""

import ast
import functools
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from tzip.options import parsed

ROOT = Path(__file__).parents[2]
COMPRESSION = ROOT / "tzip" / "compression"
COMMANDS = ROOT / "tzip" / "cli.py"  # it starts every step, and decides the result of none


def named(tree: ast.AST) -> set[str]:
    """Full names of all that a file or function imports, anywhere in it; `from a import b` is a and a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(tree: ast.AST) -> set[Path]:
    """The project's modules that a file or function imports itself; the empty __init__ of a room is none."""
    paths = {ROOT / f"{name.replace('.', '/')}.py" for name in named(tree) if name.startswith("tzip.")}
    return {path for path in paths if path != COMMANDS and path.is_file()}


@functools.cache
def beside(path: Path) -> frozenset[Path]:
    """The templates in a module's folder that the module, or a template, names: they count as code."""
    names = re.findall(r'"([\w-]+\.html)"', path.read_text(encoding="utf-8"))
    return frozenset(path.parent / name for name in names if (path.parent / name).is_file())


@functools.cache
def near(path: Path) -> frozenset[Path]:
    return beside(path) | (modules(parsed(path)) if path.suffix == ".py" else set())


def reached(starts: Iterable[Path], room: Path = ROOT) -> list[Path]:
    """These files and all in the folder `room` that they bring along, sorted."""
    seen: set[Path] = set()
    todo = set(starts)
    while todo:
        path = todo.pop()
        seen.add(path)
        todo |= {other for other in near(path) - seen if other.is_relative_to(room)}
    return sorted(seen)


def files(step: str) -> list[Path]:
    """The files that decide a step: all that its script reaches, or all that its subcommand's function imports."""
    script = ROOT / "workflow_scripts" / f"{step}.py"
    if script.exists():
        return reached([script])
    functions = {node.name: node for node in parsed(COMMANDS).body if isinstance(node, ast.FunctionDef)}
    return reached(modules(functions[f"run_{step}"]))


@functools.cache
def digest(step: str, *more: str | Path) -> str:
    """The first digits of a SHA-256 of a step's code and of more files; Snakemake reruns the step when it changes."""
    return _digest(files(step), more)


@functools.cache
def methods(*paths: Path) -> str:
    """As `digest`, of files of methods and what they import of tzip/compression; empty without a method."""
    return _digest(reached(paths, COMPRESSION)) if paths else ""


def _digest(*groups: Iterable[str | Path]) -> str:
    content = hashlib.sha256()
    for path in (path for group in groups for path in group):
        content.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return content.hexdigest()[:12]
