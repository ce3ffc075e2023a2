"""What sets two runs apart, by runs in miniature that differ in one thing each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.toys.run import script, write
from tzip.files import read_json, write_json
from tzip.report import diff


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("diff") / "run"
    script("frontier", *write(run), "--output", str(run / "tables"))
    return run


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "other"))


def edit(path: Path, **values: object) -> None:
    write_json(path, read_json(path) | values)


def test_a_copy_differs_in_nothing(finished: Path, other: Path) -> None:
    assert diff.lines(finished, other) == []


def test_what_a_run_was_made_from_is_compared_key_by_key(finished: Path, other: Path) -> None:
    found = read_json(other / "provenance.json")
    config = found["config"] | {"training": {"updates": 7}}
    data, packages = found["data"] | {"train.en": "c" * 64}, found["packages"] | {"torch": "2.13.0"}
    edit(other / "provenance.json", config=config, dirty=False, data=data, packages=packages)
    revision = found["revision"]
    assert diff.lines(finished, other) == [
        f"revision: {revision} with changes → {revision}",
        "packages torch:  → 2.13.0",
        f"data train.en: {'a' * 64} → {'c' * 64}",
        "config training.updates: – → 7",
    ]


def test_what_a_run_found_is_compared_row_by_row(finished: Path, other: Path) -> None:
    path = other / "tables" / "frontier.csv"
    lines = path.read_text().splitlines(keepends=True)
    (row,) = {line.split(",")[0] for line in lines if line.startswith("kmeans-4bit,")}
    path.write_text("".join(line for line in lines if not line.startswith(f"{row},")))
    assert diff.lines(finished, other) == [f"variant {row}: there → –"]


def test_an_unfinished_run_is_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"provenance.json: missing; is .* a finished run"):
        diff.lines(finished, tmp_path)
