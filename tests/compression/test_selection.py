"""How tensors share a sparsity, by hand: See et al.'s three schemes, and Han et al.'s threshold."""

import pytest
import torch

from tests.toys.weights import pruned_by
from tzip.compression import pruning


def pruned(*weights: list[float]) -> list:
    return [(pruned_by("magnitude", weight), weight) for weight in map(torch.tensor, weights)]


LARGE, SMALL = [4.0, -5.0, 6.0, -7.0], [0.4, -0.5, 0.6, -7.0]


def test_uniform_takes_the_same_share_of_each() -> None:
    assert pruning.shares("uniform", pruned(LARGE, SMALL), 0.3) == [0.3, 0.3]


def test_blind_takes_the_smallest_whosever_they_are() -> None:
    assert pruning.shares("blind", pruned(LARGE, SMALL), 3 / 8) == [0.0, 0.75]
    assert pruning.shares("blind", pruned(LARGE, SMALL), 5 / 8) == [0.5, 0.75]
    assert pruning.shares("blind", pruned(LARGE, LARGE), 3 / 8) == [0.5, 0.25]  # of equals, the first


def test_distribution_takes_the_smallest_in_standard_deviations() -> None:
    """The same values a thousand times smaller lose the same share."""
    thousandth = [weight / 1000 for weight in LARGE]
    assert pruning.shares("distribution", pruned(LARGE, thousandth), 0.5) == [0.5, 0.5]
    assert pruning.shares("blind", pruned(LARGE, thousandth), 0.5) == [0.0, 1.0]


@pytest.mark.parametrize("select", ["blind", "distribution"])
def test_what_is_pruned_stays_counted(select: str) -> None:
    found = pruned(LARGE, SMALL)
    found[0][0].prune(found[0][1], 0.75)
    assert pruning.shares(select, found, 3 / 8) == [0.75, 0.0]


def test_a_quality_is_a_threshold_in_standard_deviations() -> None:
    """Σ = [1, 1, 3, 3] has σ = √5 about 0: with signs, the mean is 0."""
    found = pruned([1.0, -1.0, 3.0, -3.0], [0.01, -0.01, 0.03, -0.03])
    assert pruning.below(found, 0.4) == 0.0
    assert pruning.below(found, 0.5) == 0.5
    assert pruning.below(found, 1.5) == 1.0
