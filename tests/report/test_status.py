"""How far a run is, by folders in every state between begun and finished."""

import os
from pathlib import Path

import pytest

from tzip.files import write_json
from tzip.report import status

NOW = 1_800_000_000.0
CONFIG = {
    "name": "mine",
    "seeds": [1],
    "tests": ["test"],
    "rows": ["baseline", "a", "b"],
    "training": {"updates": 1000},
    "students": {"tiny": {"training": {"updates": 50}}},
    "variants": {},
    "grid": {"quantize": "kmeans", "bits": [2, 4]},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_json(tmp_path / "config.json", CONFIG)
    return tmp_path


def touch(path: Path, ago: float, text: str = "") -> None:
    """A file that was written so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - ago, NOW - ago))


def states(run: Path) -> dict[str, str]:
    """Each stage of a run, and how far it is."""
    lines = (line.partition("  ") for line in status.lines(run, NOW))
    return {stage: state.strip() for stage, _, state in lines}


def test_of_a_run_that_has_only_begun_nothing_is_claimed(run: Path) -> None:
    assert states(run) == {
        "data": "not yet",
        "baseline, seed 1": "not yet",
        "student tiny, seed 1": "not yet",
        "variants": "0 of 5 made, 0 scored",
        "report": "waits for them",
    }


def test_a_training_tells_its_updates_its_loss_and_its_end(run: Path) -> None:
    journal = [
        '{"update": 200, "train_loss": 3.0, "seconds": 100.0}',
        '{"update": 250, "loss": 2.5}',
        '{"update": 400, "train_loss": 2.0, "seconds": 200.0}',
        '{"update": 40',  # is being written
    ]
    touch(run / "data" / "pieces.model", 500)
    touch(run / "seed-1" / "training.jsonl", 60, "\n".join(journal))
    assert states(run)["data"] == "done"
    # 600 updates left at half a second each, from a minute ago
    baseline = states(run)["baseline, seed 1"]
    assert baseline.startswith("400 of 1,000 updates, development loss 2.500; ends at about")
    assert baseline.endswith("in 4 min")


def test_a_finished_training_tells_what_it_took(run: Path) -> None:
    write_json(run / "seed-1" / "training.json", {"updates": 1000, "seconds": 3725.0})
    assert states(run)["baseline, seed 1"] == "done: 1,000 updates in 1 h 2 min"


def test_variants_are_counted_and_their_pace_foretells_the_end(run: Path) -> None:
    seed = run / "seed-1"
    for place, ago in (("baseline", 400), ("a", 300), ("kmeans-b2-linear", 200)):
        touch(seed / place / "model.tzip", ago)
    touch(seed / "a" / "test.score.json", 100)
    (seed / "b" / "state").mkdir(parents=True)
    # 100 s a variant; two are left, counted from the last one, 200 s ago: any moment
    assert states(run)["variants"] == "3 of 5 made, 1 scored; now b; at the pace of the last 3 the rest ends any moment"
    for place in ("baseline", "a", "kmeans-b2-linear"):
        path = seed / place / "model.tzip"
        os.utime(path, (path.stat().st_mtime + 190,) * 2)
    assert states(run)["variants"].endswith("in 3 min")


def test_the_end_is_the_report(run: Path) -> None:
    touch(run / "report.html", 0)
    assert states(run)["report"] == str(run / "report.html")


def test_another_days_end_has_its_date() -> None:
    assert "-" in status.clock(NOW + 2 * 86400, NOW).split(",")[0]
    assert status.duration(59.4) == "1 min"
    assert status.duration(20.4) == "20 s"


def test_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is .* the folder of a run that has begun"):
        status.lines(tmp_path)
