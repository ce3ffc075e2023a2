"""Which steps rerun when code changes: what a rule depends on is computed from imports, not kept by hand."""

from pathlib import Path

import pytest

from tests.toys.workflow import MINIATURE, RUN, command, mini, planned, planned_rules
from tests.workflow.test_steps import KMEANS, TRAINING
from tzip.config import dependencies

SHOWN = ("frontier", "sharpness", "attention", "layers", "weights", "cumulative_weights")
FIGURES = {f"figure_of_{name}" for name in SHOWN}
TABLES = {"tables", "claims", "frontier", "timings", "speed"}


def edit(file: Path) -> None:
    with file.open("a") as opened:
        opened.write("\n# an edit\n")


def test_editing_a_method_reruns_its_variants_and_no_training(copied: Path) -> None:
    edit(copied / "tzip" / "quantizers" / "kmeans.py")
    jobs = planned(mini(copied, "--dry-run"))
    assert {variant for rule, variant in jobs if rule == "compress"} == KMEANS
    assert {variant for _, variant in jobs if variant} == KMEANS
    assert not {rule for rule, _ in jobs} & TRAINING


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("plots.py", {*FIGURES, "stages", "page"}),
        ("page.html", {"page"}),
        ("score.py", {"score", "score_inference", *TABLES, *FIGURES, "stages", "page"}),
    ],
)
def test_editing_the_report_reruns_what_shows_it_and_nothing_that_translates(
    copied: Path, file: str, rules: set[str]
) -> None:
    edit(copied / "tzip" / "report" / file)
    assert planned_rules(copied) == rules


def test_editing_a_base_class_reruns_all_variants_with_a_method_and_no_training(copied: Path) -> None:
    edit(copied / "tzip" / "compression" / "parametrization.py")
    jobs = planned(mini(copied, "--dry-run"))
    rows = {path.parent.name for path in (copied / RUN).glob("seed-1/*/model.tzip")}
    again = {variant for rule, variant in jobs if rule == "compress"}
    assert again == rows - {"baseline", "student", "student-convolutional"}
    assert not {rule for rule, _ in jobs} & {*TRAINING, "compress_baseline", "translate_baseline"}


def test_a_step_reaches_what_it_imports_directly_or_not() -> None:
    def names(step: str) -> set[str]:
        return {str(path.relative_to(dependencies.ROOT)) for path in dependencies.files(step)}

    assert {"tzip/report/plots.py", "tzip/report/paper.py", "tzip/report/labels.py"} < names("figures")
    assert {"tzip/report/claims.py", "tzip/report/score.py", "workflow_scripts/claims.py"} < names("claims")
    assert {"tzip/report/page.html", "tzip/report/chart.html", "tzip/report/verdicts.py"} < names("page")
    assert names("score") == {"tzip/report/score.py", "tzip/files.py", "tzip/options.py"}
    assert "tzip/cli.py" not in names("page")


def test_a_digest_follows_the_files_and_no_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = dependencies.digest("show", tmp_path / "a")
    (tmp_path / "a").write_text("changed")
    dependencies.digest.cache_clear()
    assert dependencies.digest("show", tmp_path / "a") != first != dependencies.digest("show", tmp_path / "b")


# ── from any directory ────────────────────────────────────────────────────────────────────────────

MODULE = """
configfile: "{here}/config/datasets.yaml"
configfile: "{here}/config.yaml"
configfile: "{here}/config/miniature.yaml"

module tzip:
    snakefile: "{here}/Snakefile"
    config: config

use rule * from tzip
"""


@pytest.fixture
def spaced(finished: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A link to the repository whose name has spaces, and a folder elsewhere."""
    (tmp_path / "where it is").symlink_to(finished)
    (tmp_path / "some where").mkdir()
    return tmp_path / "where it is", tmp_path / "some where"


PAGES = [str(RUN / "config.json"), str(RUN / "data" / "pieces.model")]


@pytest.mark.parametrize("way", ["snakefile", "directory", "module"])
def test_the_workflow_runs_from_any_directory(spaced: tuple[Path, Path], way: str) -> None:
    """Results lie in the working directory; scripts, schema and configuration are found, spaces or not."""
    here, there = spaced
    given = ["--configfile", str(here / MINIATURE)]
    match way:
        case "snakefile":
            start = ["--snakefile", str(here / "Snakefile"), *given]
        case "directory":
            start = ["--snakefile", str(here / "Snakefile"), "--directory", str(there), *given]
        case _:
            (there / "Snakefile").write_text(MODULE.format(here=here))
            start = []
    where = here if way == "directory" else there
    command(where, "snakemake", "--cores", "1", *start, "--", *PAGES)
    assert all((there / page).stat().st_size for page in PAGES)
