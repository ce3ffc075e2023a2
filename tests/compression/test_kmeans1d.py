"""The exact quantizer against kmeans1d and brute force, its heuristic peers, and the codebooks that train."""

import itertools

import kmeans1d as reference
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tzip.compression import kmeans1d

SIZE = 4000


def samples() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    bulk = random.normal(size=SIZE)
    found = {
        "normal": bulk * 0.05,
        "student": random.standard_t(3, SIZE),
        "uniform": random.uniform(-1, 1, SIZE),
        "cauchy": random.standard_cauchy(SIZE),
        "lognormal": np.exp(3 * bulk),
        "two-scales": np.where(random.random(SIZE) < 0.02, bulk * 10, bulk * 1e-3),
        "clumps": random.normal(size=300)[random.integers(0, 300, SIZE)] + bulk * 1e-3,
        "lattice": random.integers(0, 700, SIZE) ** 1.7,
        "zeros": np.where(random.random(SIZE) < 0.9, 0.0, bulk),
        "outliers": np.append(bulk[2:], [1e9, -1e30]),
        "islands": np.append(bulk[15:], np.arange(15) ** 3 * 1e3),  # single values: the bulk is one cluster
        "near-constant": 1.0 + random.integers(0, 300, SIZE) * 2.0**-23,
        "denormal": random.integers(-300, 300, SIZE) * 1e-45,
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def spread(values: np.ndarray, centroids: np.ndarray) -> float:
    """Inertia in float64, written apart from the library's."""
    return float((np.abs(values.astype(np.float64)[:, None] - centroids).min(1) ** 2).sum())


@pytest.mark.parametrize("name", samples())
def test_inertia_is_within_a_thousandth_of_the_optimum(name: str) -> None:
    values = samples()[name]
    middle = float(np.median(values))  # kmeans1d loses its digits far from 0
    for k in (1, 2, 3, 7, 16, 33, 100, 256):
        best = reference.cluster(values.astype(np.float64) - middle, k).centroids
        ours = kmeans1d.optimum(values, k)
        assert len(ours) <= k
        assert (np.diff(ours) > 0).all()
        assert spread(values, ours) <= 1.001 * spread(values, np.asarray(best) + middle)


def brute(values: np.ndarray, k: int) -> float:
    """The least inertia over every division of the sorted values, in exact rational arithmetic's stead."""
    ordered = np.sort(values.astype(np.float64))
    costs = []
    for cuts in itertools.combinations(range(1, len(ordered)), min(k, len(ordered)) - 1):
        parts = np.split(ordered, cuts)
        costs.append(sum(((part - part.mean()) ** 2).sum() for part in parts))
    return min(costs)


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(arrays.arrays(np.float32, st.integers(1, 9), elements=finite), st.integers(1, 4))
def test_few_values_of_any_size_get_the_optimum(values: np.ndarray, k: int) -> None:
    best = brute(values, k)
    scale = float(np.abs(values).max())
    assert spread(values, kmeans1d.optimum(values, k)) <= best * 1.001 + (1e-15 * scale) ** 2 * len(values)


@given(arrays.arrays(np.float32, st.integers(1, 300), elements=finite), st.integers(1, 256))
def test_centroids_are_finite_ascending_float32_inside_the_range(values: np.ndarray, k: int) -> None:
    centroids = kmeans1d.exact(values, k)
    assert centroids.dtype == np.float32
    assert 1 <= len(centroids) <= k
    assert (np.diff(centroids) > 0).all()
    assert centroids[0] >= values.min()
    assert centroids[-1] <= values.max()


@pytest.mark.parametrize("distinct", [1, 2, 5, 200])
def test_at_most_k_distinct_values_come_back_as_they_are(distinct: int) -> None:
    random = np.random.default_rng(distinct)
    chosen = np.unique(random.normal(size=distinct).astype(np.float32))
    values = random.choice(np.append(chosen, chosen), 5000).astype(np.float32)
    assert np.array_equal(kmeans1d.exact(values, 256), np.unique(values))


def test_values_that_are_no_numbers_are_refused() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="not finite"):
            kmeans1d.exact(np.array([0.0, bad, 1.0], np.float32), 2)
    assert kmeans1d.exact(np.zeros(0, np.float32), 4).tolist() == [0.0]


@given(arrays.arrays(np.float32, st.integers(1, 50), elements=finite), st.integers(1, 9))
def test_assignment_is_to_the_nearest(values: np.ndarray, k: int) -> None:
    centroids = kmeans1d.exact(values, k)
    found = kmeans1d.assigned(values, centroids)
    exact = np.abs(values.astype(np.float64)[:, None] - centroids.astype(np.float64))
    chosen = np.take_along_axis(exact, found[:, None].astype(np.int64), 1)[:, 0]
    assert np.array_equal(chosen, exact.min(1))


def test_assignment_goes_across_blocks() -> None:
    values = np.random.default_rng(0).normal(size=3 * kmeans1d.BLOCK + 17).astype(np.float32)
    centroids = kmeans1d.exact(values, 256)
    edges = (centroids[1:].astype(np.float64) + centroids[:-1]) / 2
    assert np.array_equal(kmeans1d.assigned(values, centroids), np.searchsorted(edges, values.astype(float)))


def test_starts_by_hand() -> None:
    values = np.array([0.0, 1.0, 2.0, 10.0], np.float32)
    assert kmeans1d.started(values, 4, "linear", 0).tolist() == [2.0, 4.0, 6.0, 8.0]
    assert kmeans1d.started(values, 2, "density", 0).tolist() == [1.0, 10.0]
    assert sorted(kmeans1d.started(values, 4, "random", 0).tolist()) == [0.0, 1.0, 2.0, 10.0]
    assert kmeans1d.started(values, 9, "kmeans++", 0).tolist() == [0.0, 1.0, 2.0, 10.0]


@pytest.mark.parametrize("start", ["random", "kmeans++"])
def test_starts_follow_their_seed(start: str) -> None:
    values = samples()["normal"]
    one, same, other = (kmeans1d.started(values, 8, start, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert set(one.astype(np.float32)) <= set(values)


def test_lloyd_by_hand_and_to_its_fixed_point() -> None:
    values = np.array([0.0, 1.0, 9.0, 10.0], np.float32)
    assert kmeans1d.lloyd(values, np.array([0.0, 1.0])).tolist() == [0.5, 9.5]
    assert kmeans1d.lloyd(values, np.array([5.0, 400.0])).tolist() == [5.0, 400.0]  # nobody near: it stays
    many = samples()["student"]
    centroids = kmeans1d.lloyd(many, kmeans1d.started(many, 16, "linear", 0))
    member = kmeans1d.assigned(many, centroids)
    for i in np.unique(member):
        assert centroids[i] == pytest.approx(many[member == i].astype(np.float64).mean(), rel=1e-5)


def test_the_reports_optimizer_is_poor_at_many_centroids() -> None:
    """The paper's page: against the optimum, 1.0x at few centroids and several times more at 256."""
    values = samples()["student"].repeat(4)
    ratios = {}
    for k in (2, 256):
        start = kmeans1d.started(values, k, "linear", 0)
        one, again = (kmeans1d.minibatch(values, start, 3) for _ in range(2))
        assert np.array_equal(one, again)
        ratios[k] = spread(values, one) / spread(values, kmeans1d.exact(values, k))
    assert 1.0 <= ratios[2] < 1.2
    assert ratios[256] > 2.0
