"""Published points: what a file of the paper's model could be, and what others printed."""

import pytest

from tzip.report import paper, points


def test_what_a_file_of_the_papers_model_could_be() -> None:
    attention, linear, everything = 18_874_368, 44_040_192, 60_300_000
    for row, share, bits in (
        ("kmeans-8bit", linear / everything, 8),
        ("kmeans-4bit", linear / everything, 4),
        ("bs-fixed", linear / everything, 1),
        ("kmeans-1bit-attention", attention / everything, 1),
    ):
        expected = 1 / (1 - share + share * bits / 32)
        assert points.in_a_file(paper.TABLE_1[row]) == pytest.approx(expected, rel=0.005)
    assert points.in_a_file(paper.TABLE_1["kmeans-4bit"]) == pytest.approx(2.77, abs=0.02)
    assert points.in_a_file(paper.TABLE_1["bs-flexible-attention"]) == pytest.approx(1.44, abs=0.01)
    frame = points.papers()
    assert (frame["ratio"] < frame["printed"]).all()
    assert len(frame) == len(paper.TABLE_1) - 1


def test_the_papers_points_carry_our_methods_names() -> None:
    frame = points.papers().set_index("label")
    assert frame.loc["4-bit", "method"] == "kmeans"
    assert frame.loc["BS-Flexible attention", "method"] == "binarize"
    assert frame.loc["90 %", ["method", "printed", "percent"]].tolist() == ["magnitude", 10.0, 32.79]


def test_others_points_are_in_percent_of_their_own_baseline_or_of_the_papers() -> None:
    frame = points.others().set_index("label")
    assert frame.loc["Gale et al., 90 %", "ratio"] == pytest.approx(10)
    assert frame.loc["Gale et al., 90 %", "percent"] == pytest.approx(85.2, abs=0.05)
    assert frame.loc["Aji & Heafield, 4-bit", "percent"] == pytest.approx(100 * 27.99 / 28.09)
    chung = frame.loc["Chung et al., < 3 bits"]
    assert (chung["ratio"], chung["bound"]) == (11.8, True)
    assert chung["percent"] == pytest.approx(100 * 27.59 / 28.09)


def test_methods_look_different_and_the_papers_the_same_everywhere() -> None:
    few, many = points.looks(["fp16"]), points.looks([f"method-{i}" for i in range(40)])
    assert few["kmeans"] == many["kmeans"]
    assert len(set(many.values())) == len(many) == 43


@pytest.mark.parametrize("largest", [1.0, 1.5, 3.2, 4.5, 8.0, 23.4, 90.0])
def test_an_axis_has_several_ticks_and_none_far_beyond_its_points(largest: float) -> None:
    found = points.ticks(largest)
    assert found[0] == 1
    assert found[-1] <= 1.1 * largest
    assert largest < 1.2 or len(found) >= 3
