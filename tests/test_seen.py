"""Keys on disk are what a set of them is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tzip.seen import seen


@given(st.lists(st.integers(0, 3) | st.integers(0, 2**64 - 1)))
def test_it_is_a_set(keys: list[int]) -> None:
    known: set[int] = set()
    with seen() as met:
        for key in keys:
            assert met.add(key) == (key not in known)
            known.add(key)


def test_the_ends_of_the_range_are_keys_too() -> None:
    with seen() as met:
        assert [met.add(key) for key in (0, 2**64 - 1, 2**63, 0, 2**64 - 1)] == [
            True,
            True,
            True,
            False,
            False,
        ]
