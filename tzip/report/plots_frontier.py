"""The figure of BLEU against real bytes: this run's variants with their frontier, and what was published behind."""

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
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tzip.config import BASELINE
from tzip.report import means, points
from tzip.report.labels import place_labels
from tzip.report.plots import INK, MUTED

LABELLED = 16  # as many variants all have their names; of more, those on the frontier
OTHERS = "*"  # the marker of what others published
LONGEST_WHISKER = 10.0  # points of % below the lowest point of interest: a longer one ends at the axis
CLOSE = 0.06  # difference of the logarithms of two ratios whose points touch
PAPERS = "#9aa0a6"  # the paper's rows, whatever their method


def frontier(variants: pd.DataFrame, published: pd.DataFrame, others: pd.DataFrame) -> Figure:
    """Share of the baseline's BLEU against the file's size: this run's variants, and behind them what was published.

    The axis starts below the lowest point of interest (`points.floor`); what lies lower is a triangle at its edge,
    with its value. variants: `frontier.read` of one test set; published: `points.papers`; others: `points.others`.
    """
    rows = measured(variants)
    look = points.looks(rows["method"])
    figure, axes = plt.subplots(figsize=(7.6, 5.6), layout="constrained")
    base = variants[variants["row"] == BASELINE].iloc[0]
    axes.set_title(f"BLEU {means.on(base['test'])} against the size of the file", loc="left")
    floor = points.floor([*rows["percent"], *published["percent"]])
    inside = rows[rows["percent"] >= floor]
    ends = inside[["percent", "percent_low", "percent_high"]].to_numpy()
    ends = ends[ends >= floor - LONGEST_WHISKER]
    behind = published[published["percent"] >= floor]
    _axes(axes, [*rows["ratio"], *behind["ratio"]], [floor, *ends, 100.0], base)
    lower = rows[rows["percent"] < floor]
    if len(lower):  # room for their labels
        bottom, top = axes.get_ylim()
        axes.set(xlim=(0.95, 1.2 * axes.get_xlim()[1]), ylim=(bottom - 0.1 * (top - bottom), top))
    right, bottom = axes.get_xlim()[1], axes.get_ylim()[0]
    stars = others[(others["percent"] >= floor) & (others["ratio"] < right)]
    avoid = _published(axes, behind, stars) + _variants(axes, inside, look)
    lower = lower.assign(shown=bottom + 0.025 * (axes.get_ylim()[1] - bottom))
    avoid += _outliers(axes, lower, look)
    figure.legend(handles=_handles(look, rows["method"]), loc="outside lower left", ncols=4, columnspacing=1.2)
    figure.canvas.draw()  # fixes the axes' place, which the labels' places depend on
    few = len(rows) <= LABELLED
    named = inside[inside["frontier"] | few].sort_values("frontier", ascending=False, kind="stable")
    named = named.assign(shown=named["percent"], label=named["row"], colour=[look[m][0] for m in named["method"]])
    behind = pd.concat([stars, behind]).assign(shown=lambda frame: frame["percent"], colour=MUTED)
    _names(axes, pd.concat([named, _valued(lower, few), behind]), avoid)
    return figure


def measured(variants: pd.DataFrame) -> pd.DataFrame:
    """The variants but the baseline: row, method, frontier, ratio, percent, percent_low, percent_high.

    The interval is paired with the baseline. None where the baseline's BLEU is 0.
    """
    rows = variants[variants["row"] != BASELINE].rename(columns={"ratio_file": "ratio"})
    columns = ["row", "method", "frontier", "ratio", "percent", "percent_low", "percent_high"]
    return rows[columns].dropna(subset="percent", ignore_index=True)


def _valued(rows: pd.DataFrame, names: bool) -> pd.DataFrame:
    """Labels that say the values of points that are not drawn where they lie, one for those of almost one size."""
    rows = rows.sort_values("ratio", kind="stable")
    rows = rows.assign(cluster=(np.log(rows["ratio"]).diff() > CLOSE).cumsum(), colour=INK)
    rows = rows.sort_values(["cluster", "percent"], ascending=[True, False], kind="stable")
    text = [f"{row.row} {row.percent:.1f} %" if names else f"{row.percent:.1f} %" for row in rows.itertuples()]
    kept = {"ratio": "mean", "shown": "first", "label": "\n".join, "colour": "first", "percent": "size"}
    return rows.assign(label=text).groupby("cluster").agg(kept).sort_values("percent", ascending=False, kind="stable")


