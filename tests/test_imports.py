"""The design's import directions, held by reading the imports: who may know whom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "tzip").rglob("*.py"))
SCRIPTS = sorted((ROOT / "workflow_scripts").glob("*.py"))
METHODS = [
    path for path in LIBRARY if path.parent.name in ("quantizers", "pruners") and path.stem != "__init__"
]
IMPORTERS = sorted((ROOT / "tzip" / "importers").glob("*.py"))
EXPORTERS = sorted((ROOT / "tzip" / "exporters").glob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
NO_TORCH = ("options", "files", "script", "code", "config", "datasets", "students", "imports", "grammar",
            "corpus",
            "fetch", "pieces", "lists", "entropy", "container", "sizes", "score", "results", "tables",
            "claims", "plots", "page", "grid", "points", "frontier", "plots_frontier", "chart", "allocation",
            "shortlist", "inference", "onecore", "speed", "goals", "site", "status", "diff",
            "cli_run")  # fmt: skip


# Beyond these, a module may import only the general ones.
GENERAL = {"tzip", "tzip.options", "tzip.files", "tzip.script"}
MODEL = {"tzip.model", "tzip.pieces"}
SHARED = {"tzip.code", "tzip.compression", "tzip.compression.kmeans1d", "tzip.parametrization",
          "tzip.surgery", "tzip.vectors"}  # fmt: skip
ALLOWED = {
    "code": set(),
    "kmeans1d": set(),
    "parametrization": {"tzip.code"},
    "surgery": set(),
    "vectors": {"tzip.code", "tzip.parametrization"},
    "entropy": set(),
    "container": {"tzip.code", "tzip.entropy"},
    "sizes": {"tzip.code", "tzip.entropy", "tzip.container"},
    "schedules": set(),
    "selection": {"tzip.parametrization"},
    "calibration": MODEL | {"tzip.loss", "tzip.batches"},
    "methods": set(),
    "dropout": set(),
    "lists": set(),
    "model": {"tzip.dropout"},
    "batches": MODEL,
    "search": MODEL | {"tzip.batches"},
    "attention": MODEL,
    "export": MODEL | {"tzip.checkpoint"},
    "shortlist": {"tzip.pieces"},
    "inference": {"tzip.pieces"},
    "onecore": set(),
    "score": set(),
    "loss": {"tzip.model"},
    "teacher": {"tzip.model"},
    "grid": {"tzip.methods"},
    "datasets": set(),
    "imports": {"tzip.datasets"},
    "config": {"tzip.methods", "tzip.grid", "tzip.datasets", "tzip.imports"},
    "students": {"tzip.config", "tzip.datasets", "tzip.imports"},
    "pickles": set(),
    "torchfile": {"tzip.pickles"},
    "foreign": MODEL | {"tzip.checkpoint", "tzip.fetch", "tzip.imports", "tzip.torchfile"},
    "allocation": set(),
}


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Full names of all that a file imports, anywhere in it; `from a import b` counts as a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the project writes names in full"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(path: Path) -> set[str]:
    """The project's modules among a file's imports."""
    modules = {name(module) for module in LIBRARY}
    return {module for module in imports(path) if module in modules}


def reached(path: Path) -> set[str]:
    """Every import of a file and of the project's modules that it brings along."""
    files = {name(module): module for module in LIBRARY}
    seen: set[str] = set()
    todo = imports(path)
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo |= imports(files[module]) if module in files else set()
    return seen


def roots(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("path", LIBRARY + SCRIPTS, ids=name)
def test_no_python_file_imports_snakemake(path: Path) -> None:
    assert not {root for root in roots(imports(path)) if root.startswith("snakemake")}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_imports_torch(path: Path) -> None:
    found = re.findall(r"^\s*(?:from|import)\s+([\w.]+)(?:\s+import\s+(.*))?", path.read_text(), re.MULTILINE)
    files = {name(module): module for module in LIBRARY}
    for module, names in found:
        for full in [module, *(f"{module}.{item.strip()}" for item in names.split(","))]:
            assert full.split(".")[0] != "torch"
            if full in files:
                assert "torch" not in roots(reached(files[full])), f"{path.name} reaches torch through {full}"


@pytest.mark.parametrize(
    "path", [p for p in LIBRARY if p.parent.name == "tzip" and p.stem in NO_TORCH], ids=name
)
def test_what_needs_no_torch_has_none(path: Path) -> None:
    assert "torch" not in roots(reached(path))


@pytest.mark.parametrize("path", METHODS, ids=name)
def test_a_method_knows_neither_its_siblings_nor_the_model_nor_the_file(path: Path) -> None:
    assert own(path) <= GENERAL | SHARED


@pytest.mark.parametrize(
    "path", [p for p in LIBRARY if p.stem in ALLOWED and p.parent.name in ("tzip", "compression")], ids=name
)
def test_a_module_knows_only_what_comes_before_it(path: Path) -> None:
    assert own(path) <= ALLOWED[path.stem] | GENERAL


@pytest.mark.parametrize("path", IMPORTERS, ids=name)
def test_an_importer_knows_neither_its_siblings_nor_what_becomes_of_its_model(path: Path) -> None:
    shared = {"tzip.checkpoint", "tzip.foreign", "tzip.lists", "tzip.pickles", "tzip.torchfile"}
    assert own(path) <= GENERAL | MODEL | shared


@pytest.mark.parametrize("path", EXPORTERS, ids=name)
def test_an_exporter_knows_neither_its_siblings_nor_where_its_model_came_from(path: Path) -> None:
    names = {
        "tzip.importers",
        f"tzip.importers.{path.stem}",
    }  # what an importer calls the tensors of its engine
    shared = {"tzip.checkpoint", "tzip.export", "tzip.lists"}
    assert own(path) <= GENERAL | MODEL | shared | names


def test_training_knows_no_compression() -> None:
    compression = ("tzip.quantizers", "tzip.pruners", "tzip.methods", "tzip.compress", "tzip.schedules",
                   "tzip.container", "tzip.entropy", "tzip.code")  # fmt: skip
    assert not {module for module in reached(ROOT / "tzip" / "train.py") if module.startswith(compression)}


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_only_scripts_and_the_command_line_join_the_ends(path: Path) -> None:
    """No module of the library knows both how a model is trained and how a file is written.

    `archive` is what the scripts and the command line would otherwise both say; only they may import it.
    """
    if path.stem != "cli_model":
        assert "tzip.archive" not in own(path)
    if path.stem not in ("cli_model", "archive"):
        ends = {"tzip.train": "training", "tzip.compress": "compression", "tzip.container": "the file",
                "tzip.score": "scores", "tzip.tables": "results"}  # fmt: skip
        assert len({ends[module] for module in own(path) if module in ends}) <= 1


def test_nothing_imports_the_command_line() -> None:
    files = [path for path in LIBRARY + SCRIPTS if not path.stem.startswith("cli")]
    assert not [name(path) for path in files if any(one.startswith("tzip.cli") for one in imports(path))]


def test_the_lists_above_name_files_that_exist() -> None:
    stems = {path.stem for path in LIBRARY}
    assert METHODS
    assert set(ALLOWED) <= stems
    assert set(NO_TORCH) <= stems
