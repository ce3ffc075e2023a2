"""The page's chart: points where their numbers say, and each with a command."""

import math
import re

import pytest

from tests.toys.frontier import FOUR, crowd, variants
from tzip.report import chart


def test_points_lie_where_their_numbers_say() -> None:
    drawing = chart.draw(FOUR, "results/x", "b")
    points = {point["name"]: point for point in drawing["points"]}
    assert [point["name"] for point in drawing["points"] if point["chosen"]] == ["b"]
    assert [name for name, point in points.items() if point["frontier"]] == ["a", "b", "e"]
    one, two, four, eight = (points[name]["x"] for name in ("baseline", "a", "b", "e"))
    assert two - one == pytest.approx(four - two, abs=0.2) == pytest.approx(eight - four, abs=0.2)
    assert points["a"]["y"] < points["b"]["y"] < points["c"]["y"] < points["e"]["y"]  # y grows downwards
    per_bleu = points["c"]["y"] - points["b"]["y"]
    assert points["b"]["low"] - points["b"]["high"] == pytest.approx(2 * per_bleu, abs=0.3)
    ticks = {text: y for y, text in drawing["y_ticks"]}
    assert ticks["38"] == pytest.approx(points["b"]["y"], abs=0.2)
    assert all(
        0 <= point["x"] <= drawing["width"] and 0 <= point["y"] <= drawing["bottom"] for point in points.values()
    )


def test_what_lies_below_the_axis_is_a_triangle_at_its_edge_with_its_value() -> None:
    """e keeps half of the baseline's BLEU: the room is for those that keep more."""
    drawing = chart.draw(FOUR, "results/x", "b")
    point = {point["name"]: point for point in drawing["points"]}["e"]
    assert (point["value"], point["shape"]) == ("20.0", chart.SHAPES["v"])
    assert drawing["bottom"] - 20 < point["y"] < drawing["bottom"]
    assert [p["name"] for p in drawing["points"] if p["value"]] == ["e"]
    heights = [float(y) for y in re.findall(r"V(-?[\d.]+)", drawing["line"])]
    assert max(heights) == drawing["bottom"]
    assert min(float(text) for _, text in drawing["y_ticks"]) > 30


def test_the_baseline_lies_on_the_axis_where_every_row_has_more() -> None:
    drawing = chart.draw(variants(("a", "kmeans", 2.0, 41), ("b", "log", 4.0, 40.5)), "results/x", "a")
    assert [point["value"] for point in drawing["points"]] == ["", "", ""]
    assert len({point["y"] for point in drawing["points"]}) == 3


def test_points_below_the_axis_of_almost_one_size_stand_one_above_the_other() -> None:
    frame = variants(("a", "kmeans", 2.0, 40), ("b", "log", 4.0, 10), ("c", "log", 4.01, 9), ("d", "log", 8, 8))
    places = {point["name"]: point["y"] for point in chart.draw(frame, "results/x", "a")["points"]}
    assert places["b"] - places["c"] == 15
    assert places["d"] == places["b"]


def test_a_point_says_what_the_command_line_says_of_it() -> None:
    (point,) = [point for point in chart.draw(FOUR, "results/x", "b")["points"] if point["name"] == "b"]
    assert point["said"] == "38.00 ± 1.00 BLEU on flat (95.0 % of the baseline's), 2,500,000 bytes, 4.00x smaller"
    assert point["command"].startswith("snakemake results/x/seed-1/b/model.tzip ")


def test_many_methods_have_a_legend_without_repeats() -> None:
    methods = chart.draw(crowd(), "results/x", "baseline")["methods"]
    assert [name for name, _, _ in methods] == ["kmeans", "log", "uniform", "nf4", "magnitude + kmeans", "ternary"]
    assert len({(shape, colour) for _, shape, colour in methods}) == 6


def test_a_baseline_alone_that_scored_nothing_can_be_drawn() -> None:
    frame = variants().assign(bleu=0.0, bleu_low=0.0, bleu_high=0.0, percent=math.nan)
    line = chart.draw(frame, "results/x", "baseline")["line"]
    assert all(math.isfinite(float(number)) for number in re.findall(r"-?[\d.]+", line))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-1, 42, [0, 10, 20, 30, 40]), (35.2, 37.1, [35.5, 36, 36.5, 37]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1])],
)
def test_numbers_at_an_axis_are_round(low: float, high: float, expected: list[float]) -> None:
    assert chart.round_numbers(low, high) == pytest.approx(expected)
