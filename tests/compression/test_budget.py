"""Bits under a budget, against all allocations there are."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tzip.compression.budget import Choice, allocate

CURVES = st.lists(
    st.tuples(st.integers(1, 1000), st.floats(0.01, 100.0)), min_size=1, max_size=4
)  # weights and sensitivity


def curve(weights: int, sensitivity: float) -> list[Choice]:
    """A byte an eighth of a weight and bit, a loss that falls by four with each bit: rate and distortion."""
    return [Choice(bits, weights * bits / 8, sensitivity * weights * 4.0**-bits) for bits in (1, 2, 3, 4)]


def total(choices: dict[str, list[Choice]], bits: dict[str, int]) -> tuple[float, float]:
    taken = [next(one for one in choices[name] if one.bits == bits[name]) for name in choices]
    return sum(one.bytes for one in taken), sum(one.loss for one in taken)


@given(CURVES, st.floats(0.25, 1.1))
def test_it_fits_and_loses_hardly_more_than_the_best_of_all(tensors: list, share: float) -> None:
    choices = {str(i): curve(*tensor) for i, tensor in enumerate(tensors)}
    room = share * sum(weights * 4 / 8 for weights, _ in tensors)
    found = allocate(choices, room)
    size, loss = total(choices, found)
    assert size <= room
    every = [dict(zip(choices, bits, strict=True)) for bits in itertools.product((1, 2, 3, 4), repeat=len(choices))]
    fitting = [total(choices, bits) for bits in every if total(choices, bits)[0] <= room]
    best = min(loss for _, loss in fitting)
    largest = max(choices[name][0].loss for name in choices)
    assert best <= loss <= best + largest  # off the hull by at most one tensor's step
    if room >= sum(weights * 4 / 8 for weights, _ in tensors):
        assert set(found.values()) == {4}


def test_bits_go_where_they_are_felt() -> None:
    choices = {"deaf": curve(100, 0.01), "sensitive": curve(100, 10.0)}
    assert allocate(choices, 100 * 5 / 8) == {"deaf": 1, "sensitive": 4}


def test_a_budget_that_nothing_meets_is_refused() -> None:
    with pytest.raises(ValueError, match="the tensors take 12 bytes at least, and have room for 10"):
        allocate({"one": curve(100, 1.0)}, 10)
