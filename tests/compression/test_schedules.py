"""Sparsity by the update: the paper's steps, the exact end, and what is refused."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tzip.compression.pruning import STEPS, interval, sparsity
from tzip.compression.variant import Pruning
from tzip.options import make


def course(updates: int, **given: object) -> list[float]:
    """The sparsity before each update and at the end."""
    options = make(Pruning, given, "prune")
    return [sparsity(options, update, updates) for update in range(updates + 1)]


def test_the_papers_pruning_30_to_50_percent() -> None:
    """30 % at once, then 20/9 % more after every 1,001 updates: 50 % by update 10,000."""
    found = course(10_000, schedule="stepwise", start=0.3, end=0.5)
    cuts = {update: new for update, (old, new) in enumerate(itertools.pairwise(found), 1) if new != old}
    assert found[0] == 0.3
    assert list(cuts) == [1001 * step for step in range(1, 10)]
    assert list(cuts.values()) == pytest.approx([0.3 + step * 0.2 / 9 for step in range(1, 10)])
    assert found[9009] == found[-1] == 0.5


def test_one_shot_prunes_all_at_once() -> None:
    assert course(7, schedule="one-shot", end=0.9) == [0.9] * 8


@given(st.integers(0, 3000), st.floats(0, 1), st.floats(0, 1))
def test_every_course_climbs_from_start_to_exactly_the_end(updates: int, one: float, other: float) -> None:
    start, end = min(one, other), max(one, other)
    found = course(updates, schedule="stepwise", start=start, end=end)
    assert found[-1] == end
    assert all(old <= new for old, new in itertools.pairwise(found))
    assert all(start <= value <= end for value in found)
    if updates:
        assert found[0] == start


@pytest.mark.parametrize("updates", [10, 11, 50, 81, 90, 99, 100, 250, 1000, 9999])
def test_updates_are_left_after_the_last_cut(updates: int) -> None:
    assert course(updates, schedule="stepwise", start=0.1, end=0.9)[updates - 1] == 0.9
    assert len(set(course(updates, schedule="stepwise", start=0.1, end=0.9))) == STEPS + 1


def test_the_interval_is_the_papers_from_a_hundred_updates_on() -> None:
    assert all(interval(updates) == updates // 10 + 1 for updates in range(100, 12_000))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schedule": "cubic"}, "schedule = 'cubic' is not one of one-shot, stepwise, gradual"),
        ({"end": 50}, "end = 50 is not a number at least 0.0 and at most 1.0"),
        ({"start": -0.1}, "start = -0.1 is not a number at least 0.0 and at most 1.0"),
        ({"schedule": "stepwise", "start": 0.8, "end": 0.5}, "start = 0.8 is more than end = 0.5"),
        ({"start": 0.3}, "start = 0.3 has no meaning with schedule = one-shot"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"^prune: .*{re.escape(message)}"):
        make(Pruning, given, "prune")


def test_gradual_is_the_cubic_of_zhu_and_gupta() -> None:
    """Its closed form at every hundredth of the updates, then the recovery."""
    found = course(1000, schedule="gradual", start=0.1, end=0.9, recovery=0.25)
    for update in range(0, 1001):
        step = min(update // 10, 75)
        assert found[update] == pytest.approx(0.9 + (0.1 - 0.9) * (1 - step / 75) ** 3)
    assert found[749] < found[750] == found[1000] == 0.9


@given(st.integers(0, 3000), st.floats(0, 1), st.floats(0, 1))
def test_gradual_climbs_from_start_to_the_end(updates: int, end: float, recovery: float) -> None:
    found = course(updates, schedule="gradual", end=end, recovery=recovery)
    assert all(old <= new for old, new in itertools.pairwise(found))
    assert (found[0], found[-1]) == ((0.0 if updates else end), end)
