"""K-means of single numbers: the optimum by dynamic programming, and the heuristics that it replaces."""

import warnings

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

SUMMED = 1 << 21  # values that are summed in float64 at a time
BLOCK = 1 << 15  # values per step of `assigned`, few enough for a processor's cache
MAX_ROUNDS = 100  # of `optimum`; five to ten are needed
MAX_ITERATIONS = 10_000  # of Lloyd's algorithm


def exact(values: np.ndarray, k: int) -> np.ndarray:
    """`optimum`, rounded to float32: at most k centroids, ascending and distinct."""
    return np.unique(optimum(values, k).astype(np.float32) + np.float32(0.0))  # -0.0 becomes 0.0


def optimum(values: np.ndarray, k: int) -> np.ndarray:
    """At most k centroids, ascending float64; in all tests within 0.1 % of the least possible inertia.

    A cluster is a run of the sorted values, so dynamic programming finds the best ones (Wang & Song 2011,
    "Ckmeans.1d.dp"). Here it divides pieces, not values: each cluster (the first is all values) is cut into
    pieces, narrow ones near its ends; their best division gives the next clusters, until none moves by more
    than one piece.
    The centroid of no values is 0. Raises ValueError if a value is not finite.
    """
    ordered = _sorted(values if values.size else np.zeros(1))
    count = 12 + 192 // k  # pieces per cluster
    cuts = (1 - np.cos(np.pi * np.arange(count) / count)) / 2  # in [0, 1), dense near both ends
    clusters = np.zeros(1, np.int64)  # index of each one's first value
    for _ in range(MAX_ROUNDS):
        ends = np.append(clusters[1:], len(ordered)) - 1
        first, last = (ordered[places].astype(np.float64) for places in (clusters, ends))
        pieces = np.unique(_searched(ordered, first[:, None] + np.outer(last - first, cuts)))
        old, new = np.searchsorted(pieces, clusters), np.arange(len(pieces))
        if len(pieces) > k:
            weights = np.diff(pieces, append=len(ordered)).astype(np.float64)
            points = _summed(ordered, pieces) / weights
            new = _best_division(points, weights, k, min(len(pieces), 2 * count))
        clusters = pieces[new]
        if len(new) == len(old) and abs(new - old).max() <= 1:
            break
    return _summed(ordered, clusters) / np.diff(clusters, append=len(ordered))


