"""Verdicts by intervals, against what a normal distribution says, and corrected for their number."""

import math
from dataclasses import replace

import pytest

from tzip.report import verdicts
from tzip.report.verdicts import FAILS, HOLDS, UNDECIDED, UNMEASURED, Claim, Part

NAN = math.nan


@pytest.mark.parametrize(
    ("interval", "least", "most"),
    [
        ((5.5, 5, 6), HOLDS, FAILS),
        ((3.5, 3, 4), FAILS, HOLDS),
        ((5, 4, 6), *[UNDECIDED] * 2),
        ((4, 3, 5), *[UNDECIDED] * 2),
        ((NAN, NAN, NAN), *[UNDECIDED] * 2),
        ((0, 0, 0), FAILS, HOLDS),  # a row that translates nothing has no spread
        ((4.5, 4.5, 4.5), *[UNDECIDED] * 2),
    ],
)
def test_verdict_of_an_interval(interval: tuple, least: str, most: str) -> None:
    assert verdicts.at_least(*interval, 4.5)[0] == least
    assert verdicts.at_most(*interval, 4.5)[0] == most


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((90, 89.5, 90.5), HOLDS),
        ((95, 94, 96), FAILS),  # more than the band is outside too
        ((80, 79, 81), FAILS),
        ((91.5, 90, 93), UNDECIDED),
        ((90, 87, 93), UNDECIDED),  # wider than the band
        ((93, 91.5, 94.5), UNDECIDED),
        ((NAN, NAN, NAN), UNDECIDED),
    ],
)
def test_verdict_of_a_band(interval: tuple, verdict: str) -> None:
    assert verdicts.within(*interval, 88, 92)[0] == verdict


def test_p_value_of_an_interval_is_the_normal_distributions() -> None:
    assert verdicts.p_value(1.0, 1 - 1.959964, 1 + 1.959964, 0.0) == pytest.approx(0.3173, abs=1e-4)
    assert verdicts.p_value(2.0, 0.0, 5.0, 0.0) == pytest.approx(0.05, abs=1e-6)  # the half on the threshold's side
    assert verdicts.p_value(2.0, 0.0, 5.0, 5.0) == pytest.approx(0.05, abs=1e-6)
    assert verdicts.within(5.0, 4.0, 6.0, 4.0, 9.0)[1] == pytest.approx(0.05, abs=1e-6)  # the end that is less sure


def test_verdict_of_several_parts() -> None:
    assert verdicts.all_of([HOLDS, HOLDS]) == HOLDS
    assert verdicts.all_of([HOLDS, UNDECIDED]) == UNDECIDED
    assert verdicts.all_of([HOLDS, "undecided: one timing", UNMEASURED]) == "undecided: one timing"
    assert verdicts.all_of([UNDECIDED, FAILS, UNMEASURED]) == FAILS
    assert verdicts.all_of([HOLDS, UNMEASURED]) == UNMEASURED
    assert verdicts.all_of([]) == UNMEASURED


def test_parts_of_all_claims_are_corrected_together() -> None:
    """Holm by hand: of p = 0.01, 0.02, 0.04 and one that no sample decides, only the first stays decided."""
    part = Part("x", HOLDS, 1.0, 0.5, 1.5)
    first = Claim(1, "a", "r", (replace(part, p=0.02), replace(part, verdict=FAILS)))
    second = Claim(2, "b", "r", (replace(part, p=0.01), replace(part, p=0.04)), deciding=1)
    one, two = verdicts.corrected([first, second])
    assert [part.p for part in (*one.parts, *two.parts)] == pytest.approx([0.04, NAN, 0.03, 0.04], nan_ok=True)
    assert (one.verdict, two.verdict) == (FAILS, HOLDS)
    third = Claim(3, "c", "r", (replace(part, p=0.03),))
    one, two, three = verdicts.corrected([first, second, third])
    assert [part.verdict for part in (*one.parts, *two.parts, *three.parts)] == [
        *[UNDECIDED, FAILS],  # arithmetic stays what it is
        *[HOLDS, UNDECIDED],
        UNDECIDED,
    ]
    assert two.verdict == HOLDS  # by its first part alone
    assert str(one.parts[0]) == "x 1.00 [0.50, 1.50], p = 0.060: undecided"
