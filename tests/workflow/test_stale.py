"""No report outlives what it follows from: something breaks after a finished run, and its report goes."""

from pathlib import Path

import pytest

from tests.toys.workflow import RUN, copy_sources, mini, unasked


def test_a_method_that_breaks_takes_the_report_with_it(copied: Path) -> None:
    shown = [copied / RUN / name for name in ("report.html", "tables/table1.csv", "timings/table1.txt")]
    assert all(path.exists() for path in shown)
    method = copied / "tzip" / "pruners" / "magnitude.py"
    whole = method.read_text(encoding="utf-8")
    method.write_text(whole + "\nraise RuntimeError('a method that breaks')\n", encoding="utf-8")
    for _ in range(2):  # the second time, nothing has changed since the first
        said = mini(copied, ok=False)
        assert "Nothing to be done" not in said
        assert not any(path.exists() for path in shown)
    method.write_text(whole, encoding="utf-8")
    mini(copied)
    assert all(path.exists() for path in shown)


def test_every_job_has_a_file_that_the_run_asks_for(tmp_path: Path) -> None:
    """A failed job takes its files with it; only a file that `rule all` names is made again."""
    assert unasked(mini(copy_sources(tmp_path), "--dry-run"), 100) == []


@pytest.mark.parametrize("variable", ["TZIP_MIRROR", "TZIP_STORE"])
def test_these_tests_follow_none_of_the_projects_variables(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/nowhere")
    assert "/nowhere" not in mini(copy_sources(tmp_path), "--dry-run")
