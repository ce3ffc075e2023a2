"""The mean of the test sets, against its definition."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.toys.run import FAULTS, make_run
from tzip.report import means, resampling, results, score, tables

ROWS, SEEDS = ["baseline", "kmeans-4bit", "bs-fixed"], [1, 2]


def read(run: Path, tests: list[str], control: str = "") -> tuple:
    summary = results.read(run, ROWS, tests, SEEDS, control)
    return summary, means.add(summary, run, ROWS, tests, SEEDS, control)


def test_each_row_has_a_line_more_after_its_test_sets(example: Path) -> None:
    summary, found = read(example, ["flat", "hard"], "kmeans-4bit")
    assert found["row"].tolist() == [row for row in ROWS for _ in range(3)]
    assert found["test"].tolist() == ["flat", "hard", "mean"] * 3
    kept = found[found["test"] != "mean"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, summary)
    base = found[(found["row"] == "baseline") & (found["test"] == "mean")].iloc[0]
    assert (base["percent"], np.isnan(base["percent_margin"]), np.isnan(base["p_value"])) == (100, True, True)


def test_a_mean_is_of_scores_and_percent_is_of_means(example: Path) -> None:
    summary, found = read(example, ["flat", "hard"])
    seeds = results.read_scores(example, ROWS, ["flat", "hard"], SEEDS).groupby(["row", "seed"])["bleu"].mean()
    for row in ROWS:
        line, own = found[(found["row"] == row) & (found["test"] == "mean")].iloc[0], summary[summary["row"] == row]
        for key in ("bleu", "chrf", "bleu_lowercase", "difference"):
            assert line[key] == pytest.approx(own[key].mean(), nan_ok=True)
        assert line["percent"] == pytest.approx((100 * seeds[row] / seeds["baseline"]).mean())
        assert line["bleu_sd"] == pytest.approx(seeds[row].std())
        assert (line["sentences"], line["seeds"]) == (own["sentences"].sum(), 2)
        assert line["bleu_low"] < line["bleu"] < line["bleu_high"]


def test_the_interval_draws_each_test_set_and_the_seeds_together(example: Path) -> None:
    _, found = read(example, ["flat", "hard"])
    of_tests = [results.read_resamples(example, ROWS, test, SEEDS, i) for i, test in enumerate(("flat", "hard"))]
    assert not np.array_equal(*(of_tests[i].drawn["baseline"] for i in (0, 1)))
    drawn = {row: (of_tests[0].drawn[row] + of_tests[1].drawn[row]) / 2 for row in ROWS}
    percent = 100 * drawn["bs-fixed"] / drawn["baseline"]
    over_seeds = np.take_along_axis(percent, of_tests[0].seeds, axis=0).mean(axis=0)
    line = found[(found["row"] == "bs-fixed") & (found["test"] == "mean")].iloc[0]
    assert (line["percent_low"], line["percent_high"]) == pytest.approx(score.interval(over_seeds))


def test_two_test_sets_tell_more_than_one() -> None:
    """Of as many sentences each, the interval of the mean is narrower by about the square root of two."""
    rng, widths = np.random.default_rng(1), []
    counts = [rng.integers(5, 20, size=(400, 10)) for _ in range(2)]
    for matched in counts:
        matched[:, 1::2][:, :4] = np.minimum(matched[:, 1::2][:, :4], 9)
    single = [resampling.Resamples({"baseline": [c]}, 500, seed) for seed, c in enumerate(counts, 1)]
    for resamples in (single[0], resampling.Resamples.mean(single)):
        value, low, high = resamples.contrast(lambda bleu: bleu["baseline"])
        assert low < value < high
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(2**-0.5, rel=0.25)


def test_the_development_set_is_no_part_and_one_test_set_has_no_mean(example: Path, tmp_path: Path) -> None:
    summary, found = read(example, ["flat"])
    assert found is summary
    make_run(tmp_path, {row: FAULTS[row] for row in ROWS}, ["flat", "hard", "dev"], SEEDS)
    _, found = read(tmp_path, ["flat", "hard", "dev"])
    two = found[found["test"].isin(["flat", "hard"])].groupby("row")["bleu"].mean()
    assert found[found["test"] == "mean"].set_index("row")["bleu"].to_dict() == pytest.approx(two.to_dict())


def test_the_table_says_of_what_it_is_the_mean(example: Path) -> None:
    _, found = read(example, ["flat", "hard"])
    table = tables.by_test(found)
    assert "mean: over flat, hard; each set is resampled for itself" in table.notes
    assert table.cells()[5][:2] == ["K-Means 4-bit quantization", "mean"]
    assert not any(note.startswith("mean") for note in tables.by_test(results.read(example, ROWS, ["flat"], [1])).notes)
