"""What sets two runs apart, by runs in miniature that differ in one thing each."""

import shutil
from pathlib import Path

import pytest

from tzip.files import read_json, write_json
from tzip.report import diff


@pytest.fixture
def other(example: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(example, tmp_path / "other"))


def test_a_copy_differs_in_nothing(example: Path, other: Path) -> None:
    assert diff.lines(example, other) == []


def test_what_a_run_was_made_from_is_compared_key_by_key(example: Path, other: Path) -> None:
    record = read_json(other / "provenance.json")
    revision = record["revision"]
    record["config"]["training"] = {"updates": 7}
    record["data"]["train.en"] = "c" * 64
    record["packages"]["torch"] = "2.13.0"
    write_json(other / "provenance.json", record | {"dirty": False})
    assert diff.lines(example, other) == [
        f"revision: {revision} with changes → {revision}",
        "packages torch:  → 2.13.0",
        f"data train.en: {'a' * 64} → {'c' * 64}",
        "config training.updates: – → 7",
    ]


def test_results_are_compared_row_by_row(example: Path, other: Path) -> None:
    path = other / "tables" / "frontier.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("kmeans-4bit,")))
    assert diff.lines(example, other) == ["variant kmeans-4bit: there → –"]


def test_an_unfinished_run_is_named(example: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"provenance.json: missing; is .* a finished run"):
        diff.lines(example, tmp_path)
