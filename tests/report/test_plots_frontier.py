"""The figure of BLEU against bytes: names that do not meet, nothing left out; test_plots.py looks at its bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from tests.report.test_plots import frontier, overlapping
from tests.toys.frontier import FOUR, crowd, variants
from tests.toys.run import script
from tzip.report import plots_frontier, points


@pytest.mark.parametrize("frame", [FOUR, crowd()], ids=["few", "many"])
def test_names_do_not_meet_and_many_variants_are_named_on_the_frontier_alone(frame: pd.DataFrame) -> None:
    figure = frontier(frame)
    figure.canvas.draw()
    renderer, axes = figure.canvas.get_renderer(), figure.axes[0]
    ours = frame[frame["row"] != "baseline"]
    inside = ours[ours["percent"] >= 75]
    named = inside if len(ours) <= plots_frontier.LABELLED else inside[inside["frontier"]]
    texts = {text.get_text(): text for text in axes.texts if text.get_text()}
    assert texts.keys() >= {*named["row"], "8-bit", "4-bit", "50 %"}
    assert not texts.keys() & {*inside["row"]} - {*named["row"]}
    assert "1-bit" not in texts  # the paper's 43 % lies below the axis
    extents = [super(type(text), text).get_window_extent(renderer).extents for text in texts.values()]
    assert not overlapping(np.array(extents))
    plt.close(figure)


def test_the_axis_starts_at_the_lowest_point_of_interest_and_what_is_lower_says_its_value() -> None:
    low = variants(
        ("a", "kmeans", 2.0, 40.2), ("b", "kmeans", 4.0, 32.0), ("c", "log", 6, 10.0), ("d", "log", 6.1, 8.0)
    )
    figure = frontier(low)
    axes = figure.axes[0]
    bottom = axes.get_ylim()[0]
    assert 60 < bottom < 80
    texts = [text.get_text() for text in axes.texts]
    assert "c 25.0 %\nd 20.0 %" in texts  # of almost one size
    marked = [line for line in axes.lines if line.get_marker() == "v" and len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in marked] == [6, 6.1]
    assert all(bottom < line.get_ydata()[0] < bottom + 3 for line in marked)
    assert points.floor([80, 76, 74, 10]) == 76
    assert points.floor([50, 10, float("nan")]) == 50
    plt.close(figure)


def test_intervals_are_of_the_variants_bleu_in_percent_of_the_baselines() -> None:
    found = plots_frontier.measured(FOUR).set_index("row")
    assert found.loc["b", ["percent", "percent_low", "percent_high"]].tolist() == pytest.approx([95, 92.5, 97.5])
    assert "baseline" not in found.index


def test_the_staircase_is_the_best_that_can_be_had_at_each_size() -> None:
    figure = frontier(FOUR)
    line = next(line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 5)
    assert line.get_xdata()[1:].tolist() == [2, 2, 4, 4]  # 8 lies below the axis
    assert line.get_ydata()[:4].tolist() == pytest.approx([100.5, 100.5, 95, 95])
    plt.close(figure)


def test_a_baseline_that_scored_nothing_leaves_its_panel_empty() -> None:
    frame = variants(("a", "kmeans", 2.0, 0.0)).assign(bleu=0.0, percent=float("nan"))
    figure = frontier(frame)
    assert plots_frontier.measured(frame).empty
    plt.close(figure)


def test_the_script_draws_it_from_the_table(example: Path, tmp_path: Path) -> None:
    more = ["--note", "made up", "--output", tmp_path / "frontier.svg"]
    assert "no run" in script("figures", "frontier", "--results", tmp_path, *more)[1]
    (tmp_path / "config.json").write_text("{}")
    assert "frontier.csv: missing" in script("figures", "frontier", "--results", tmp_path, *more)[1]
    assert script("figures", "frontier", "--results", example, *more) == (0, "")
    assert (tmp_path / "frontier.svg").read_text().rstrip().endswith("</svg>")
