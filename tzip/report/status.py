"""The progress of a run, by its files: the stage, how many of its variants are done, when it will end."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tzip import files
from tzip.config import BASELINE, grid
from tzip.nmt import journal

RECENT = 10  # variants whose pace predicts that of the next


def lines(run: str | Path, now: float | None = None) -> list[str]:
    """One line per stage, and when the variants will be done at their pace; ValueError where there is no run.

    now: seconds since the epoch, the present where left out.
    """
    folder, now = Path(run), time.time() if now is None else now
    record = folder / "config.json"
    if not record.exists():
        raise ValueError(f"{record}: missing; is {run} the folder of a run that has begun?")
    config = files.read_json(record)
    report = folder / "report.html"
    stages = [("data", "done" if (folder / "data" / "pieces.model").exists() else "not yet")]
    for seed in config["seeds"]:
        own = folder / f"seed-{seed}"
        stages.append((f"baseline, seed {seed}", _training(own, config["training"], now)))
        for name, student in config.get("students", {}).items():
            updates = config["training"] | student.get("training", {})
            stages.append((f"student {name}, seed {seed}", _training(own / "students" / name, updates, now)))
    stages.append(("variants", _variants(folder, config, now)))
    stages.append(("report", str(report) if report.exists() else "waits for them"))
    width = max(len(name) for name, _ in stages)
    return [f"{name:{width}}  {state}" for name, state in stages]


def _training(folder: Path, options: dict[str, Any], now: float) -> str:
    """How far a training is, by its journal; `updates` of its options may be the library's default."""
    if (folder / "training.json").exists():
        record = files.read_json(folder / "training.json")
        if "imported" in record:
            return f"imported: {record['imported']}"
        return f"done: {record['updates']:,} updates in {duration(record['seconds'])}"
    entries = journal.read(folder / "training.jsonl")
    if not entries:
        return "not yet"
    last, total = entries[-1]["update"], options.get("updates")
    scored = [entry["loss"] for entry in entries if "loss" in entry]
    text = f"{last:,} updates" if total is None else f"{last:,} of {total:,} updates"
    text += f", development loss {scored[-1]:.3f}" if scored else ""
    paced = [entry for entry in entries if "seconds" in entry]
    if total and paced and paced[-1]["update"]:
        left = (total - last) * paced[-1]["seconds"] / paced[-1]["update"]
        text += f"; ends {clock(_written(folder / 'training.jsonl') + left, now)}"
    return text


def _variants(folder: Path, config: dict[str, Any], now: float) -> str:
    """How many variants are made, and how many of them are scored on every test set."""
    swept = [name for where, one in grid.grids(config) for name, _ in grid.variants(one, where)]
    names = dict.fromkeys([*config["rows"], *swept])
    rows = [(seed, row) for seed in config["seeds"] for row in names]
    places = [folder / f"seed-{seed}" / row for seed, row in rows]
    written = [_written(place / "model.tzip") for place in places if (place / "model.tzip").exists()]
    scored = sum(all((place / f"{test}.score.json").exists() for test in config["tests"]) for place in places)
    text = f"{len(written)} of {len(places)} made, {scored} scored"
    begun = [row for (_, row), place in zip(rows, places, strict=True) if begun_only(place)]
    text += f"; now {', '.join(begun)}" if begun else ""
    recent = sorted(written)[-RECENT:]
    if len(recent) > 2 and len(written) < len(places):
        pace = (recent[-1] - recent[0]) / (len(recent) - 1)
        end = recent[-1] + pace * (len(places) - len(written))
        text += f"; at the pace of the last {len(recent)} the rest ends {clock(end, now)}"
    return text


def begun_only(place: Path) -> bool:
    """Whether a variant is being fine-tuned, or was when its job was stopped."""
    return (place / "state").exists() and not (place / "model.tzip").exists() and place.name != BASELINE


def _written(path: Path) -> float:
    return path.stat().st_mtime


def duration(seconds: float) -> str:
    """3700 → 1 h 2 min"""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def clock(end: float, now: float) -> str:
    """When that is, for people: the time of day, with the date if it is another's, and how far off."""
    if end <= now:
        return "any moment"
    at, today = datetime.fromtimestamp(end), datetime.fromtimestamp(now)
    shown = f"{at:%H:%M}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M}"
    return f"at about {shown}, in {duration(end - now)}"
