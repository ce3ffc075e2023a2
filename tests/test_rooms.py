"""The rooms of the library, held by reading its imports: which folder may import from which."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tzip.config import dependencies
from tzip.options import parsed

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "tzip").rglob("*.py"))
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
ENDS = {"__main__", "cli", "pipeline", "interface"}  # they alone join training and files
LAZY = ("tzip", "tzip.cli")  # they import further modules only where a user asks for what needs them

# What a room may import beside itself and GROUND: rooms (all of their modules) or single modules.
GROUND = {"tzip", "tzip.options", "tzip.files"}
METHOD = {f"compression.{module}" for module in ("code", "parametrization", "curvature", "vectors", "kmeans1d")}
ALLOWED = {
    "data": set(),
    "nmt": {"data"},
    "compression": {"data", "nmt"},
    "quantizers": METHOD,
    "pruners": METHOD,
    "format": {"compression.code", "nmt", "data"},
    "exchange": {"data", "nmt", "format", "config.imports"},
    "config": {"compression.registry", "compression.variant", "nmt.options"},
    "report": {"compression.registry", "config.grid", "nmt.journal"},
    "interface": {"data", "nmt", "compression", "format", "exchange", "pipeline"},
}
# What needs no torch, by rooms and single modules: the rules and the report's environment import them.
NO_TORCH = {
    *("files", "options", "cli", "data", "config", "report"),
    *("compression.code", "compression.registry", "compression.variant"),
    *("format.entropy", "format.container", "format.sizes"),
    *("exchange.inference", "exchange.options", "exchange.shortlist", "exchange.onecore"),
    *("nmt.journal", "nmt.options", "nmt.store"),
    *("interface.inspection",),
}


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name(path): path for path in LIBRARY}


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all that a file imports, anywhere in it; `from a import b` counts as a and a.b.

    The command line imports inside its functions what only one subcommand needs, and the package what only one of
    its public names needs, which it declares for type checkers alone; that does not count.
    """
    tree = parsed(path)
    if path in [MODULES[module] for module in LAZY]:
        tree = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.If)], [])
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert not relative, f"{path}: relative import; the project writes names in full"
    return frozenset(dependencies.named(tree))


@functools.cache
def reached(path: Path) -> frozenset[str]:
    """Every import of a file and of the project's modules that it brings along."""
    seen: set[str] = set()
    todo = set(imports(path))
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo |= imports(MODULES[module]) if module in MODULES else set()
    return frozenset(seen)


def own(path: Path) -> set[str]:
    """The project's modules among a file's imports; a room's empty __init__ is none."""
    return {module for module in imports(path) if module in MODULES and module.removeprefix("tzip.") not in ALLOWED}


def inside(module: str, places: set[str]) -> bool:
    """Whether a module is one of these, or lies in one of these rooms."""
    return any(f"{module}.".startswith(f"tzip.{place}.") for place in places)


def has_torch(path: Path) -> bool:
    return any(module.split(".")[0] == "torch" for module in reached(path))


@pytest.mark.parametrize("path", LIBRARY + SCRIPTS, ids=name)
def test_no_python_file_imports_snakemake(path: Path) -> None:
    assert not {module for module in imports(path) if module.startswith("snakemake")}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_imports_torch(path: Path) -> None:
    lines = re.findall(r"^\s*(?:from|import)\s+([\w.]+)(?:\s+import\s+(.*))?", path.read_text(), re.MULTILINE)
    for module, names in lines:
        for full in [module, *(f"{module}.{item.strip()}" for item in names.split(","))]:
            assert full.split(".")[0] != "torch"
            assert full not in MODULES or not has_torch(MODULES[full]), f"{path.name} reaches torch through {full}"


@pytest.mark.parametrize("module", [module for module in MODULES if inside(module, NO_TORCH)])
def test_what_needs_no_torch_has_none(module: str) -> None:
    assert not has_torch(MODULES[module])


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_from_the_rooms_before_it(room: str) -> None:
    for module in (module for module in MODULES if inside(module, {room})):
        strangers = {other for other in own(MODULES[module]) - GROUND if not inside(other, ALLOWED[room] | {room})}
        assert not strangers, f"{module} imports {strangers}"


@pytest.mark.parametrize("folder", ["quantizers", "pruners", "exchange.importers"])
def test_a_method_or_a_format_knows_no_sibling(folder: str) -> None:
    for module in (module for module in MODULES if inside(module, {folder})):
        assert not {other for other in own(MODULES[module]) if inside(other, {folder})}, module


def test_an_exporter_knows_no_sibling_and_of_importers_only_its_own_format() -> None:
    for module in (module for module in MODULES if inside(module, {"exchange.exporters"})):
        others = {
            other for other in own(MODULES[module]) if inside(other, {"exchange.exporters", "exchange.importers"})
        }
        assert others <= {module.replace("exporters", "importers"), "tzip.exchange.importers"}, module


def test_only_the_ends_import_the_pipeline_and_the_command_line() -> None:
    for module, path in MODULES.items():
        assert inside(module, ENDS) or not [other for other in own(path) if inside(other, ENDS)], module


def test_at_most_six_files_lie_outside_of_rooms_and_every_room_is_named_here() -> None:
    assert set(ALLOWED) == {path.parent.name for path in LIBRARY if path.parent.parent == ROOT / "tzip"}
    for place in set().union(NO_TORCH, *ALLOWED.values()):
        assert f"tzip.{place}" in MODULES, place
