"""The run's figures, from plain arrays and tables: one function per figure, one look, the same bytes each time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from tzip.config import BASELINE
from tzip.files import replacing
from tzip.report.points import COLOURS, MARKERS

INK, MUTED, GRID = "#1f2328", "#666c74", "#e4e6ea"
KINDS = {"encoder": "encoder self-attention", "decoder": "decoder self-attention", "cross": "cross-attention"}
STYLE = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "grid.color": GRID}
STYLE |= {"axes.edgecolor": "#9aa0a6", "axes.linewidth": 0.8, "axes.labelcolor": INK, "axes.labelsize": 10}
STYLE |= {"axes.titlesize": 10.5, "axes.titleweight": "bold", "legend.fontsize": 9, "legend.frameon": False}
STYLE |= {"xtick.color": MUTED, "xtick.labelsize": 9, "ytick.color": MUTED, "ytick.labelsize": 9}
STYLE |= {"svg.fonttype": "path", "svg.hashsalt": "tzip"}
METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
PIXELS_PER_INCH = 200

sns.set_theme(style="whitegrid", rc=STYLE)


def save(figure: Figure, outputs: Sequence[str | Path], note: str = "") -> None:
    """Write `figure` to every path (.png at 200 dpi, .svg), then close it; `note` goes below it, small.

    Neither format carries a date or a random id, so the same figure is the same bytes.
    """
    paths = [Path(path) for path in outputs]
    for path in paths:
        if path.suffix not in METADATA:
            raise ValueError(f"{path}: no figure format '{path.suffix}'; choose from {', '.join(METADATA)}")
    figure.canvas.draw()
    figure.set_layout_engine("none")  # all stays where it is now, legends too, however much paper the note adds
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
    if note:
        figure.text(0.01, -0.005, note, va="top", fontsize=8.5, color=MUTED, style="italic")
    with matplotlib.rc_context(STYLE):
        for path in paths:
            with replacing(path) as temporary:
                options = {"format": path.suffix[1:], "metadata": METADATA[path.suffix], "dpi": PIXELS_PER_INCH}
                figure.savefig(temporary, **options, facecolor="white", bbox_inches="tight", pad_inches=0.08)
    plt.close(figure)


def attention_grid(models: Mapping[str, np.ndarray], pieces: Sequence[str], layer: int = 0, heads: int = 4) -> Figure:
    """The paper's figure: one row of heat maps per model, its first `heads` heads at encoder layer `layer`.

    models: {label: encoder maps [layers, heads, S, S]}. Rows of a map are the piece that looks, columns the piece
    looked at; dark is 0, and all maps share one scale.
    """
    layers = min(maps.shape[0] for maps in models.values())
    if not 0 <= layer < layers:
        raise ValueError(f"layer = {layer} is not an integer at least 0 and at most {layers - 1}")
    heads = min(heads, *(maps.shape[1] for maps in models.values()))
    size = 0.62 + 0.105 * len(pieces)
    maps = np.stack([maps[layer, :heads] for maps in models.values()])
    figure, grid = _grid(maps, pieces, pieces, (heads * size + 1.6, len(models) * (size + 0.1) + 1.0), (8.0, 9.5))
    for axes, label in zip(grid[:, 0], models, strict=True):
        axes.set_ylabel(label, fontsize=10, fontweight="bold")
    return figure


def attention_layers(maps_LHTS: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> Figure:
    """The paper's appendix: every layer (down) and head (across) of one model, for one kind of attention."""
    layers, heads = maps_LHTS.shape[:2]
    size = heads * (0.55 + 0.06 * len(columns)) + 1.7, layers * (0.55 + 0.06 * len(rows)) + 1.5
    figure, grid = _grid(maps_LHTS, rows, columns, size, (6.5, 9))
    for layer in range(layers):
        grid[layer, 0].set_ylabel(f"layer {layer}", fontsize=9)
    figure.suptitle(title, fontsize=10.5, fontweight="bold")
    return figure


