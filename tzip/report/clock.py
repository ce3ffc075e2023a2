"""Repeated timings of rows that take turns, and what they say of the median: no distribution is assumed."""

from collections.abc import Sequence
from math import comb, nan
from pathlib import Path
from statistics import median as middle

from tzip.config import BASELINE
from tzip.report import results


def read(run: str | Path, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Each row's speed in times the baseline's of the same round, of all seeds' rounds.json; {} where none is.

    rounds.json: seconds {row: [a number per round]}, of the same sentences.
    """
    ratios: dict[str, list[float]] = {}
    for seed in seeds:
        path = Path(run, f"seed-{seed}", "rounds.json")
        if not path.exists():
            continue
        seconds = results.load(path, ("seconds",))["seconds"]
        for row in seconds.keys() - {BASELINE}:
            pairs = zip(seconds[BASELINE], seconds[row], strict=True)
            ratios.setdefault(row, []).extend(base / own for base, own in pairs)
    return ratios


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics (Conover 1999, section 3.2); NaN of fewer than six."""
    ordered, count = sorted(values), len(values)
    cut = sum(2 * tail(count, k) <= 0.05 for k in range(count // 2))
    low, high = (ordered[cut - 1], ordered[count - cut]) if cut else (nan, nan)
    return middle(ordered), low, high


def sign_test(values: Sequence[float], threshold: float) -> float:
    """Two-sided p-value of "the median is `threshold`"; values that equal it say nothing."""
    below, above = sum(value < threshold for value in values), sum(value > threshold for value in values)
    return min(1.0, 2 * tail(below + above, min(below, above)))


def tail(count: int, most: int) -> float:
    """The probability of at most so many heads in `count` tosses of a fair coin."""
    return sum(comb(count, k) for k in range(most + 1)) / 2**count
