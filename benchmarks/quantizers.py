"""Exact 1-D k-means against its peers: inertia against kmeans1d, seconds against scikit-learn's KMeans.

    OMP_NUM_THREADS=1 python benchmarks/quantizers.py

Everything runs on one thread (scikit-learn's pools are limited, too), the contenders in turn, best of
`--repeat` rounds. scikit-learn's is KMeans(16, n_init=1, random_state=0) with its defaults, Lloyd's
algorithm from k-means++; its `fit` labels the points, so ours is timed with and without the assignment.
kmeans1d sums squares in float64 and so loses its digits on near-constant values and beside huge outliers:
it is given the values less their median, and ours may come out below it.
"""

import argparse
import platform
import time
from collections.abc import Callable

import kmeans1d as reference
import numpy as np
import sklearn
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from tzip.compression import kmeans1d

SHAPE, CLUSTERS = (512, 2048), 16
SIZE = 1 << 15  # values in the comparison with kmeans1d


def distributions(size: int, seed: int) -> dict[str, np.ndarray]:
    """Weights as a trained Transformer has them, and as no quantizer likes them; float32 [size]."""
    random = np.random.default_rng(seed)
    bulk = random.normal(size=size)
    samples = {
        "student-t(5)": random.standard_t(5, size) * 0.02,
        "normal": bulk * 0.05,
        "uniform": random.uniform(-1, 1, size),
        "cauchy": random.standard_cauchy(size),
        "lognormal": np.exp(random.normal(size=size) * 3),
        "two scales": np.where(random.random(size) < 0.01, bulk * 10, bulk * 1e-3),
        "300 clumps": random.normal(size=300)[random.integers(0, 300, size)] + bulk * 1e-3,
        "700 values": random.integers(0, 700, size) ** 1.7,
        "90 % zeros": np.where(random.random(size) < 0.9, 0.0, bulk),
        "outliers": np.append(bulk[2:] * 0.02, [1e9, -1e30]),
        "near-constant": 1.0 + random.integers(0, 50, size) * 2.0**-23,
        "denormal": random.integers(-300, 300, size) * 1e-45,
    }
    return {name: sample.astype(np.float32) for name, sample in samples.items()}


def excess(values: np.ndarray, k: int) -> float:
    """Our inertia over that of kmeans1d's centroids, less 1."""
    middle = float(np.median(values))
    ours = inertia(values, kmeans1d.optimum(values, k))
    known = inertia(values, np.sort(reference.cluster(values.astype(np.float64) - middle, k).centroids) + middle)
    return ours / known - 1 if known else float(ours > 0)


def inertia(values: np.ndarray, centroids: np.ndarray) -> float:
    """The sum of squared distances from the nearest of these ascending centroids, all in float64."""
    nearest = centroids[np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values.astype(np.float64))]
    return float(np.square(values - nearest).sum())


def best_of(repeat: int, contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The least seconds of each: in turn, `repeat` rounds of as many runs as half a second takes."""
    seconds = {name: float("inf") for name in contenders}
    for name, run in list(contenders.items()) * repeat:
        end = time.perf_counter() + 0.5
        while (began := time.perf_counter()) < end:
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds


def compare_inertia(seed: int) -> None:
    print(f"inertia over kmeans1d's, {SIZE} values (bound: 0.1 %)")
    bits = range(1, 9)
    print(f"{'k =':>16}" + "".join(f"{2**b:>10}" for b in bits))
    worst = -1.0
    for name, values in distributions(SIZE, seed).items():
        row = [excess(values, 2**b) for b in bits]
        worst = max(worst, *row)
        print(f"{name:>16}" + "".join(f"{100 * x:>9.4f}%" for x in row), flush=True)
    print(f"worst: {100 * worst:.4f} %\n")


def compare_speed(seed: int, repeat: int) -> None:
    weights = distributions(SHAPE[0] * SHAPE[1], seed)["student-t(5)"]
    centroids = kmeans1d.exact(weights, CLUSTERS)

    def fit_and_assign() -> None:
        kmeans1d.assigned(weights, kmeans1d.exact(weights, CLUSTERS))

    peer = KMeans(CLUSTERS, n_init=1, random_state=0)
    seconds = best_of(
        repeat,
        {
            "sklearn KMeans.fit": lambda: peer.fit(weights[:, None]),
            "tzip exact": lambda: kmeans1d.exact(weights, CLUSTERS),
            "tzip exact and assigned": fit_and_assign,
        },
    )
    other = seconds["sklearn KMeans.fit"]
    print(f"{SHAPE[0]}x{SHAPE[1]} weights, {CLUSTERS} clusters, one thread, best of {repeat} rounds")
    for name, value in seconds.items():
        print(f"{name:>26} {1000 * value:10.2f} ms {other / value:8.1f}x")
    ratio = peer.inertia_ / inertia(weights, centroids)
    print(f"{'inertia, sklearn / tzip':>26} {ratio:10.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}, scikit-learn {sklearn.__version__}")
    with threadpool_limits(1):
        compare_speed(args.seed, args.repeat)
        print()
        compare_inertia(args.seed)


if __name__ == "__main__":
    main()