def _grid(
    maps: np.ndarray, rows: Sequence[str], columns: Sequence[str], size: tuple[float, float], fonts: tuple[float, float]
) -> tuple[Figure, np.ndarray]:
    """Heat maps [down, across, T, S] on one scale from 0, pieces at the left and bottom, heads named at the top.

    size: of the figure, in inches; fonts: of the pieces and of the heads' names.
    """
    figure, grid = plt.subplots(*maps.shape[:2], figsize=size, squeeze=False, layout="constrained")
    scale = {"cmap": "magma", "vmin": 0.0, "vmax": float(maps.max())}
    for (down, across), axes in np.ndenumerate(grid):
        axes.grid(False)
        axes.spines[:].set_visible(False)
        image = axes.imshow(maps[down, across], **scale, aspect="auto", interpolation="nearest", rasterized=True)
        left, bottom = rows if across == 0 else (), columns if down == len(grid) - 1 else ()
        axes.set_yticks(range(len(left)), left, fontsize=fonts[0])
        axes.set_xticks(range(len(bottom)), bottom, fontsize=fonts[0], rotation=90)
        axes.tick_params(length=0, pad=2)
        if down == 0:
            axes.set_title(f"head {across}", fontsize=fonts[1], fontweight="normal")
    bar = figure.colorbar(image, ax=grid, shrink=min(1.0, 2.0 / len(grid)), aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("attention weight", fontsize=9)
    return figure, grid


def sharpness(frame: pd.DataFrame) -> Figure:
    """Entropy of the attention rows (left) and distance from the baseline's maps (right), by variant.

    frame: one line per variant, seed and kind: variant, label, seed, kind, sharpness, sharpness_low,
    sharpness_high, distance, distance_low, distance_high. Variants are drawn in order of appearance, dots
    with whiskers are means over seeds of the estimate and its interval, small rings are single seeds.
    """
    labels = list(dict.fromkeys(frame["label"])) or [""]
    figure, panels = plt.subplots(1, 2, figsize=(5.9, 0.4 * len(labels) + 1.7), sharey=True, layout="constrained")
    for number, (kind, name) in enumerate(KINDS.items()):
        of_kind, look = frame[frame["kind"] == kind], {"color": COLOURS[number], "marker": MARKERS[number]}
        for axes, measure in zip(panels, ("sharpness", "distance"), strict=True):
            shown = of_kind if measure == "sharpness" else of_kind[of_kind["variant"] != BASELINE]
            _dots(axes, shown, labels, measure, (number - 1) * 0.24, look, name)
        dense = of_kind.loc[of_kind["variant"] == BASELINE, "sharpness"]
        if len(dense):
            panels[0].axvline(dense.mean(), color=COLOURS[number], linewidth=0.8, linestyle=(0, (3, 3)))
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    panels[0].set_xlabel("entropy of a row (nats)\n← sharper")
    panels[1].set_xlabel("distance from the baseline\n(total variation)")
    panels[1].set_xlim(left=0)
    for axes in panels:
        axes.grid(axis="y", visible=False)
        for boundary in range(1, len(labels)):
            axes.axhline(boundary - 0.5, color=GRID, linewidth=0.8, zorder=0)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3, handletextpad=0.3, columnspacing=1.2)
    return figure


def _dots(
    axes: Axes, frame: pd.DataFrame, labels: list[str], measure: str, shift: float, look: Mapping[str, str], name: str
) -> None:
    """A dot with its interval per variant, beside a ring for each seed where there are several."""
    means = frame.groupby("label", sort=False)[[measure, f"{measure}_low", f"{measure}_high"]].mean()
    where = np.array([labels.index(label) + shift for label in means.index])
    values, low, high = means.to_numpy().T
    error = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
    axes.errorbar(values, where, xerr=error, linestyle="none", markersize=4.5, elinewidth=1.2, label=name, **look)
    if frame["seed"].nunique() > 1:
        rings = [labels.index(label) + shift for label in frame["label"]]
        ring = {"markersize": 2.5, "markerfacecolor": "white", "markeredgecolor": look["color"], "markeredgewidth": 0.7}
        axes.plot(frame[measure], rings, linestyle="none", marker=look["marker"], zorder=1, **ring)


