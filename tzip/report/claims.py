"""The paper's eight claims, each judged by a rule that was written down before looking at any result.

Every contrast gets one 95 % interval from a bootstrap that draws, a thousand times, the seeds with
replacement and the test sentences with replacement: the same sentences for all rows and seeds, since all
translated the same test set. With one seed the interval covers the sentences alone. "At least t" holds
where the interval lies at or above t, does not hold where it lies below, and is undecided between.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tzip.config import BASELINE
from tzip.report import paper, resampling, score

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided at this sample size"
UNMEASURED, BY_CLOCK = "not measured", "judged by the clock: see timings/claim8.md"

COLLAPSE = 50.0  # % of the baseline's BLEU: below it, less than half is left
AS_PRINTED = 0.99  # of the ratio as printed: what a file must reach for the printed ratio to be true of it
GAP_8_4 = 100 * (27.65 - 27.38) / 28.09  # % of the baseline: how far 8-bit lies below 4-bit in the paper
SAME_MAPS = 0.05  # total variation: on average 5 % of a position's attention lies elsewhere
FASTER = 1.1  # times the baseline's words/s: closer than that is a shared machine's noise
ONE_BIT = ("bs-flexible", "kmeans-1bit", "bs-fixed")
ATTENTION_ONLY = ("kmeans-1bit-attention", "bs-flexible-attention")
SPEED = "Binarization is of interest for its speed: how fast it is, and how much it loses."
EQUAL_COMPRESSION = {"pruned-30-50": "kmeans-8bit", "pruned-50-80": "kmeans-4bit", "pruned-50-90": "kmeans-2bit"}


@dataclass(frozen=True)
class Part:
    """One contrast of a claim: what was compared, what came out, and what that says (nothing: '')."""

    what: str
    verdict: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""

    def __str__(self) -> str:
        if self.verdict == UNMEASURED:
            return f"{self.what}: {UNMEASURED}"
        around = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        shown = "" if math.isnan(self.value) else f" {self.value:.2f}{around}{self.unit}".replace("-", "−")
        verdict = f": {self.verdict.removesuffix(' at this sample size')}" if self.verdict else ""
        return f"{self.what}{shown}{verdict}"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the rule that judges it, what came out, and the numbers behind that."""

    number: int
    claim: str
    rule: str
    verdict: str
    parts: tuple[Part, ...]

    @property
    def numbers(self) -> str:
        return "; ".join(map(str, self.parts))


class Evidence(resampling.Resamples):
    """A run's rows: BLEU of every resample, ratios, attention; and the interval of any contrast between rows."""

    def __init__(
        self,
        counts: dict[str, list[np.ndarray]],
        scores: pd.DataFrame,
        attention: pd.DataFrame,
        options: score.Options,
    ) -> None:
        """counts: `results.read_counts` of one test set; scores: `results.read_scores` of the same; attention:
        `results.read_attention`."""
        super().__init__(counts, options.samples, options.seed)
        self.sizes = scores.groupby("row")[["ratio_printed", "ratio_file", "file_bytes"]].mean().to_dict("index")
        self.attention = attention

    def has(self, *rows: str) -> bool:
        return all(row in self.point for row in rows)


def at_least(low: float, high: float, threshold: float) -> str:
    """The verdict on "at least `threshold`" of a quantity with this interval; NaN decides nothing."""
    return HOLDS if low >= threshold else FAILS if high < threshold else UNDECIDED


def at_most(low: float, high: float, threshold: float) -> str:
    return HOLDS if high <= threshold else FAILS if low > threshold else UNDECIDED


def all_of(verdicts: Sequence[str]) -> str:
    """A claim of several parts: it fails with any of them, and holds with all."""
    for verdict in (FAILS, UNDECIDED, UNMEASURED):
        if verdict in verdicts:
            return verdict
    return HOLDS if verdicts else UNMEASURED


def keeps(evidence: Evidence, row: str, threshold: float, judge: Callable = at_least) -> Part:
    """`row` keeps at least (or, by `at_most`, at most) `threshold` % of the baseline's BLEU."""
    what = f"{row} keeps"
    if not evidence.has(row):
        return Part(what, UNMEASURED)
    value, low, high = evidence.percent(row)
    return Part(what, judge(low, high, threshold), value, low, high, " %")


def beats(evidence: Evidence, better: str, worse: str) -> Part:
    """BLEU of `better` minus that of `worse`: at least 0."""
    what = f"{better} − {worse}"
    if not evidence.has(better, worse):
        return Part(what, UNMEASURED)
    value, low, high = evidence.contrast(lambda bleu: bleu[better] - bleu[worse])
    return Part(what, at_least(low, high, 0), value, low, high, " BLEU")


