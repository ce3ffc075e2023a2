"""The figure of BLEU against bytes: names that do not meet, nothing left out; test_plots.py looks at its bytes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from tests.report.test_plots import frontier, overlapping
from tests.toys.frontier import FOUR, crowd, variants
from tests.toys.run import script
from tzip.report import paper, plots_frontier


@pytest.mark.parametrize("frame", [FOUR, crowd()], ids=["few", "many"])
def test_names_do_not_meet_and_many_variants_are_named_on_the_frontier_alone(frame: pd.DataFrame) -> None:
    figure = frontier(frame)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    above, below = figure.axes[:2]
    ours = frame[frame["row"] != "baseline"]
    named = ours if len(ours) <= plots_frontier.LABELLED else ours[ours["frontier"]]
    for axes, names in (
        (above, set(named["row"])),
        (below, {row.short for row in paper.TABLE_1.values() if row.short}),
    ):
        texts = [text for text in axes.texts if text.get_text()]
        assert {text.get_text() for text in texts} >= names
        assert len(texts) == len(named) if axes is above else len(texts) == 11 + 6
        extents = [super(type(text), text).get_window_extent(renderer).extents for text in texts]
        assert not overlapping(np.array(extents))
    plt.close(figure)


def test_intervals_are_of_the_variants_bleu_in_percent_of_the_baselines() -> None:
    found = plots_frontier.measured(FOUR).set_index("row")
    assert found.loc["b", ["percent", "percent_low", "percent_high"]].tolist() == pytest.approx([95, 92.5, 97.5])
    assert "baseline" not in found.index


def test_the_staircase_is_the_best_that_can_be_had_at_each_size() -> None:
    figure = frontier(FOUR)
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 7)
    assert line.get_xdata()[1:].tolist() == [2, 2, 4, 4, 8, 8]
    assert line.get_ydata()[:6].tolist() == pytest.approx([100.5, 100.5, 95, 95, 50, 50])
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
