"""The paper's eight claims, each judged by a rule that is printed beside its verdict.

Every contrast gets one 95 % interval from a bootstrap that draws, a thousand times, the seeds with
replacement and the test sentences with replacement: the same sentences for all rows and seeds, since all
translated the same test set. With one seed the interval covers the sentences alone. A claim that names a value is
judged in a band around it, two-sided: to keep more is no agreement either. `verdicts` says how parts are judged, and
corrected for their number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tzip import options
from tzip.config import BASELINE
from tzip.report import clock, paper, resampling, score
from tzip.report.paper import ONE_BIT
from tzip.report.verdicts import (
    BY_CLOCK,
    FAILS,
    HOLDS,
    LEVEL,
    UNDECIDED,
    UNMEASURED,
    Claim,
    Part,
    at_least,
    at_most,
    corrected,
    within,
)

BAND = 2.0  # points of % of the baseline's BLEU, on either side of the paper's figure; the paper has no intervals
AS_PRINTED = 0.99  # of the ratio as printed: what a file must reach for the printed ratio to be true of it
GAP_8_4 = 100 * (27.65 - 27.38) / 28.09  # % of the baseline: how far 8-bit lies below 4-bit in the paper
SAME_MAPS = 0.05  # total variation: on average 5 % of a position's attention lies elsewhere
FASTER = 1.1  # times the baseline's words/s: closer than that is a shared machine's noise
SPARSE = 0.9  # of the weights: where the paper expected Gale's figures
ATTENTION_ONLY = ("kmeans-1bit-attention", "bs-flexible-attention")
SPEED = "Binarization is of interest for its speed: how fast it is, and how much it loses."
EQUAL_COMPRESSION = {"pruned-30-50": "kmeans-8bit", "pruned-50-80": "kmeans-4bit", "pruned-50-90": "kmeans-2bit"}


class Evidence(resampling.Resamples):
    """A run's rows: BLEU of every resample, ratios, attention; and the interval of any contrast between rows."""

    def __init__(
        self,
        counts: dict[str, list[np.ndarray]],
        scores: pd.DataFrame,
        attention: pd.DataFrame,
        options: score.Options,
        sparse: pd.DataFrame | None = None,
    ) -> None:
        """counts: `results.read_counts` of one test set; scores: `results.read_scores` of the same; attention:
        `results.read_attention`; sparse: `pruned`."""
        super().__init__(counts, options.samples, options.seed)
        self.sizes = scores.groupby("row")[["ratio_printed", "ratio_file", "file_bytes"]].mean().to_dict("index")
        self.attention = attention
        self.sparse = pruned({}, {}, {}) if sparse is None else sparse

    def has(self, *rows: str) -> bool:
        return all(row in self.point for row in rows)


def pruned(
    plans: Mapping[str, Mapping[str, str]], updates: Mapping[str, float], dev: Mapping[str, float]
) -> pd.DataFrame:
    """The rows that prune at least `SPARSE` of the baseline's linear weights: columns row, updates, dev.

    plans: `results.read_plans`; updates: of fine-tuning, per row; dev: BLEU on the development set, per row, nothing
    where it chooses nothing.
    """
    lines = []
    for row, plan in plans.items():
        end = options.parse(plan.get("prune") or "")[1].get("end", 0)
        if float(end) >= SPARSE and not plan.get("student") and plan.get("scope") != "attention":
            lines.append((row, updates.get(row, math.nan), dev.get(row, math.nan)))
    return pd.DataFrame(lines, columns=["row", "updates", "dev"])


def compared(what: str, contrast: tuple[float, float, float], judge: Callable, *ends: float, unit: str = "") -> Part:
    """The part that judges a value with its interval by `at_least`, `at_most` or `within` these ends."""
    verdict, p = judge(*contrast, *ends)
    return Part(what, verdict, *contrast, unit=unit, p=p)


def near(evidence: Evidence, row: str) -> Part:
    """`row` keeps what the paper prints for it, `BAND` points more or less."""
    printed = paper.TABLE_1[row].percent
    low, high = printed - BAND, printed + BAND
    what = f"{row} keeps {low:.2f} to {high:.2f} %"
    if not evidence.has(row):
        return Part(what, UNMEASURED)
    return compared(f"{what}: it keeps", evidence.percent(row), within, low, high, unit=" %")


def beats(evidence: Evidence, better: str, worse: str) -> Part:
    """BLEU of `better` minus that of `worse`: at least 0."""
    what = f"{better} − {worse}"
    if not evidence.has(better, worse):
        return Part(what, UNMEASURED)
    return compared(what, evidence.contrast(lambda bleu: bleu[better] - bleu[worse]), at_least, 0.0, unit=" BLEU")


