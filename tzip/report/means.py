"""The mean of a run's test sets: one more line for each row, with intervals that are paired with the baseline's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tzip.config import DEV, MEAN
from tzip.report import results
from tzip.report.resampling import Resamples


def on(test: str) -> str:
    """Where a score was made, in words."""
    return "on average over the test sets" if test == MEAN else f"on {test}"


def notes(tests: Sequence[str]) -> list[str]:
    """What a table of these test sets says of its lines of means."""
    own = ", ".join(test for test in tests if test not in (DEV, MEAN)) or "the run's test sets"
    return [f"{MEAN}: over {own}; each set is resampled for itself"] if MEAN in tests else []


def add(
    summary: pd.DataFrame,
    run: str | Path,
    rows: Sequence[str],
    tests: Sequence[str],
    seeds: Sequence[int],
    control: str = "",
) -> pd.DataFrame:
    """`summary`, `results.read` of these rows, tests and seeds, with a line for each row after its test sets.

    Scores are means over the test sets, of which the development set is none; percent is the mean BLEU as part of the
    baseline's mean BLEU, seed by seed, then averaged. Nothing is added to a single test set.
    """
    tests = [test for test in tests if test != DEV]
    if len(tests) < 2:
        return summary
    drawn = Resamples.mean([results.read_resamples(run, rows, test, seeds, i) for i, test in enumerate(tests)])
    groups = summary[summary["test"].isin(tests)].groupby("row", sort=False)
    lines = groups.first().assign(**groups.mean(numeric_only=True))
    lines = lines.assign(seeds=len(seeds), sentences=groups["sentences"].sum())
    found = pd.DataFrame([drawn.ends(row, control) for row in lines.index], lines.index)
    percent = [drawn.percent(row)[0] for row in lines.index]
    lines = lines.assign(test=MEAN, p_value=np.nan, percent=percent, **found)
    if len(seeds) > 1:
        lines["bleu_sd"] = [drawn.point[row].std(ddof=1) for row in lines.index]
    lines = results.with_margins(lines.reset_index())
    order = {row: i for i, row in enumerate(rows)}
    joined = pd.concat([summary, lines[summary.columns]], ignore_index=True)
    return joined.sort_values("row", key=lambda row: row.map(order), kind="stable", ignore_index=True)