def _axes(axes: Axes, ratios: Sequence[float], percents: Sequence[float], base: pd.Series) -> None:
    """Logarithmic ratios and percents of BLEU, with bytes and BLEU beside them."""
    right = max([1.5, *ratios])
    megabytes = base["baseline_bytes"] / 1e6
    axes.set_xscale("log")
    axes.set_xlim(0.95, 1.16 * right)
    axes.xaxis.set_major_locator(FixedLocator(points.ticks(right)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}x\n{megabytes / ratio:.3g} MB"))
    axes.set_xlabel("times smaller than the baseline's fp32 file")
    low, high = min(percents), max(percents)
    margin = 0.08 * (high - low) + 1
    axes.set_ylim(low - margin, high + margin)
    axes.set_yticks([tick for tick in axes.get_yticks() if low - margin <= tick <= max(100, high)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g} %"))
    axes.set_ylabel("BLEU, % of the baseline's")
    axes.axhline(100, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    sns.despine(ax=axes)
    if base["bleu"]:
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


def _outliers(axes: Axes, table: pd.DataFrame, look: Mapping[str, tuple[str, str]]) -> list[tuple]:
    """Triangles that point down, at the axis' lower edge, for what lies below it."""
    for row in table.itertuples(index=False):
        style = {"markersize": 7, "color": look[row.method][0], "clip_on": False, "zorder": 4}
        axes.plot(row.ratio, row.shown, marker="v", linestyle="none", **style, **_edge(INK, 0.9 * row.frontier))
    return list(table[["ratio", "shown", "ratio", "shown"]].itertuples(index=False, name=None))


def _published(axes: Axes, papers: pd.DataFrame, others: pd.DataFrame) -> list[tuple]:
    """The paper's rows where a file of its model could be, and others' points as printed; an arrow up is 'at least'."""
    hollow = {"linestyle": "none", "markerfacecolor": "white", "zorder": 1}
    axes.plot(papers["ratio"], papers["percent"], marker="o", markersize=6, **hollow, **_edge(PAPERS, 1.2))
    axes.plot(others["ratio"], others["percent"], marker=OTHERS, markersize=10, **hollow, **_edge(PAPERS, 1.0))
    bounds = others[others["bound"]]
    arrow = {"arrowstyle": "-|>", "color": PAPERS, "shrinkA": 5, "shrinkB": 0}
    for bound in bounds.itertuples(index=False):
        axes.annotate(
            "",
            (bound.ratio, bound.percent),
            (0, 14),
            textcoords="offset points",
            arrowprops=arrow | {"arrowstyle": "<|-"},
        )
    both = pd.concat([papers, others])
    return list(both[["ratio", "percent", "ratio", "percent"]].itertuples(index=False, name=None))


def _handles(look: Mapping[str, tuple[str, str]], methods: pd.Series) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=method)
        for method, (colour, marker) in look.items()
        if method in set(methods)
    ]
    published = {"linestyle": "none", "markerfacecolor": "white", "markeredgecolor": PAPERS}
    return [
        *handles,
        Line2D([], [], color=INK, linewidth=1.1, label="the run's frontier"),
        Line2D([], [], marker="o", label="the paper, in a file", **published),
        Line2D([], [], marker=OTHERS, markersize=9, label="others, as printed", **published),
    ]


def _names(axes: Axes, named: pd.DataFrame, avoid: list[tuple]) -> None:
    """Labels in a colour that text can have on white; named: columns label, ratio, shown, colour."""
    darker = [tuple(0.72 * channel for channel in to_rgb(colour)) for colour in named["colour"]]
    place_labels(axes, list(named["label"]), list(named["ratio"]), list(named["shown"]), avoid, darker)
