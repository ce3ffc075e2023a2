"""The differences between two runs: how they were made, and their results."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tzip import files
from tzip.report import frontier

MADE_BY = ("revision", "device", "platform", "python")
ABSENT = "–"


def lines(one: str | Path, other: str | Path) -> list[str]:
    """A line for each thing that differs, `name: in one → in the other`; none where nothing does.

    Compared are provenance (revision, configuration key by key, checksums of the data, packages, device) and,
    for the first test set of each, BLEU and bytes of every variant. ValueError where a run is not finished.
    """
    pairs = [*zip(provenance(one), provenance(other), strict=True), *results(one, other)]
    return [
        f"{name}: {first.get(name, ABSENT)} → {second.get(name, ABSENT)}"
        for first, second in pairs
        for name in first | second
        if first.get(name, ABSENT) != second.get(name, ABSENT)
    ]


def provenance(run: str | Path) -> list[dict[str, Any]]:
    """How a run was made, by name: the program and its machine, then packages, data and configuration."""
    path = Path(run, "provenance.json")
    if not path.exists():
        raise ValueError(f"{path}: missing; is {run} a finished run?")
    record = files.read_json(path)
    made_by = {key: record.get(key, ABSENT) for key in MADE_BY}
    made_by["revision"] += " with changes" if record.get("dirty") else ""
    return [made_by, *(flat(record.get(part, {}), f"{part} ") for part in ("packages", "data", "config"))]


def results(one: str | Path, other: str | Path) -> Iterator[list[dict[str, str]]]:
    """BLEU and bytes of each variant in both runs; of a variant that only one run has, that it is there."""
    runs = [{line["row"]: line for line in frontier.read(run).to_dict("records")} for run in (one, other)]
    for row in runs[0] | runs[1]:
        if all(row in run for run in runs):
            measured = [run[row] for run in runs]
            yield [{f"BLEU of {row}": f"{line['bleu']:.2f}"} for line in measured]
            yield [{f"bytes of {row}": f"{line['file_bytes']:,}"} for line in measured]
        else:
            yield [{f"variant {row}": "there"} if row in run else {} for run in runs]


def flat(value: dict[str, Any], name: str) -> dict[str, Any]:
    """{a: {b: 1}} → {NAMEa.b: 1}; a list is one value."""
    result: dict[str, Any] = {}
    for key, inner in value.items():
        result |= flat(inner, f"{name}{key}.") if isinstance(inner, dict) else {f"{name}{key}": inner}
    return result