def judged(number: int, claim: str, rule: str, parts: Sequence[Part]) -> Claim:
    """The claim that holds with all of its parts."""
    return Claim(number, claim, rule, all_of([part.verdict for part in parts]), tuple(parts))


def claim_1(evidence: Evidence) -> Claim:
    row = "kmeans-4bit"
    parts = [keeps(evidence, row, paper.TABLE_1[row].percent)]
    if evidence.has(row):
        printed, in_file = (evidence.sizes[row][key] for key in ("ratio_printed", "ratio_file"))
        verdict = at_least(in_file, in_file, AS_PRINTED * printed)
        parts.append(Part(f"{printed:.2f}x as the paper counts, in the file", verdict, in_file, unit="x"))
    return judged(
        1,
        "4-bit k-means keeps 98.43 % of BLEU at 5.85x.",
        "At least 98.43 % of the baseline's BLEU; and the ratio in the file reaches "
        f"{100 * AS_PRINTED:.0f} % of the ratio that the paper's way of counting gives for this model.",
        parts,
    )


def claim_2(evidence: Evidence) -> Claim:
    parts = []
    for suffix in ("-minibatch", ""):
        first, second = f"kmeans-8bit{suffix}", f"kmeans-4bit{suffix}"
        if evidence.has(first, second):
            value, low, high = evidence.contrast(
                lambda bleu, a=first, b=second: 100 * resampling.over(bleu[a] - bleu[b], bleu[BASELINE])
            )
            verdict = HOLDS if high < 0 else FAILS if low > -GAP_8_4 else UNDECIDED
            verdict = verdict if len(evidence.seeds) > 1 else UNDECIDED
            parts.append(Part(f"{first} − {second}", verdict, value, low, high, " % of the baseline"))
    parts = parts or [Part("kmeans-8bit − kmeans-4bit", UNMEASURED)]
    return Claim(
        2,
        "8-bit k-means scores below 4-bit (27.38 against 27.65).",
        "8-bit minus 4-bit, in % of the baseline's BLEU: holds if the interval lies below 0; does not hold "
        f"if it lies above −{GAP_8_4:.2f}, the paper's gap; undecided otherwise, and with one seed, "
        "which cannot tell the gap from the noise of fine-tuning. Rows of the paper's own optimizer "
        "(-minibatch) decide where the run has them.",
        parts[0].verdict,
        tuple(parts),
    )


def claim_3(evidence: Evidence) -> Claim:
    parts = [keeps(evidence, row, COLLAPSE, at_most) for row in ONE_BIT]
    parts += [beats(evidence, "bs-flexible", "kmeans-1bit"), beats(evidence, "kmeans-1bit", "bs-fixed")]
    return judged(
        3,
        "At 1 bit all schemes collapse to about 42 %; BS-Flexible ≥ k-means ≥ BS-Fixed.",
        f"Each of the three rows keeps at most {COLLAPSE:.0f} % of the baseline's BLEU, and each of the two "
        "differences is at least 0.",
        parts,
    )


def claim_4(evidence: Evidence) -> Claim:
    threshold = paper.TABLE_1["kmeans-1bit-attention"].percent
    return judged(
        4,
        "Binarizing the attention layers alone keeps 89–91 %.",
        f"Each of the two rows keeps at least {threshold} % (the lower of the paper's two figures).",
        [keeps(evidence, row, threshold) for row in ATTENTION_ONLY],
    )


def claim_5(evidence: Evidence) -> Claim:
    parts = [keeps(evidence, row, paper.TABLE_1[row].percent) for row in ("pruned-30-50", "pruned-50-80")]
    parts.append(keeps(evidence, "pruned-50-90", COLLAPSE, at_most))
    for pruned, quantized in EQUAL_COMPRESSION.items():
        part = beats(evidence, quantized, pruned)
        if part.verdict != UNMEASURED:
            small, large = (evidence.sizes[row]["file_bytes"] for row in (quantized, pruned))
            what = f"{quantized} − {pruned} ({small:,.0f} against {large:,.0f} bytes)"
            part = replace(part, what=what, verdict=part.verdict if small <= large else UNMEASURED)
        parts.append(part)
    return judged(
        5,
        "Pruning keeps 94 / 89 / 33 % at 50 / 80 / 90 % and is worse than quantization at equal compression.",
        f"At least 93.98 % at 50 %, at least 89.07 % at 80 %, a collapse (at most {COLLAPSE:.0f} %) at 90 %; "
        "and k-means at 8, 4 and 2 bits scores at least as high as pruning to 50, 80 and 90 %, a pair "
        "counting only where the quantized file is no larger.",
        parts,
    )


