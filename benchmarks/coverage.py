"""How often a 95 % interval of the tables covers the true value, when fine-tuning with another seed gives another BLEU.

    python benchmarks/coverage.py

Simulated translations whose true scores are known: words are right or wrong, easily in some sentences and hardly in
others, and mostly the same words in both systems. Each trial draws a test set, and for each seed a system whose BLEU
differs from the mean system's by a normal deviation. `tzip.report.resampling` computes the intervals, as for any run.
What the two systems do not share is a matter of luck: the same luck for all seeds of a system (alike = 1), or of each
seed (alike = 0). Real seeds lie between; of one seed it makes no difference.
"""

import argparse
import itertools
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from tzip.report import resampling, score

LONGEST, ORDER = 24, 4  # words of a sentence, n-grams of BLEU
SHARED = 0.94  # correlation of the two systems' errors
EASE, SPREAD = 0.55, 0.7  # of a sentence's words, on the scale of a standard normal: mean and standard deviation
LOST = 0.15  # by the compressed system, on the same scale
POPULATION = 100_000  # sentences behind what is called true


class Text:
    """Sentences with what makes their words hard for every system: random numbers, drawn once."""

    def __init__(self, sentences: int, rng: np.random.Generator):
        self.lengths = rng.integers(5, LONGEST + 1, sentences)
        self.ease = rng.normal(EASE, SPREAD, (sentences, 1))
        self.common, *self.system = rng.normal(size=(3, sentences, LONGEST))

    def counts(self, system: int, skill: float, alike: float, rng: np.random.Generator) -> np.ndarray:
        """BLEU's counts per sentence of one seed of system 0 or 1, int64 [sentences, 10], in sacreBLEU's order."""
        own = np.sqrt(alike) * self.system[system] + np.sqrt(1 - alike) * rng.normal(size=self.common.shape)
        right = np.sqrt(SHARED) * self.common + np.sqrt(1 - SHARED) * own < self.ease + skill
        right &= np.arange(LONGEST) < self.lengths[:, None]
        correct, windows = [], right
        for order in range(ORDER):
            windows = windows[:, 1:] & right[:, : LONGEST - order] if order else right
            correct.append(windows.sum(1))
        total = [np.maximum(self.lengths - order, 0) for order in range(ORDER)]
        return np.stack([self.lengths, self.lengths, *correct, *total], 1).astype(np.int64)


def true_scores(skills: Sequence[float], seed: int) -> list[float]:
    """BLEU of systems of these skills on the whole population."""
    result = []
    for skill in skills:
        rng = np.random.default_rng(seed)  # the same sentences and the same luck for each
        result.append(float(score.bleu(Text(POPULATION, rng).counts(0, skill, 0.0, rng).sum(0))))
    return result


def simulate(
    deviation: float, seeds: int, alike: float, *, sentences: int, samples: int, trials: int, seed: int
) -> dict[str, float]:
    """Shares of the trials whose intervals cover the truth, and the standard error of a difference over sentences.

    deviation: standard deviation of BLEU over seeds; alike: the share of luck that a system's seeds have in common.
    Keys: difference, percent, error.
    """
    step = 0.02
    base, low, middle, high = true_scores([0.0, -LOST - step, -LOST, -LOST + step], seed)
    per_bleu = 2 * step / (high - low)
    # The mean over seeds is that at the deciles of a normal distribution: BLEU is not quite linear in skill.
    deciles = [NormalDist().inv_cdf((i + 0.5) / 10) for i in range(10)]
    skills = [-LOST + deviation * per_bleu * z for z in deciles]
    mean = float(np.mean(true_scores(skills, seed))) if deviation else middle
    covered, errors = {"difference": 0, "percent": 0}, []
    for trial in range(trials):
        rng = np.random.default_rng([seed, trial])
        text = Text(sentences, rng)
        shifts = rng.normal(0, deviation * per_bleu, seeds)
        counts = {
            "baseline": [text.counts(0, 0.0, alike, rng) for _ in range(seeds)],
            "row": [text.counts(1, -LOST + shift, alike, rng) for shift in shifts],
        }
        resamples = resampling.Resamples(counts, samples, trial)
        _, *difference = resamples.contrast(lambda bleu: bleu["row"] - bleu["baseline"])
        _, *percent = resamples.percent("row")
        covered["difference"] += difference[0] <= mean - base <= difference[1]
        covered["percent"] += percent[0] <= 100 * mean / base <= percent[1]
        errors.append((resamples.drawn["row"] - resamples.drawn["baseline"])[0].std())
    return {key: count / trials for key, count in covered.items()} | {"error": float(np.mean(errors))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deviations", type=float, nargs="+", default=[0.0, 0.3, 0.6], help="of BLEU over seeds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3], help="numbers of seeds")
    parser.add_argument("--alike", type=float, nargs="+", default=[0.0, 1.0], help="luck that seeds share, 0 to 1")
    parser.add_argument("--sentences", type=int, default=1000, help="of the test set")
    parser.add_argument("--samples", type=int, default=200, help="resamples behind an interval")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    drawn = {"sentences": args.sentences, "samples": args.samples, "trials": args.trials, "seed": args.seed}
    print("SD over seeds  seeds  alike  covers the difference  covers the %  SE over sentences")
    for deviation, seeds in itertools.product(args.deviations, args.seeds):
        for alike in args.alike[: None if seeds > 1 else 1]:
            found = simulate(deviation, seeds, alike, **drawn)
            print(
                f"{deviation:8.1f} BLEU  {seeds:5d}  {alike:5g}  {100 * found['difference']:19.1f} %"
                f"  {100 * found['percent']:10.1f} %  {found['error']:12.2f} BLEU",
                flush=True,
            )


if __name__ == "__main__":
    main()
