"""Intervals of BLEU and of any contrast between rows, over test sentences and seeds; p-values of many comparisons."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from tzip.config import BASELINE
from tzip.report import score

ENDS = ("low", "high")


def holm(p_values: pd.Series) -> pd.Series:
    """p-values for as many comparisons, adjusted so that they judge all of them (Holm 1979); NaN is none of them."""
    ordered = p_values.dropna().sort_values()
    adjusted = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1.0)
    return adjusted.reindex(p_values.index)


class Resamples:
    """BLEU of a run's rows in resamples of one test set, and the 95 % interval of any contrast between rows.

    A thousand times, test sentences are drawn with replacement, the same for all rows and seeds, which all
    translated the same test set; and the seeds with replacement. With one seed the interval covers the
    sentences alone.
    """

    def __init__(self, counts: dict[str, list[np.ndarray]], samples: int, seed: int):
        """counts: `read_counts` of one test set; samples, seed: of the resamples."""
        self.point = {row: np.array([score.bleu(c.sum(axis=0)) for c in seeds]) for row, seeds in counts.items()}
        self.drawn = {
            row: np.array([score.bleu(score.resample(c, samples, seed)) for c in seeds])
            for row, seeds in counts.items()
        }
        seeds = len(self.point[BASELINE])
        self.seeds = np.random.default_rng(seed).integers(0, seeds, size=(seeds, samples))

    @classmethod
    def mean(cls, tests: Sequence["Resamples"]) -> "Resamples":
        """The mean BLEU of several test sets, each drawn for itself, of the same rows, seeds and number of samples."""
        result = cls.__new__(cls)
        result.point, result.drawn = (
            {row: np.mean([getattr(test, kind)[row] for test in tests], axis=0) for row in tests[0].point}
            for kind in ("point", "drawn")
        )
        result.seeds = tests[0].seeds
        return result

    def contrast(self, of: Callable[[dict[str, np.ndarray]], np.ndarray]) -> tuple[float, float, float]:
        """The mean over seeds of `of({row: BLEU})`, and its interval over seeds and sentences."""
        value, drawn = of(self.point).mean(), of(self.drawn)
        low, high = score.interval(np.take_along_axis(drawn, self.seeds, axis=0).mean(axis=0))
        return float(value), low, high

    def percent(self, row: str, other: str = BASELINE) -> tuple[float, float, float]:
        """What `row` keeps of the BLEU of the baseline, or of another row, in %; NaN where that is 0."""
        return self.contrast(lambda bleu: 100 * over(bleu[row], bleu[other]))

    def ends(self, row: str, control: str = "") -> dict[str, float]:
        """The intervals of a row, each as KEY_low and KEY_high, and control_percent itself; NaN without a control.

        KEY: bleu, percent (of the baseline's BLEU), difference (from it), control_percent (of the row `control`).
        """
        found = {
            "bleu": self.contrast(lambda bleu: bleu[row]),
            "percent": self.percent(row),
            "difference": self.contrast(lambda bleu: bleu[row] - bleu[BASELINE]),
            "control_percent": self.percent(row, control) if control else (np.nan, np.nan, np.nan),
        }
        ends = {
            f"{key}_{end}": value for key, (_, *both) in found.items() for end, value in zip(ENDS, both, strict=True)
        }
        return ends | {"control_percent": found["control_percent"][0]}


def over(values: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    return values / np.where(divisor > 0, divisor, np.nan)
