"""Every figure drawn for real: the same bytes twice, labels that do not meet, the data's own numbers."""

import re
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from tests.toys.frontier import FOUR, crowd
from tests.toys.run import PIECES, flags, script
from tzip.compression import code
from tzip.format import container
from tzip.report import plots, plots_frontier, points
from tzip.report.labels import place_labels

rng = np.random.default_rng(0)


def maps(layers: int = 2, heads: int = 4, size: int = len(PIECES)) -> np.ndarray:
    scores = np.exp(2 * np.random.default_rng(size).normal(size=(layers, heads, size, size)))
    return scores / scores.sum(-1, keepdims=True)


def clustered(k: int = 16) -> plots.Clustered:
    values = np.sort(np.random.default_rng(k).standard_t(5, 5000)) * 0.04
    started = np.quantile(values, (np.arange(k) + 0.5) / k)
    nearest = np.searchsorted((started[1:] + started[:-1]) / 2, values)
    counts, edges = np.histogram(values, 100)
    share = np.bincount(nearest, minlength=k) / len(values)
    quantiles = np.quantile(values, np.linspace(0, 1, 513))
    return plots.Clustered("encoder.0.query", edges, counts, quantiles, started, started + 0.002, share)


def measures() -> pd.DataFrame:
    lines = []
    for number, row in enumerate(("baseline", "kmeans-4bit", "bs-fixed")):
        for seed, (shift, kind) in product((1, 2), enumerate(plots.KINDS)):
            line: dict = {"variant": row, "label": row, "seed": seed, "kind": kind}
            entropy, distance = 1.5 - 0.2 * number - 0.1 * shift + 0.01 * seed, 0.1 * number
            line |= {"sharpness": entropy, "sharpness_low": entropy - 0.05, "sharpness_high": entropy + 0.05}
            line |= {"distance": distance, "distance_low": distance - 0.01, "distance_high": distance + 0.01}
            lines.append(line)
    return pd.DataFrame(lines)


def frontier(frame: pd.DataFrame) -> Figure:
    return plots_frontier.frontier(frame, points.papers(), points.others())


FIGURES = {
    "grid": lambda: plots.attention_grid({"original": maps(), "4-bit": maps()}, PIECES, layer=1),
    "layers": lambda: plots.attention_layers(maps(3, 2), PIECES, PIECES, "all layers"),
    "sharpness": lambda: plots.sharpness(measures()),
    "weights": lambda: plots.weights([clustered(2), clustered(16)]),
    "cumulative": lambda: plots.cumulative([clustered(4)]),
    "frontier of few": lambda: frontier(FOUR),
    "frontier of many": lambda: frontier(crowd()),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_is_the_same_bytes(name: str, tmp_path: Path) -> None:
    for turn in ("first", "second"):
        plots.save(FIGURES[name](), [tmp_path / f"{turn}.png", tmp_path / f"{turn}.svg"], "synthetic corpus")
    for suffix in (".png", ".svg"):
        first, second = ((tmp_path / f"{turn}{suffix}").read_bytes() for turn in ("first", "second"))
        assert first == second
        assert len(first) < (800_000 if name.startswith("frontier") else 500_000)
    assert not re.search(
        r"<dc:date>|https?://(?!www\.w3\.org|purl\.org|creativecommons)", (tmp_path / "first.svg").read_text()
    )
    assert not plt.get_fignums()


def test_an_unknown_format_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no figure format '.gif'; choose from .png, .svg"):
        plots.save(plots.cumulative([clustered()]), [tmp_path / "a.png", tmp_path / "a.gif"])
    plt.close("all")
    assert not list(tmp_path.iterdir())


def test_the_grid_has_a_row_a_model_and_a_column_a_head_dark_at_zero() -> None:
    figure = plots.attention_grid({"original": maps(), "4-bit": maps(), "1-bit": maps()}, PIECES, heads=3)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 9
    assert {image.get_clim() for image in images} == {(0.0, max(image.get_clim()[1] for image in images))}
    assert sum(images[0].cmap(0.0)[:3]) < 0.1 < 2 < sum(images[0].cmap(1.0)[:3])
    np.testing.assert_array_equal(images[1].get_array(), maps()[0, 1])
    plt.close(figure)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="layer = 2 is not an integer at least 0 and at most 1"):
        plots.attention_grid({"original": maps()}, PIECES, layer=2)


def test_centroids_stand_as_high_as_the_histogram_beneath_them() -> None:
    tensor = clustered(16)
    heights = tensor.share / plots._cells(tensor)
    assert (heights * plots._cells(tensor)).sum() == pytest.approx(1)
    density = tensor.counts / (tensor.counts.sum() * np.diff(tensor.edges))
    middles = (tensor.edges[1:] + tensor.edges[:-1]) / 2
    nearby = np.interp(tensor.started[4:12], middles, density)
    np.testing.assert_allclose(heights[4:12], nearby, rtol=0.25)


def test_the_staircase_is_the_distribution_of_the_decoded_weights() -> None:
    tensor = clustered(4)
    figure = plots.cumulative([tensor])
    curve, stairs = figure.axes[0].get_lines()
    decoded = np.repeat(tensor.centroids, np.round(tensor.share * 5000).astype(int))
    for value in (-0.1, 0.0, 0.01, 0.1):
        at = stairs.get_ydata()[np.searchsorted(stairs.get_xdata(), value, side="right") - 1]
        assert at == pytest.approx((decoded <= value).mean(), abs=1e-9)
    assert curve.get_ydata()[-1] == 1
    plt.close(figure)