def claim_1(evidence: Evidence) -> Claim:
    row = "kmeans-4bit"
    parts = [near(evidence, row)]
    if evidence.has(row):
        printed, in_file = (evidence.sizes[row][key] for key in ("ratio_printed", "ratio_file"))
        verdict = HOLDS if in_file >= AS_PRINTED * printed else FAILS
        parts.append(Part(f"arithmetic: {printed:.2f}x as the paper counts, in the file", verdict, in_file, unit="x"))
    return Claim(
        1,
        "4-bit k-means keeps 98.43 % of BLEU at 5.85x.",
        f"98.43 % of the baseline's BLEU, {BAND:g} points more or less; and, by arithmetic of shapes and bits that "
        f"needs no sample, the ratio in the file reaches {100 * AS_PRINTED:.0f} % of the ratio that the paper's way "
        "of counting gives for this model.",
        tuple(parts),
    )


def claim_2(evidence: Evidence) -> Claim:
    parts = []
    for suffix in ("-minibatch", ""):
        first, second = f"kmeans-8bit{suffix}", f"kmeans-4bit{suffix}"
        if evidence.has(first, second):
            difference = evidence.contrast(
                lambda bleu, a=first, b=second: 100 * resampling.over(bleu[a] - bleu[b], bleu[BASELINE])
            )
            part = compared(f"{first} − {second}", difference, at_most, 0.0, unit=" % of the baseline")
            if part.verdict != HOLDS:  # near enough to 0, the paper's gap can be excluded
                verdict, p = at_least(*difference, -GAP_8_4)
                part = replace(part, verdict=FAILS if verdict == HOLDS else UNDECIDED, p=p)
            parts.append(part if len(evidence.seeds) > 1 else replace(part, verdict=UNDECIDED))
    return Claim(
        2,
        "8-bit k-means scores below 4-bit (27.38 against 27.65).",
        "8-bit minus 4-bit, in % of the baseline's BLEU: holds if the interval lies below 0; does not hold "
        f"if it lies above −{GAP_8_4:.2f}, the paper's gap; undecided otherwise, and with one seed, "
        "which cannot tell the gap from the noise of fine-tuning. Rows of the paper's own optimizer "
        "(-minibatch) decide where the run has them.",
        tuple(parts) or (Part("kmeans-8bit − kmeans-4bit", UNMEASURED),),
        deciding=1,
    )


def claim_3(evidence: Evidence) -> Claim:
    parts = [near(evidence, row) for row in ONE_BIT]
    parts += [beats(evidence, "bs-flexible", "kmeans-1bit"), beats(evidence, "kmeans-1bit", "bs-fixed")]
    return Claim(
        3,
        "At 1 bit all schemes collapse to about 42 %; BS-Flexible ≥ k-means ≥ BS-Fixed.",
        f"Each of the three rows keeps what the paper prints for it, {BAND:g} points more or less, and each of the "
        "two differences is at least 0.",
        tuple(parts),
    )


def claim_4(evidence: Evidence) -> Claim:
    return Claim(
        4,
        "Binarizing the attention layers alone keeps 89–91 %.",
        f"Each of the two rows keeps what the paper prints for it, {BAND:g} points more or less.",
        tuple(near(evidence, row) for row in ATTENTION_ONLY),
    )


def claim_5(evidence: Evidence) -> Claim:
    parts = [near(evidence, row) for row in EQUAL_COMPRESSION]
    for row, quantized in EQUAL_COMPRESSION.items():
        part = beats(evidence, quantized, row)
        if part.verdict != UNMEASURED:
            small, large = (evidence.sizes[name]["file_bytes"] for name in (quantized, row))
            what = f"{quantized} − {row} ({small:,.0f} against {large:,.0f} bytes)"
            part = replace(part, what=what) if small <= large else Part(what, UNMEASURED)
        parts.append(part)
    return Claim(
        5,
        "Pruning keeps 94 / 89 / 33 % at 50 / 80 / 90 % and is worse than quantization at equal compression.",
        f"Each of the three rows keeps what the paper prints for it, {BAND:g} points more or less; and k-means at 8, "
        "4 and 2 bits scores at least as high as pruning to 50, 80 and 90 %, a pair counting only where the quantized "
        "file is no larger.",
        tuple(parts),
    )