def _sorted(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("a weight is not finite")
    return np.sort(values, axis=None)


def _ordered(values: np.ndarray) -> np.ndarray:
    return _sorted(values).astype(np.float64)


def _searched(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """np.searchsorted of float64 values, which would make a float64 copy of what they are searched in."""
    rounded = values.astype(ordered.dtype)
    with np.errstate(over="ignore"):
        upwards = np.nextafter(rounded, np.array(np.inf, ordered.dtype))
    return np.searchsorted(ordered, np.where(rounded < values, upwards, rounded))


def _summed(ordered: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """np.add.reduceat in float64: the sum from each start, of which the first is 0, to the next."""
    sums = np.zeros(len(starts))
    for begin in range(0, len(ordered), SUMMED):
        run = ordered[begin : begin + SUMMED].astype(np.float64)
        first, last = np.searchsorted(starts, begin, side="right") - 1, np.searchsorted(starts, begin + len(run))
        sums[first:last] += np.add.reduceat(run, np.maximum(starts[first:last] - begin, 0))
    return sums


def _best_division(points: np.ndarray, weights: np.ndarray, k: int, longest: int) -> np.ndarray:
    """The index of each cluster's first point, for the k best clusters of at most `longest` points each; [k].

    points, weights  ascending [m], and how many values each stands for [m]
    """
    m, padding = len(points), np.zeros(longest - 1)
    start, mass = (sliding_window_view(np.append(padding, a), m)[::-1] for a in (points, weights))
    distance = start - points  # [i, j]: from point j to j - i; a far outlier spoils no other cluster's digits
    moment = mass * distance
    inertia = np.cumsum(moment * distance, 0) - np.cumsum(moment, 0) ** 2 / np.cumsum(mass, 0)
    inertia = inertia[::-1]  # [i, j]: of the cluster of longest - i points that ends with point j
    best = np.full((k, longest + m), np.inf)  # [q, longest - 1 + j]: of q clusters of the first j points
    best[0, longest - 1] = 0.0
    earlier = sliding_window_view(best, m, axis=1)[:, :longest]  # [q, i, j]: of q before that cluster
    for q in range(1, k):
        best[q, longest:] = (inertia + earlier[q - 1]).min(0)
    first = np.append(np.zeros(k, np.int64), m)
    for q in reversed(range(k)):
        last = first[q + 1] - 1
        first[q] = last + 1 - longest + (inertia[:, last] + earlier[q, :, last]).argmin()
    return first[:-1]


def started(values: np.ndarray, k: int, start: str, seed: int) -> np.ndarray:
    """Initial centroids of an iterative method, ascending float64: k, or fewer if kmeans++ finds no more.

    linear    evenly spaced strictly inside (min, max)
    density   quantiles of equal probability (Deep Compression, section 3.1)
    random    values drawn without replacement (at most as many as there are)
    kmeans++  values drawn by their squared distance from those drawn before (Arthur & Vassilvitskii 2007)
    """
    ordered, random = _ordered(values), np.random.default_rng(seed)
    starts = {
        "linear": lambda: np.linspace(ordered[0], ordered[-1], k + 2)[1:-1],
        "density": lambda: ordered[((np.arange(k) + 0.5) / k * len(ordered)).astype(np.int64)],
        "random": lambda: np.sort(random.choice(ordered, min(k, len(ordered)), replace=False)),
        "kmeans++": lambda: _plus_plus(ordered, k, random),
    }
    return starts[start]()


def _plus_plus(ordered: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    drawn = [ordered[random.integers(len(ordered))]]
    nearest = (ordered - drawn[0]) ** 2
    while len(drawn) < k and nearest.any():
        share = np.cumsum(nearest)
        drawn.append(ordered[np.searchsorted(share, random.random() * share[-1], side="right")])
        nearest = np.minimum(nearest, (ordered - drawn[-1]) ** 2)
    return np.sort(drawn)


def lloyd(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Centroids that Lloyd's algorithm ends with, ascending float32; one without values keeps its place."""
    ordered, centroids, before = _ordered(values), np.sort(centroids.astype(np.float64)), None
    for _ in range(MAX_ITERATIONS):
        starts = np.append(0, np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2, side="right"))
        if np.array_equal(starts, before):
            break
        before, counts = starts, np.diff(starts, append=len(ordered))
        used = counts > 0
        centroids[used] = np.add.reduceat(ordered, starts[used]) / counts[used]
    return centroids.astype(np.float32)


def minibatch(values: np.ndarray, centroids: np.ndarray, seed: int) -> np.ndarray:
    """The paper's optimizer: scikit-learn's MiniBatchKMeans(n_init=1, max_iter=100) from these centroids."""
    from sklearn.cluster import MiniBatchKMeans  # slow to import, and needed for this alone

    points = np.ascontiguousarray(values, np.float32).reshape(-1, 1)
    init = centroids[: len(points)].astype(np.float32)[:, None]
    options = {"n_init": 1, "max_iter": 100, "compute_labels": False, "random_state": seed}
    with warnings.catch_warnings(action="ignore"):  # fewer distinct values than clusters are no error
        centers = MiniBatchKMeans(len(init), init=init, **options).fit(points).cluster_centers_
    return np.sort(centers[:, 0]).astype(np.float32)


def assigned(values: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The index of the nearest of at most 256 ascending centroids, the lower at a midpoint; uint8 [size]."""
    edges = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
    values = np.asarray(values, np.float32).reshape(-1)
    indices = np.zeros(len(values), np.uint8)
    for first in range(0, len(values), BLOCK):
        block, index = values[first : first + BLOCK].astype(np.float64), indices[first : first + BLOCK]
        for edge in edges:  # faster than a binary search
            index += block > edge
    return indices
