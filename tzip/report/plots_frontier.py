"""The figure of BLEU against real bytes: this run's variants with their frontier, and what was published."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from tzip.config import BASELINE
from tzip.report import points
from tzip.report.labels import place_labels
from tzip.report.plots import INK, MUTED

LABELLED = 16  # as many variants all have their names; of more, those on the frontier
OTHERS = "*"  # the marker of what others published


def frontier(variants: pd.DataFrame, published: pd.DataFrame, others: pd.DataFrame) -> Figure:
    """Share of the baseline's BLEU against the file's size, above measured here, below as published.

    variants: `frontier.read` of one test set; published: `points.papers`; others: `points.others`.
    """
    rows = measured(variants)
    look = points.looks(rows["method"])
    figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 8.6), layout="constrained")
    base = variants[variants["row"] == BASELINE].iloc[0]
    above.set_title(f"This run: measured on {base['test']}, in the file", loc="left")
    below.set_title("Published: as printed (hollow) → in a file (filled)", loc="left")
    _axes(above, rows["ratio"], [*rows["percent_low"], *rows["percent_high"], 100.0], base)
    _axes(below, [*published["printed"], *others["ratio"]], [*published["percent"], *others["percent"], 100.0])
    avoid = _variants(above, rows, look)
    avoid_below = _published(below, published, look) + _others(below, others)
    figure.legend(handles=_handles(look), loc="outside upper left", ncols=3, columnspacing=1.2, handletextpad=0.3)
    figure.canvas.draw()  # fixes the axes' place, which the labels' places depend on
    named = rows if len(rows) <= LABELLED else rows[rows["frontier"]]
    named = named.sort_values("frontier", ascending=False, kind="stable").rename(columns={"row": "label"})
    _names(above, named, avoid, [look[method][0] for method in named["method"]])
    named = pd.concat([published.assign(ratio=published["printed"]), others])
    colours = [*(look[method][0] for method in published["method"]), *[INK] * len(others)]
    _names(below, named, avoid_below, colours)
    return figure


def measured(variants: pd.DataFrame) -> pd.DataFrame:
    """The variants but the baseline: row, method, frontier, ratio, percent, percent_low, percent_high.

    The interval is paired with the baseline. None where the baseline's BLEU is 0.
    """
    rows = variants[variants["row"] != BASELINE].rename(columns={"ratio_file": "ratio"})
    columns = ["row", "method", "frontier", "ratio", "percent", "percent_low", "percent_high"]
    return rows[columns].dropna(subset="percent", ignore_index=True)


def _axes(axes: Axes, ratios: Sequence[float], percents: Sequence[float], base: pd.Series | None = None) -> None:
    """Logarithmic ratios and percents of BLEU; where the baseline is known, bytes and BLEU beside them."""
    right = max([1.5, *ratios])
    megabytes = base["baseline_bytes"] / 1e6 if base is not None else np.nan
    axes.set_xscale("log")
    axes.set_xlim(0.95, 1.16 * right)
    axes.xaxis.set_major_locator(FixedLocator(points.ticks(right)))
    axes.xaxis.set_minor_locator(NullLocator())
    size = (lambda ratio: "") if base is None else (lambda ratio: f"\n{megabytes / ratio:.3g} MB")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}x{size(ratio)}"))
    axes.set_xlabel("times smaller than the baseline's fp32 file")
    low, high = min(percents), max(percents)
    margin = 0.08 * (high - low) + 1
    axes.set_ylim(low - margin, high + 3 * margin)
    axes.set_yticks([tick for tick in axes.get_yticks() if low - margin <= tick <= max(100, high)])
    axes.yaxis.set_major_formatter(PercentFormatter(100, symbol=" %"))
    axes.set_ylabel("BLEU, % of the baseline's")
    axes.axhline(100, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    sns.despine(ax=axes)
    if base is not None and base["bleu"]:
        unit = base["bleu"] / 100
        beside = axes.secondary_yaxis("right", functions=(lambda p: p * unit, lambda bleu: bleu / unit))
        beside.set_ylabel("BLEU")
        beside.spines["right"].set_visible(False)
        beside.tick_params(length=0)


def _variants(axes: Axes, table: pd.DataFrame, look: Mapping[str, tuple[str, str]]) -> list[tuple]:
    """Points with their intervals, those on the frontier joined by the staircase of what can be had."""
    boxes = list(table[["ratio", "percent_low", "ratio", "percent_high"]].itertuples(index=False, name=None))
    steps = table[table["frontier"]].sort_values("ratio", kind="stable")
    if len(steps):
        x = np.repeat([axes.get_xlim()[0], *steps["ratio"]], 2)[1:]
        y = np.repeat([*steps["percent"], axes.get_ylim()[0]], 2)[:-1]
        axes.plot(x, y, color=INK, linewidth=1.1, alpha=0.75, zorder=1)
        sides = zip(x[:-1], y[:-1], x[1:], y[1:], strict=True)
        boxes += [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in sides]
    for (method, best), rows in table.groupby(["method", "frontier"], sort=False):
        colour, marker = look[method]
        below, above = rows["percent"] - rows["percent_low"], rows["percent_high"] - rows["percent"]
        if best:
            style = {"markersize": 7.5, "elinewidth": 1.3, "zorder": 4, **_edge(INK, 0.9)}
        else:
            style = {"markersize": 5, "elinewidth": 0.8, "zorder": 2, "alpha": 0.5, **_edge("white", 0.5)}
        error = [below.clip(lower=0), above.clip(lower=0)]
        axes.errorbar(rows["ratio"], rows["percent"], yerr=error, fmt=marker, color=colour, **style)
    return boxes


def _edge(colour: str, width: float) -> dict[str, Any]:
    return {"markeredgecolor": colour, "markeredgewidth": width}


def _published(axes: Axes, table: pd.DataFrame, look: Mapping[str, tuple[str, str]]) -> list[tuple]:
    """Hollow points where the paper prints them, arrows to filled ones where a file could be."""
    for row in table.itertuples(index=False):
        colour, marker = look[row.method]
        hollow = {"markersize": 6.5, "markerfacecolor": "white", **_edge(colour, 1.2)}
        axes.plot(row.printed, row.percent, marker=marker, linestyle="none", **hollow)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.8, "alpha": 0.55, "shrinkA": 4, "shrinkB": 4}
        axes.annotate("", (row.ratio, row.percent), (row.printed, row.percent), zorder=1, arrowprops=arrow)
        filled = {"markersize": 5, "color": colour, **_edge("white", 0.5)}
        axes.plot(row.ratio, row.percent, marker=marker, linestyle="none", **filled)
    return list(table[["ratio", "percent", "printed", "percent"]].itertuples(index=False, name=None))


def _others(axes: Axes, table: pd.DataFrame) -> list[tuple]:
    """Hollow stars where others print their points; an arrow up where BLEU is at least that high."""
    star = {"marker": OTHERS, "markersize": 10, "markerfacecolor": "white", **_edge(INK, 1.0)}
    axes.plot(table["ratio"], table["percent"], linestyle="none", **star)
    bounds = table[table["bound"]]
    axes.plot(bounds["ratio"], bounds["percent"] + 2.6, linestyle="none", marker="^", markersize=4, color=INK)
    return list(table[["ratio", "percent", "ratio", "percent"]].itertuples(index=False, name=None))


def _handles(look: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=method)
        for method, (colour, marker) in look.items()
    ]
    star = {"marker": OTHERS, "markerfacecolor": "white", "markersize": 9, "linestyle": "none"}
    run = Line2D([], [], color=INK, linewidth=1.1, label="the run's frontier")
    return [*handles, run, Line2D([], [], color=INK, label="published by others", **star)]


def _names(axes: Axes, named: pd.DataFrame, avoid: list[tuple], colours: Sequence[str]) -> None:
    """Labels in a colour that text can have on white."""
    darker = [tuple(0.72 * channel for channel in to_rgb(colour)) for colour in colours]
    place_labels(axes, list(named["label"]), list(named["ratio"]), list(named["percent"]), avoid, darker)