def overlapping(boxes: np.ndarray) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, j in combinations(range(len(boxes)), 2)
        if (np.minimum(boxes[i][2:], boxes[j][2:]) > np.maximum(boxes[i][:2], boxes[j][:2])).all()
    ]


@pytest.mark.parametrize("spread", [1.0, 0.15, 0.0])
def test_labels_do_not_meet_even_where_points_do(spread: float) -> None:
    figure, axes = plt.subplots(figsize=(5.6, 3.5))
    x, y = 5 + spread * rng.normal(size=8), 5 + spread * rng.normal(size=8)
    axes.set(xlim=(0, 10), ylim=(0, 10))
    figure.canvas.draw()
    avoid = [(a, b, a, b) for a, b in zip(x, y, strict=True)]
    boxes = place_labels(axes, [f"{i}-bit" for i in range(8)], x, y, avoid, ["black"] * 8)
    assert not overlapping(boxes)
    frame = axes.get_window_extent().extents * 72 / figure.dpi
    assert (boxes[:, :2] >= frame[:2]).all()
    assert (boxes[:, 2:] <= frame[2:]).all()
    places = axes.transData.transform(np.column_stack([x, y])) * 72 / figure.dpi
    assert not any((box[:2] < at).all() and (at < box[2:]).all() for box, at in product(boxes, places))
    plt.close(figure)


def test_the_overlap_check_above_can_fail() -> None:
    assert overlapping(np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]])) == [(0, 1)]


@pytest.mark.parametrize("figure", ["sharpness", "attention"])
def test_the_script_draws_a_runs_figures(figure: str, example: Path, tmp_path: Path) -> None:
    more = ["--note", "synthetic corpus", "--output", tmp_path / "figure.svg"]
    assert script("figures", figure, *flags(example), *more) == (0, "")
    assert (tmp_path / "figure.svg").read_text().rstrip().endswith("</svg>")


def test_the_script_draws_all_layers_of_a_row_or_says_what_is_missing(example: Path, tmp_path: Path) -> None:
    maps = ["--maps", example / "seed-1/bs-fixed/attention.npz", "--name", "bs-fixed", "--output", tmp_path / "all.png"]
    assert script("figures", "attention-layers", *maps)[0] == 0
    status, error = script("figures", "attention-layers", *maps, "--kind", "cross")
    assert status == 1
    assert error.startswith("error: ")
    assert "no array 'cross'; it has source, encoder" in error


def test_a_note_stands_below_the_legend(tmp_path: Path) -> None:
    figure, axes = plt.subplots(layout="constrained")
    axes.plot([0, 1], [0, 1], color="black")
    handles = [plt.Line2D([], [], color=(1.0, 0.0, 0.0), label=str(i)) for i in range(8)]
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    plots.save(figure, [tmp_path / "with.png"], "a note\nof two lines")
    image = plt.imread(tmp_path / "with.png")[:, :, :3]
    red = np.flatnonzero((image[:, :, 0] - image[:, :, 1:].max(2) > 0.9).any(1))
    inked = np.flatnonzero((image.min(2) < 0.9).any(1))
    assert len(inked[inked > red.max() + 20]) > 20  # the note, below the last row of the legend


def test_weights_are_read_from_checkpoint_and_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    trained = rng.normal(size=(20, 30)).astype(np.float32)
    symbols = (trained > 0).reshape(-1).astype(np.uint8)
    name = "encoder.0.self_attention.query.weight"
    coded = code.Code((20, 30), symbols, np.array([-0.5, 0.75], np.float32))
    container.write(tmp_path / "model.tzip", container.Archive({}, {name: coded}, b"vocabulary", {}))
    save_file({name: trained}, tmp_path / "model.safetensors")
    arrays = tmp_path / "weights.npz"
    paths = ["--checkpoint", tmp_path, "--model", tmp_path / "model.tzip", "--output", arrays]
    assert script("weights", *paths) == (0, "")
    with np.load(arrays) as written:
        means = [trained[trained <= 0].mean(), trained[trained > 0].mean()]
        np.testing.assert_allclose(written[f"{name}/started"], means, rtol=1e-5)
        np.testing.assert_array_equal(written[f"{name}/centroids"], coded.codebook)
        assert written[f"{name}/counts"].sum() == 600
        assert written[f"{name}/share"].sum() == pytest.approx(1)
    for figure in ("weights", "cumulative"):
        assert script("figures", figure, "--weights", arrays, "--output", tmp_path / f"{figure}.svg") == (0, "")
    _, error = script("weights", *paths, "--tensors", "nothing")
    assert error == f"error: --tensors: 'nothing' has no codebook of weights; choose from {name}\n"
    scaled = code.Code((20, 30), symbols, coded.codebook, scales=np.ones((20, 1), np.float16))
    container.write(tmp_path / "model.tzip", container.Archive({}, {name: scaled}, b"vocabulary", {}))
    why = "no tensor with a codebook of weights; give the file of a k-means row"
    assert script("weights", *paths) == (1, f"error: {tmp_path / 'model.tzip'}: {why}\n")
