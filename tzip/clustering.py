"""K-means on a line: the optimum in milliseconds, and the heuristics it replaces."""

from __future__ import annotations

import itertools
import warnings

import numpy as np

STARTS = ("linear", "density", "random", "kmeans++")
WINDOWS = (32, 16)  # groups by which a boundary may move, either way, in one pass of `_refined`, by level
ROWS = 32  # of a block whose minima are sought between those of its first and the next one's first
BLOCK = 1 << 16  # values that are assigned at a time
MAX_PASSES = 100  # of `refined` a level; a handful are needed
MAX_ITERATIONS = 10_000  # of Lloyd's algorithm


def exact(values: np.ndarray, k: int) -> np.ndarray:
    """`optimum`, rounded to float32: at most k centroids, ascending and distinct."""
    return np.unique(optimum(values, k).astype(np.float32) + np.float32(0.0))  # -0.0 becomes 0.0


def optimum(values: np.ndarray, k: int) -> np.ndarray:
    """At most k centroids, ascending float64, whose inertia is within 0.1 % of the smallest possible.

    On a line a cluster is a run of the sorted values, so dynamic programming finds the optimum (Wang & Song
    2011, "Ckmeans.1d.dp"). Here it runs on groups of neighbouring values: first over all divisions of a few
    groups, then, with ever finer groups, over all that move each boundary by a few groups.
    Where there are at most k distinct values, they are the centroids; without values it is 0. Raises
    ValueError if a value is not finite.
    """
    ordered = _ordered(values)
    if not len(ordered):
        return np.zeros(1)
    levels, starts, size = [], np.zeros(1, np.int64), max(k, 16)
    for limit in (min(8 * size, 512 + 2 * size), 16 * size, 64 * size):
        starts = _split(ordered, starts, limit)
        levels.append(starts)
    counts = np.diff(starts, append=len(ordered)).astype(np.float64)
    sums = np.add.reduceat(ordered, starts, dtype=np.float64)
    cells = cuts = None
    for level, window in zip(levels, (0, *WINDOWS), strict=True):
        groups = np.searchsorted(starts, level)
        weights = np.add.reduceat(counts, groups)
        points = np.add.reduceat(sums, groups) / weights
        if cuts is None:
            cells = _divided(points, weights, min(k, len(points)))
        else:
            cells = _refined(points, weights, np.searchsorted(level, cuts), window)
        cuts = level[cells]
    return np.add.reduceat(sums, cells) / np.add.reduceat(counts, cells)


def _ordered(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values, axis=None)
    if len(ordered) and not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        raise ValueError("a weight is not finite")
    return ordered


def _split(ordered: np.ndarray, starts: np.ndarray, limit: int) -> np.ndarray:
    """Split groups of sorted values at the middle of their range, those with most inertia first.

    starts  index of each group's first value; the result refines it to `limit` groups, or to fewer if then
            every group has one distinct value
    """
    while True:
        ends = np.append(starts[1:], len(ordered))
        first, last = ordered[starts].astype(np.float64), ordered[ends - 1]
        spread = (ends - starts) * (last - first) ** 2
        room, widest = limit - len(starts), spread.max()
        if room <= 0 or widest == 0:
            return starts
        chosen = np.flatnonzero(spread >= widest / 8)
        if len(chosen) > room:
            chosen = chosen[np.argsort(-spread[chosen], kind="stable")[:room]]
        middle = ((first[chosen] + last[chosen]) / 2).astype(np.float32)
        middle = np.minimum(
            middle, np.nextafter(last[chosen], np.float32(-np.inf))
        )  # so that both sides have some
        starts = np.sort(np.append(starts, np.searchsorted(ordered, middle, side="right")))


