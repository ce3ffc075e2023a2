"""The frontier as an interactive drawing of the page: where each variant's point lies, and its text."""

from collections.abc import Callable, Mapping
from math import ceil, floor, log, log10
from typing import Any

import pandas as pd

from tzip.config import BASELINE
from tzip.report import frontier, means, points

WIDTH, HEIGHT = 640, 420
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 62  # what the axes' numbers take
SHAPES = {
    "o": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "s": "M-4.6,-4.6h9.2v9.2h-9.2z",
    "D": "M0,-6.4L6.4,0L0,6.4L-6.4,0z",
    "^": "M0,-6L6,4.6h-12z",
    "v": "M0,6L6,-4.6h-12z",
    "P": "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "X": "M-6,-3.2L-3.2,-6L0,-2.8L3.2,-6L6,-3.2L2.8,0L6,3.2L3.2,6L0,2.8L-3.2,6L-6,3.2L-2.8,0z",
    "p": "M0,-6.2L5.9,-1.9L3.6,5h-7.2L-5.9,-1.9z",
}


def draw(variants: pd.DataFrame, run: str, chosen: str) -> dict[str, Any]:
    """What page.html's chart is drawn from, coordinates in its own units, y down.

    variants: `frontier.read` of one test set, the baseline among them; run: the run's folder, which the
    commands name; chosen: the row that is asked first.
    """
    right, percents = variants["ratio_file"].max(), variants["percent"].fillna(100)
    inside = variants[percents >= min(100, points.floor(percents[variants["row"] != BASELINE]))]
    low, high = inside["bleu_low"].min(), inside["bleu_high"].max()
    margin = 0.05 * (high - low) + 0.5
    x = _scale(log(0.95), log(1.12 * right), LEFT, WIDTH - RIGHT)
    y = _scale(low - margin, high + margin, HEIGHT - BOTTOM, TOP)
    edges = _edges(variants.drop(inside.index), x)
    look = points.looks(variants.loc[variants["row"] != BASELINE, "method"])
    ordered = variants.sort_values("ratio_file", kind="stable")
    megabytes = variants["baseline_bytes"].iloc[0] / 1e6
    return {
        **{"width": WIDTH, "height": HEIGHT, "where": means.on(variants["test"].iloc[0])},
        **{"left": LEFT, "right": WIDTH - RIGHT, "top": TOP, "bottom": HEIGHT - BOTTOM},
        "x_ticks": [(x(log(r)), f"{r:g}x", f"{megabytes / r:.3g} MB") for r in points.ticks(right)],
        "y_ticks": [(y(value), f"{value:g}") for value in round_numbers(low - margin, high + margin)],
        "line": _staircase(variants, x, y),
        "methods": [
            (name, SHAPES[marker], _colour(colour))
            for name, (colour, marker) in look.items()
            if name in set(variants["method"])
        ],
        "points": [
            _point(line, x, y, look, run, edges.get(line["row"], 0)) | {"order": order, "chosen": line["row"] == chosen}
            for order, line in enumerate(ordered.to_dict("records"))
        ],
    }


def _point(line: Mapping[str, Any], x: Callable, y: Callable, look: Mapping, run: str, edge: float) -> dict[str, Any]:
    """A point with its whisker; what lies below the axis is a triangle at the height `edge`, with its value beside."""
    colour, marker = look.get(line["method"], ("", "o"))
    place, bottom = x(log(line["ratio_file"])), HEIGHT - BOTTOM
    return {
        "x": place,
        "y": edge or y(line["bleu"]),
        "low": edge or min(y(line["bleu_low"]), bottom),
        "high": edge or y(line["bleu_high"]),
        "shape": SHAPES["v" if edge else marker],
        "value": f"{line['bleu']:.1f}" if edge else "",
        "beside": ("end", place - 9) if place > WIDTH - RIGHT - 40 else ("start", place + 9),
        "colour": _colour(colour),
        "frontier": bool(line["frontier"]),
        "name": line["row"],
        "said": frontier.described(line).removeprefix(f"{line['row']}: "),
        "command": frontier.command(run, line["file"]),
    }


def _edges(lower: pd.DataFrame, x: Callable) -> dict[str, float]:
    """The heights of what lies below the axis: at its edge, one above the other where sizes are almost the same."""
    heights, taken = {}, []
    for line in lower.sort_values(["ratio_file", "bleu"], ascending=[True, True], kind="stable").to_dict("records"):
        place, height = x(log(line["ratio_file"])), HEIGHT - BOTTOM - 8.0
        while any(abs(place - other) < 40 and height == at for other, at in taken):
            height -= 15
        taken.append((place, height))
        heights[line["row"]] = height
    return heights


def _colour(colour: str) -> str:
    """As CSS; what is nearly black is drawn in the ink of the page, which may be dark itself."""
    return "var(--ink)" if colour in ("", "#1f2328") else colour


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Maps [low, high] to [start, end], to a tenth."""
    return lambda value: round(start + (value - low) / (high - low) * (end - start), 1)


def _staircase(variants: pd.DataFrame, x: Callable, y: Callable) -> str:
    """The best BLEU at each size, as an SVG path."""
    best = variants[variants["frontier"]].sort_values("ratio_file", kind="stable")

    def height(bleu: float) -> float:
        return min(y(bleu), HEIGHT - BOTTOM)

    steps = [f"V{height(bleu)}H{x(log(ratio))}" for ratio, bleu in zip(best["ratio_file"], best["bleu"], strict=True)]
    return f"M{LEFT},{height(best['bleu'].iloc[0])}{''.join(steps)}V{HEIGHT - BOTTOM}"


def round_numbers(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` multiples of 1, 2 or 5 times a power of ten within [low, high], none below 0."""
    low = max(low, 0.0)
    power = 10.0 ** floor(log10((high - low) / count))
    step = next(s * power for s in (1, 2, 5, 10) if (high - low) / (s * power) <= count)
    return [round(step * i, 6) for i in range(ceil(low / step), floor(high / step) + 1)]