def claim_6(evidence: Evidence) -> Claim:
    gale = 100 * paper.GALE[0.9] / paper.GALE_DENSE
    part = keeps(evidence, "pruned-50-90", gale)
    part = replace(part, verdict={HOLDS: FAILS, FAILS: HOLDS}.get(part.verdict, part.verdict))
    return judged(
        6,
        "Gale et al. (2019) could not be matched: about 90 % of BLEU was expected at 90 % sparsity.",
        f"Holds if the row pruned to 90 % keeps less than {gale:.1f} %, what Gale's own table keeps "
        f"({paper.GALE_DENSE} to {paper.GALE[0.9]}); does not hold if it keeps at least that.",
        [part],
    )


def claim_7(evidence: Evidence) -> Claim:
    parts = [_sharper(evidence.attention, row) for row in ONE_BIT]
    parts = [part for part in parts if part.verdict != UNMEASURED] or parts[:1]
    parts += [_same_maps(evidence.attention, row) for row in ("kmeans-8bit", "kmeans-4bit")]
    return judged(
        7,
        "Attention gets sharper with compression; the 8- and 4-bit maps are almost those of the original.",
        "Encoder self-attention: the entropy of every binarized row that was looked at lies below the "
        "baseline's, by its interval over sentences, in every seed (above in every seed: does not hold); and "
        f"the 8- and 4-bit maps lie at most {SAME_MAPS} (total variation) from the baseline's in every seed.",
        parts,
    )


def _sharper(attention: pd.DataFrame, row: str) -> Part:
    """Entropy of `row` minus the baseline's, below 0: paired by sentence where that was recorded."""
    what = f"{row}: entropy minus the baseline's"
    maps = attention[attention["row"] == row].set_index("seed")
    base = attention[attention["row"] == BASELINE].set_index("seed").reindex(maps.index)
    if maps.empty or base["sharpness"].isna().any():
        return Part(what, UNMEASURED)
    low = maps["sharpness_change_low"].fillna(maps["sharpness_low"] - base["sharpness_high"])
    high = maps["sharpness_change_high"].fillna(maps["sharpness_high"] - base["sharpness_low"])
    value = (maps["sharpness"] - base["sharpness"]).mean()
    verdict = HOLDS if (high < 0).all() else FAILS if (low > 0).all() else UNDECIDED
    return Part(what, verdict, value, low.mean(), high.mean(), " nats")


def _same_maps(attention: pd.DataFrame, row: str) -> Part:
    what = f"{row}: distance from the baseline's maps"
    maps = attention[attention["row"] == row]
    if maps.empty:
        return Part(what, UNMEASURED)
    low, high = (maps[f"distance_{end}"].fillna(maps["distance"]) for end in ("low", "high"))
    verdict = HOLDS if (high <= SAME_MAPS).all() else FAILS if (low > SAME_MAPS).all() else UNDECIDED
    return Part(what, verdict, maps["distance"].mean(), low.mean(), high.mean())


def claim_8(evidence: Evidence) -> Claim:
    """The part of the speed claim that no clock decides: what binarization loses and what it saves."""
    parts = [
        Part(f"{row} ({evidence.sizes[row]['ratio_file']:.2f}x in the file) keeps", "", *evidence.percent(row), " %")
        for row in ONE_BIT
        if evidence.has(row)
    ]
    return Claim(
        8,
        SPEED,
        "What it loses and saves stands here. A stored bit is decoded to a 32-bit weight before use, so the "
        "arithmetic of translating is the baseline's; whether it is faster all the same is measured in "
        f"timings/claim8.md: at least {FASTER} times the baseline's words/s in every seed.",
        BY_CLOCK if parts else UNMEASURED,
        tuple(parts) or (Part("binarized rows", UNMEASURED),),
    )


def claim_8_by_clock(costs: pd.DataFrame, test: str) -> Claim:
    """The speed claim by `results.read_costs`: holds or fails where every seed says the same."""
    speeds = costs[costs["test"] == test].set_index(["row", "seed"])["words_per_second"]
    parts = []
    for row in (row for row in ONE_BIT if row in speeds.index):
        ratios = speeds[row] / speeds[BASELINE]
        low, high = float(ratios.min()), float(ratios.max())
        what = f"{row}: times the baseline's words/s"
        parts.append(Part(what, at_least(low, high, FASTER), ratios.mean(), low, high))
    return judged(
        8,
        SPEED,
        f"At least {FASTER} times the baseline's words/s in every seed, translating from the file (brackets: "
        "smallest and largest of any seed).",
        parts or [Part("binarized rows", UNMEASURED)],
    )


def judge(evidence: Evidence) -> list[Claim]:
    """All eight claims, in the paper's order."""
    claims = (claim_1, claim_2, claim_3, claim_4, claim_5, claim_6, claim_7, claim_8)
    return [claim(evidence) for claim in claims]


def as_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Plain values, null for what is not a number."""
    return [score.plain(asdict(claim) | {"numbers": claim.numbers}) for claim in claims]