def claim_6(evidence: Evidence) -> Claim:
    gale, rows = 100 * paper.GALE[0.9] / paper.GALE_DENSE, evidence.sparse
    if len(rows) > 1 and rows["dev"].isna().any():
        part = Part("several rows, and no development scores to choose one by", UNMEASURED)
    elif rows.empty:
        part = Part("rows pruned to 90 %", UNMEASURED)
    else:
        best = rows.loc[rows["dev"].idxmax()] if len(rows) > 1 else rows.iloc[0]
        what = f"{best['row']} keeps less than {gale:.1f} %: it keeps"
        part = compared(what, evidence.percent(best["row"]), at_most, gale, unit=" %")
        if part.verdict == HOLDS and not best["updates"] >= paper.UPDATES:
            short = "an unknown number" if math.isnan(best["updates"]) else f"{best['updates']:,.0f}"
            part = replace(part, verdict=f"undecided: {short} of the paper's {paper.UPDATES:,} updates")
    return Claim(
        6,
        "Gale et al. (2019) could not be matched: about 90 % of BLEU was expected at 90 % sparsity.",
        "The run's best row with at least 90 % of the linear weights pruned, by the development set, decides: does "
        f"not hold if it keeps at least {gale:.1f} %, what Gale's own table keeps ({paper.GALE_DENSE} to "
        f"{paper.GALE[0.9]}), after however few updates; holds if it keeps less after at least the paper's "
        f"{paper.UPDATES:,} updates; less after fewer updates decides nothing.",
        (part,),
    )


def claim_7(evidence: Evidence) -> Claim:
    parts = [_sharper(evidence.attention, row) for row in ONE_BIT]
    parts = [part for part in parts if part.verdict != UNMEASURED] or parts[:1]
    parts += [_same_maps(evidence.attention, row) for row in ("kmeans-8bit", "kmeans-4bit")]
    return Claim(
        7,
        "Attention gets sharper with compression; the 8- and 4-bit maps are almost those of the original.",
        "Encoder self-attention: the entropy of every binarized row that was looked at lies below the "
        "baseline's, by its interval over sentences, in every seed (above in every seed: does not hold); and "
        f"the 8- and 4-bit maps lie at most {SAME_MAPS} (total variation) from the baseline's in every seed.",
        tuple(parts),
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
    return _in_every_seed(what, maps["sharpness"] - base["sharpness"], low, high, 0.0, " nats")


def _same_maps(attention: pd.DataFrame, row: str) -> Part:
    what = f"{row}: distance from the baseline's maps"
    maps = attention[attention["row"] == row]
    if maps.empty:
        return Part(what, UNMEASURED)
    low, high = (maps[f"distance_{end}"].fillna(maps["distance"]) for end in ("low", "high"))
    return _in_every_seed(what, maps["distance"], low, high, SAME_MAPS)


def _in_every_seed(
    what: str, values: pd.Series, low: pd.Series, high: pd.Series, threshold: float, unit: str = ""
) -> Part:
    """At most `threshold` in every seed, or above it in every seed; the largest p-value of any; means are shown."""
    judged = [at_most(*seed, threshold) for seed in zip(values, low, high, strict=True)]
    verdicts, p = {verdict for verdict, _ in judged}, max(p for _, p in judged)
    verdict = verdicts.pop() if len(verdicts) == 1 else UNDECIDED
    return Part(what, verdict, values.mean(), low.mean(), high.mean(), unit, p)


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
        f"timings/claim8.md: at least {FASTER} times the baseline's words/s.",
        (*parts, Part("words/s", BY_CLOCK if parts else UNMEASURED)),
    )


def claim_8_by_clock(ratios: Mapping[str, Sequence[float]]) -> Claim:
    """The speed claim by `clock.read`: the median of each binarized row's rounds against `FASTER`."""
    parts = []
    for row in (row for row in ONE_BIT if row in ratios):
        what = f"{row}: times the baseline's words/s, median of {len(ratios[row])} rounds:"
        value, low, high = clock.median(ratios[row])
        p = clock.sign_test(ratios[row], FASTER)
        verdict = (HOLDS if value >= FASTER else FAILS) if p < LEVEL else UNDECIDED
        one = len(ratios[row]) == 1
        parts.append(Part(what, "undecided: one timing" if one else verdict, value, low, high, p=p))
    claim = Claim(
        8,
        SPEED,
        f"The median of the rounds is at least {FASTER} times the baseline's words/s: rows take turns on the same "
        "sentences, translating from the file, so that a round's ratio is of times next to each other. Brackets: 95 % "
        "interval of the median (order statistics); p: sign test, Holm-corrected for the rows. They cover what "
        "differs between rounds, not between machines.",
        tuple(parts) or (Part("binarized rows", UNMEASURED),),
    )
    return corrected([claim])[0]


def judge(evidence: Evidence) -> list[Claim]:
    """All eight claims, in the paper's order, the p-values of all their parts corrected together."""
    claims = (claim_1, claim_2, claim_3, claim_4, claim_5, claim_6, claim_7, claim_8)
    return corrected([claim(evidence) for claim in claims])
