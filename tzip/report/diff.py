"""The differences between two runs: how they were made, and their results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tzip import files
from tzip.report import frontier

MADE_BY = ("revision", "device", "platform", "python")


def lines(one: str | Path, other: str | Path) -> list[str]:
    """A line for each thing that differs, `name: in one → in the other`; none where nothing does.

    Compared are provenance (revision, configuration key by key, checksums of the data, packages, device) and,
    for the first test set of each, BLEU and bytes of every variant. ValueError where a run is not finished.
    """
    return [*_provenance(_read(one), _read(other)), *_results(one, other)]


def _read(run: str | Path) -> dict[str, Any]:
    path = Path(run, "provenance.json")
    if not path.exists():
        raise ValueError(f"{path}: missing; is {run} a finished run?")
    return files.read_json(path)


def _provenance(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for key in MADE_BY:
        yield from changed(key, shown(one, key), shown(other, key))
    for part in ("packages", "data", "config"):
        first, second = flat(one.get(part, {})), flat(other.get(part, {}))
        for key in dict.fromkeys([*first, *second]):
            yield from changed(f"{part} {key}", first.get(key, "–"), second.get(key, "–"))


def shown(record: dict[str, Any], key: str) -> str:
    """A value of provenance; a revision with what was not committed."""
    return f"{record.get(key, '–')}{' with changes' if key == 'revision' and record.get('dirty') else ''}"


def _results(one: str | Path, other: str | Path) -> Iterator[str]:
    first, second = ({line["row"]: line for _, line in frontier.read(run).iterrows()} for run in (one, other))
    for row in dict.fromkeys([*first, *second]):
        if row not in first or row not in second:
            yield from changed(f"variant {row}", *("there" if row in run else "–" for run in (first, second)))
            continue
        a, b = first[row], second[row]
        yield from changed(f"BLEU of {row}", f"{a['bleu']:.2f}", f"{b['bleu']:.2f}")
        yield from changed(f"bytes of {row}", f"{a['file_bytes']:,}", f"{b['file_bytes']:,}")


def changed(name: str, before: Any, after: Any) -> Iterator[str]:
    if before != after:
        yield f"{name}: {before} → {after}"


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """{a: {b: 1}} → {a.b: 1}; a list is one value."""
    if not isinstance(value, dict):
        return {name: value}
    result: dict[str, Any] = {}
    for key, inner in value.items():
        result |= flat(inner, f"{name}.{key}" if name else str(key))
    return result