@dataclass(frozen=True)
class Clustered:
    """One tensor before and after k-means.

    edges [B+1], counts [B]   histogram of the trained weights
    quantiles [Q]             the same weights at Q evenly spaced probabilities from 0 to 1
    started [K]               the centroids before fine-tuning: mean of the weights that each stands for
    centroids [K]             the centroids in the file, after fine-tuning
    share [K]                 the share of the weights that each stands for
    """

    name: str
    edges: np.ndarray
    counts: np.ndarray
    quantiles: np.ndarray
    started: np.ndarray
    centroids: np.ndarray
    share: np.ndarray


def weights(tensors: Sequence[Clustered]) -> Figure:
    """Histogram of each tensor's weights, and where its centroids stand before and after fine-tuning."""
    return _stack(tensors, _histogram)


def cumulative(tensors: Sequence[Clustered]) -> Figure:
    """Share of the weights up to a value: the trained weights' curve and the quantized weights' staircase."""
    return _stack(tensors, _distribution)


def _stack(tensors: Sequence[Clustered], draw: Callable[[Axes, Clustered], None]) -> Figure:
    """One panel per tensor, the first on top."""
    size = 5.4, 2.3 * len(tensors) + 0.7
    figure, grid = plt.subplots(len(tensors), 1, figsize=size, squeeze=False, layout="constrained")
    for axes, tensor in zip(grid[:, 0], tensors, strict=True):
        axes.set_title(tensor.name, loc="left", fontsize=9.5)
        draw(axes, tensor)
        sns.despine(ax=axes)
    grid[-1, 0].set_xlabel("weight")
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=1 if len(names) > 2 else 2)
    return figure


def _histogram(axes: Axes, tensor: Clustered) -> None:
    density = tensor.counts / (tensor.counts.sum() * np.diff(tensor.edges))
    axes.stairs(density, tensor.edges, fill=True, color="#c3cad3", label="trained weights")
    present = tensor.share > 0
    place, height = tensor.centroids[present], (tensor.share / _cells(tensor))[present]
    axes.vlines(place, 0, height, color=COLOURS[1], linewidth=1.4)
    after = {"color": COLOURS[1], "label": "centroids after fine-tuning (height: their weights)"}
    axes.plot(place, height, linestyle="none", marker="o", markersize=4.5, **after)
    before = {"color": COLOURS[0], "label": "centroids k-means found", "clip_on": False}
    ticks = {"marker": "|", "markersize": 8, "markeredgewidth": 1.4, "transform": axes.get_xaxis_transform()}
    axes.plot(tensor.started[present], np.full(present.sum(), -0.05), linestyle="none", **ticks, **before)
    axes.tick_params(axis="x", pad=8)
    axes.set(xlim=_reach(tensor), ylabel="density")
    axes.set_ylim(bottom=0)


def _distribution(axes: Axes, tensor: Clustered) -> None:
    shares = np.linspace(0, 1, len(tensor.quantiles))
    axes.plot(tensor.quantiles, shares, color=COLOURS[0], linewidth=1.6, label="trained weights")
    left, right = _reach(tensor)
    order = np.argsort(tensor.centroids, kind="stable")
    steps = np.concatenate([[0.0], np.cumsum(tensor.share[order]), [1.0]])
    where = np.concatenate([[left], tensor.centroids[order], [right]])
    label = f"quantized weights ({len(tensor.centroids)} values)"
    axes.step(where, steps, where="post", color=COLOURS[1], linewidth=1.4, label=label)
    axes.set(xlim=(left, right), ylim=(-0.02, 1.02), ylabel="share of weights")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _reach(tensor: Clustered) -> tuple[float, float]:
    """The x axis: every centroid, and all but the outermost thousandth of the weights on either side."""
    ends = np.interp([0.001, 0.999], np.linspace(0, 1, len(tensor.quantiles)), tensor.quantiles)
    low = min(ends[0], tensor.centroids.min(), tensor.started.min())
    high = max(ends[1], tensor.centroids.max(), tensor.started.max())
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _cells(tensor: Clustered) -> np.ndarray:
    """Width of the interval of weights that each centroid stands for."""
    order = np.argsort(tensor.started, kind="stable")
    ends = tensor.quantiles[[0, -1]]
    middles = (tensor.started[order][1:] + tensor.started[order][:-1]) / 2
    widths = np.diff(np.concatenate([[ends[0]], middles, [ends[1]]]))
    cells = np.empty_like(widths)
    cells[order] = np.maximum(widths, 1e-12)
    return cells
