"""Verdicts on claims: each part by its 95 % interval, all parts of a run corrected for their number.

A part compares one value with a threshold or a band. Its p-value follows from its interval (Altman & Bland 2011,
"How to obtain the P value from a confidence interval", BMJ 343:d2304), so that p < 0.05 where the 95 % interval
excludes the threshold. `corrected` adjusts the p-values of all parts together (Holm 1979).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from tzip.report import resampling, score

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided at this sample size"
UNMEASURED, BY_CLOCK = "not measured", "judged by the clock: see timings/claim8.md"
LEVEL = 0.05  # of the corrected p-values; the intervals' is the same
Z = 1.959964  # standard errors in half of a normal 95 % interval


@dataclass(frozen=True)
class Part:
    """One contrast of a claim: what was compared, what came out, and what that says (nothing: '').

    p  two-sided, against the threshold or the nearest end of the band; NaN for what no sample decides
    """

    what: str
    verdict: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    p: float = math.nan

    def __str__(self) -> str:
        if self.verdict in (UNMEASURED, BY_CLOCK):
            return f"{self.what}: {self.verdict}"
        around = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        shown = "" if math.isnan(self.value) else f" {self.value:.2f}{around}{self.unit}".replace("-", "−")
        p = "" if math.isnan(self.p) else ", p < 0.001" if self.p < 0.001 else f", p = {self.p:.3f}"
        verdict = f": {self.verdict.removesuffix(' at this sample size')}" if self.verdict else ""
        return f"{self.what}{shown}{p}{verdict}"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the rule that judges it, and its parts; the first `deciding` of them make its verdict."""

    number: int
    claim: str
    rule: str
    parts: tuple[Part, ...]
    deciding: int | None = None

    @property
    def verdict(self) -> str:
        return all_of([part.verdict for part in self.parts[: self.deciding] if part.verdict])

    @property
    def numbers(self) -> str:
        return "; ".join(map(str, self.parts))


def all_of(verdicts: Sequence[str]) -> str:
    """A claim of several parts: it fails with any of them, and holds with all."""
    undecided = [verdict for verdict in verdicts if verdict.startswith("undecided")]
    for verdict in (FAILS, *undecided[:1], UNMEASURED, BY_CLOCK):
        if verdict in verdicts:
            return verdict
    return HOLDS if verdicts else UNMEASURED


def p_value(value: float, low: float, high: float, threshold: float) -> float:
    """Two-sided p-value of "the value is `threshold`", from the 95 % interval's half on the threshold's side."""
    reach = value - low if threshold < value else high - value
    if math.isnan(reach) or reach > 0:
        return math.erfc(Z * abs(value - threshold) / reach / math.sqrt(2))
    return float(value == threshold)


def at_least(value: float, low: float, high: float, threshold: float) -> tuple[str, float]:
    """The verdict on "at least `threshold`", and its p-value; NaN decides nothing."""
    p = p_value(value, low, high, threshold)
    return (HOLDS if value >= threshold else FAILS) if p < LEVEL else UNDECIDED, p


def at_most(value: float, low: float, high: float, threshold: float) -> tuple[str, float]:
    """The verdict on "at most `threshold`", and its p-value."""
    return at_least(-value, -high, -low, -threshold)


def within(value: float, low: float, high: float, bottom: float, top: float) -> tuple[str, float]:
    """The verdict on "between `bottom` and `top`", and its p-value.

    It holds where the interval lies in the band, and does not where it lies beside it. Inside, both ends of the band
    must be excluded, so that the larger p-value counts (intersection-union test, Berger 1982).
    """
    inside = bottom <= value <= top
    ends = [p_value(value, low, high, end) for end in (bottom, top)]
    p = max(ends) if inside else ends[value > top]
    return (HOLDS if inside else FAILS) if p < LEVEL else UNDECIDED, p


def corrected(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with the p-values of all their parts adjusted together; what that leaves open is undecided."""
    adjusted = iter(resampling.holm(pd.Series([part.p for claim in claims for part in claim.parts], dtype=float)))

    def adjust(part: Part, p: float) -> Part:
        open_now = part.verdict in (HOLDS, FAILS) and p >= LEVEL
        return replace(part, p=p, verdict=UNDECIDED if open_now else part.verdict)

    return [
        replace(claim, parts=tuple(adjust(part, p) for part, p in zip(claim.parts, adjusted, strict=False)))
        for claim in claims
    ]


def as_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Plain values, null for what is not a number."""
    return [score.plain(asdict(claim) | {"verdict": claim.verdict, "numbers": claim.numbers}) for claim in claims]