def _divided(points: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """The first point of each of the k cells of least inertia, over all divisions of sorted points."""
    m = len(points)
    distance = np.triu(points - points[:, None])  # from the first point of a cell: no cancellation
    mass = np.triu(np.broadcast_to(weights, (m, m)))
    moment = mass * distance
    inertia = np.cumsum(moment * distance, 1)
    inertia -= np.cumsum(moment, 1) ** 2 / np.maximum(np.cumsum(mass, 1), 1)
    cost = np.where(np.tri(m, dtype=bool), np.maximum(inertia, 0.0).T, np.inf)  # [last point, first point]
    best, choices, rows = cost[:, 0], [], np.arange(m - k + 1)
    for q in range(1, k):  # cell q ends at points q .. m-k+q, and begins no earlier than at point q
        inside = slice(q, m - k + q + 1)
        now, before = cost[inside, inside], best[q - 1 : m - k + q]
        choices.append(_row_minima(now, before))
        best = np.full(m, np.inf)
        best[inside] = now[rows, choices[-1]] + before[choices[-1]]
    cells = np.zeros(k, np.int64)
    end = m - 1
    for q in range(k - 1, 0, -1):
        cells[q] = choices[q - 1][end - q] + q
        end = cells[q] - 1
    return cells


def _row_minima(cost: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The column of the least cost + before in each row; it never falls from a row to the next (Monge)."""
    bounds = np.append((cost[::ROWS] + before).argmin(1), len(before) - 1)
    columns = np.empty(len(cost), np.int64)
    for block, (low, high) in enumerate(itertools.pairwise(bounds)):
        rows, between = slice(block * ROWS, (block + 1) * ROWS), slice(low, high + 1)
        columns[rows] = low + (cost[rows, between] + before[between]).argmin(1)
    return columns


def _refined(points: np.ndarray, weights: np.ndarray, cells: np.ndarray, window: int) -> np.ndarray:
    """Cells that no joint move of all boundaries, each by at most `window` points, improves."""
    rows = np.arange(2 * window + 1)
    for _ in range(MAX_PASSES):
        cost = _window_costs(points, weights, cells, window)
        best, choices = cost[0][:, window], []
        for step in cost[1:]:
            total = step + best
            choices.append(total.argmin(1))
            best = total[rows, choices[-1]]
        moved, end = cells.copy(), window
        for q in range(len(cells) - 1, 0, -1):
            end = choices[q - 1][end]
            moved[q] += end - window
        if (moved == cells).all():
            break
        cells = moved
    return cells


def _window_costs(points: np.ndarray, weights: np.ndarray, cells: np.ndarray, window: int) -> np.ndarray:
    """Inertia of each cell by the moves of its end and its start: [k, end, start], inf for an empty cell."""
    ends = np.append(cells[1:], len(points))
    centres = np.add.reduceat(points * weights, cells) / np.add.reduceat(weights, cells)
    powers = _moments(points - np.repeat(centres, ends - cells), weights)
    inside = np.add.reduceat(powers, cells, axis=1)
    before = _sums_from(points, weights, cells, centres, window)
    after = _sums_from(points, weights, ends, centres, window)
    mass, moment, inertia = inside[:, :, None, None] + after[:, :, :, None] - before[:, :, None, :]
    moves = np.arange(-window, window + 1)
    start, end = cells[:, None] + moves, ends[:, None] + moves
    start[0], end[-1] = 0, len(points)
    mass[0], moment[0], inertia[0] = (a[0][:, [window] * len(moves)] for a in (mass, moment, inertia))
    mass[-1], moment[-1], inertia[-1] = (a[-1][[window] * len(moves)] for a in (mass, moment, inertia))
    possible = (end[:, :, None] > start[:, None, :]) & (start >= 0)[:, None, :]
    possible &= (end <= len(points))[:, :, None]
    cost = np.maximum(inertia - moment**2 / np.where(possible, mass, 1.0), 0.0)
    return np.where(possible, cost, np.inf)


def _moments(distance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.stack([weights, weights * distance, weights * distance**2])


def _sums_from(
    points: np.ndarray, weights: np.ndarray, origin: np.ndarray, centres: np.ndarray, window: int
) -> np.ndarray:
    """Mass, moment and inertia about `centres` of the points from each origin to each move of it.

    Sums run outward from the origin, so that a far outlier spoils the precision of nothing before it;
    they are negative for moves to the left. [3, k, 2 window + 1]
    """
    index = origin[:, None] + np.arange(-window, window)
    there = (index >= 0) & (index < len(points))
    index = index.clip(0, len(points) - 1)
    powers = _moments(
        np.where(there, points[index] - centres[:, None], 0.0), np.where(there, weights[index], 0.0)
    )
    left = -np.cumsum(powers[:, :, window - 1 :: -1], axis=2)[:, :, ::-1]
    right = np.cumsum(powers[:, :, window:], axis=2)
    return np.concatenate([left, np.zeros_like(left[:, :, :1]), right], axis=2)


def started(values: np.ndarray, k: int, start: str, seed: int) -> np.ndarray:
    """Where an iterative method begins: k centroids, ascending float64 (fewer if kmeans++ finds no more).

    linear    evenly spaced strictly inside (min, max)
    density   quantiles of equal probability (Deep Compression, section 3.1)
    random    values drawn without replacement (at most as many as there are)
    kmeans++  values drawn in proportion to their squared distance from the nearest one drawn before
              (Arthur & Vassilvitskii 2007)
    """
    ordered = _ordered(values).astype(np.float64)
    random = np.random.default_rng(seed)
    match start:
        case "linear":
            return np.linspace(ordered[0], ordered[-1], k + 2)[1:-1]
        case "density":
            return ordered[((np.arange(k) + 0.5) / k * len(ordered)).astype(np.int64)]
        case "random":
            return np.sort(random.choice(ordered, min(k, len(ordered)), replace=False))
        case "kmeans++":
            return _plus_plus(ordered, k, random)
    raise ValueError(f"start = {start!r} is not one of {', '.join(STARTS)}")


def _plus_plus(ordered: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    drawn = [ordered[random.integers(len(ordered))]]
    nearest = (ordered - drawn[0]) ** 2
    while len(drawn) < k:
        share = np.cumsum(nearest)
        if share[-1] == 0.0:
            break
        drawn.append(ordered[np.searchsorted(share, random.random() * share[-1], side="right")])
        nearest = np.minimum(nearest, (ordered - drawn[-1]) ** 2)
    return np.sort(drawn)


def lloyd(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm from these centroids until no value changes its cluster; ascending float32.

    A centroid that has no value keeps its place.
    """
    ordered = _ordered(values).astype(np.float64)
    centroids = np.sort(centroids.astype(np.float64))
    before = None
    for _ in range(MAX_ITERATIONS):
        bounds = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2, side="right")
        if before is not None and (bounds == before).all():
            break
        before = bounds
        starts = np.append(0, bounds)
        counts = np.diff(starts, append=len(ordered))
        used = counts > 0
        centroids[used] = np.add.reduceat(ordered, starts[used]) / counts[used]
    return centroids.astype(np.float32)


def minibatch(values: np.ndarray, centroids: np.ndarray, seed: int) -> np.ndarray:
    """The report's optimizer: scikit-learn's MiniBatchKMeans(n_init=1, max_iter=100) from these centroids."""
    from sklearn.cluster import MiniBatchKMeans  # slow to import, and needed for this alone

    points = np.ascontiguousarray(values, np.float32).reshape(-1, 1)
    init = centroids[: len(points)].astype(np.float32)[:, None]
    model = MiniBatchKMeans(
        len(init), init=init, n_init=1, max_iter=100, compute_labels=False, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # fewer distinct values than clusters: unused entries are dropped later
        model.fit(points)
    return np.sort(model.cluster_centers_[:, 0]).astype(np.float32)


def assigned(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The index of the nearest of at most 256 ascending centroids, the lower one at a midpoint; uint8 [size].

    One comparison an edge, in blocks that fit a processor's cache: faster than a binary search a value.
    """
    middle = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
    edges = middle.astype(np.float32)
    edges = np.where(
        edges > middle, np.nextafter(edges, np.float32(-np.inf)), edges
    )  # v > edge iff v > middle
    values = np.ascontiguousarray(values, np.float32).reshape(-1)
    indices = np.zeros(len(values), np.uint8)
    for first in range(0, len(values), BLOCK):
        block, index = values[first : first + BLOCK], indices[first : first + BLOCK]
        for edge in edges:
            index += (block > edge).view(np.uint8)
    return indices


def inertia(values: np.ndarray, centroids: np.ndarray) -> float:
    """The sum of squared distances of the values from the nearest of these ascending centroids."""
    nearest = centroids[assigned(values, centroids)].astype(np.float64)
    return float(np.square(np.asarray(values, np.float64).reshape(-1) - nearest).sum())
