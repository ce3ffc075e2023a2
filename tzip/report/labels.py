"""Labels of a scatter plot, each beside its point and none over another, in the same places every time."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

STEPS, ANGLES = 14, 16
LEASH = 3  # steps from its point, beyond which a label gets a line to it


def place_labels(
    axes: Axes,
    labels: Sequence[str],
    x: Sequence[float],
    y: Sequence[float],
    avoid: Sequence[tuple[float, float, float, float]],
    colours: Sequence,
) -> np.ndarray:
    """Write each label at the nearest place around (x, y) that is free; greedy, in the order given.

    avoid: boxes (x0, y0, x1, y1) in data coordinates: points, whiskers, arrows. The figure must have been
    drawn, so that the axes have their place. Returns the labels' boxes (x0, y0, x1, y1) in points.
    """
    renderer = axes.figure.canvas.get_renderer()
    points = 72.0 / axes.figure.dpi  # a pixel in points, the unit of all that follows
    frame = axes.get_window_extent(renderer).extents * points
    corners = (axes.transData.transform([box[:2], box[2:]]) * points for box in avoid)
    taken = [np.concatenate([low - 4.5, high + 4.5]) for low, high in corners]
    where = axes.transData.transform(np.column_stack([x, y])) * points
    style = {"textcoords": "offset points", "fontsize": 8.5, "ha": "center", "va": "center"}
    style["path_effects"] = [withStroke(linewidth=2, foreground="white")]
    leash = {"arrowstyle": "-", "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 4}
    for label, at, data, colour in zip(labels, where, zip(x, y, strict=True), colours, strict=True):
        text = axes.annotate(label, data, (0, 0), color=colour, arrowprops=leash | {"color": colour}, **style)
        extent = text.get_window_extent(renderer)
        half = np.array([extent.width, extent.height]) * points / 2 + [1.5, 0.5]
        offsets = _offsets(half)
        boxes = [np.concatenate([at + offset - half, at + offset + half]) for offset in offsets]
        cost = [sum(_overlap(box, other) for other in taken) + 4 * _outside(box, frame) for box in boxes]
        best = int(np.argmin(np.round(cost, 3)))  # the first of the best: the nearest
        text.xyann = tuple(offsets[best])
        if best < LEASH * ANGLES:
            text.arrow_patch.set_visible(False)
        taken.append(boxes[best])
    return np.array(taken[len(avoid) :]).reshape(-1, 4)


def _offsets(half: np.ndarray) -> list[np.ndarray]:
    """Where a label of this half size may stand from its point: nearest ring first, above first."""
    turns = np.pi / 2 + np.array(sorted(range(ANGLES), key=lambda i: min(i, ANGLES - i))) * 2 * np.pi / ANGLES
    around = np.column_stack([np.cos(turns), np.sin(turns)])
    return [way * (half + 5 + 7 * step) for step in range(STEPS) for way in around]


def _overlap(box: np.ndarray, other: np.ndarray) -> float:
    """The area that two boxes share."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    return float(sides.prod()) if (sides > 0).all() else 0.0


def _outside(box: np.ndarray, frame: np.ndarray) -> float:
    """The area of `box` outside `frame`."""
    return float((box[2:] - box[:2]).prod()) - _overlap(box, frame)
