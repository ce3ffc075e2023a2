"""BLEU and chrF of detokenized translations, and the statistics that judge a difference between two systems.

Every score is sacreBLEU's. Its counts per sentence (the sufficient statistics) are kept, so that any two variants can
be paired later. Resamples and the paired test are written here: sacreBLEU's take their seed from the environment and
hold all resamples of all sentences at once, and its test counts only differences *above* the observed one, so that two
systems with the same translations come out as different (p = 1 / (trials + 1)).
"""

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from tzip import files
from tzip.config import BASELINE, check_tokenizer
from tzip.options import option

DECIMALS = 6  # of what is written: beyond that, processors disagree about logarithms
CHUNK = 1 << 22  # resampled sentences held at once: 32 MB


@dataclass(frozen=True)
class Options:
    """Scoring: how translations are compared with references and with each other."""

    samples: int = option(1000, "bootstrap resamples behind every interval", low=40)
    trials: int = option(10000, "trials of the approximate randomization test behind every p-value", low=40)
    seed: int = option(12345, "seed of resamples and trials (sacrebleu's own default)", low=0)
    tokenize: str = option(
        "13a", "BLEU's tokenizer", choices=("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none")
    )


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file as `files.read_lines` reads them; a file without any is an error."""
    if not (lines := files.read_lines(path)):
        raise ValueError(f"{path}: no lines")
    return lines


def read_pair(hypotheses: str | Path, references: str | Path) -> tuple[list[str], list[str]]:
    """Two files of equally many lines; ValueError names both and their counts otherwise."""
    translations, expected = read_lines(hypotheses), read_lines(references)
    if len(translations) != len(expected):
        raise ValueError(f"{hypotheses}: {len(translations)} lines, but {references} has {len(expected)}")
    return translations, expected


def metrics(options: Options) -> dict[str, BLEU | CHRF]:
    """sacreBLEU's metrics by the name that they have in a score file."""
    check_tokenizer(options.tokenize)
    result = {
        "bleu": BLEU(tokenize=options.tokenize),
        "chrf": CHRF(),
        "bleu_lowercase": BLEU(tokenize=options.tokenize, lowercase=True),
    }
    for metric in result.values():
        metric.n_bootstrap, metric.seed = options.samples, options.seed  # for the signature
    return result


def statistics(metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """sacreBLEU's counts per sentence, int64 [N, S]: S = 10 for BLEU, 18 for chrF."""
    if len(hypotheses) != len(references) or not hypotheses:
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(references)} references")
    return np.array(metric._extract_corpus_statistics(hypotheses, [references]), np.int64)


def scores(metric: BLEU | CHRF, counts: np.ndarray) -> np.ndarray:
    """sacreBLEU's scores, 0 to 100, of the corpora with these counts: [..., S] → float64 [...]."""
    lines = counts.reshape(-1, counts.shape[-1]).tolist()
    return np.array([metric._compute_score_from_stats(line).score for line in lines]).reshape(counts.shape[:-1])


def bleu(counts: np.ndarray) -> np.ndarray:
    """BLEU-4 (Papineni et al. 2002) of corpus counts: [..., 10] → [...]; they are independent of the tokenizer."""
    return scores(BLEU(), counts)


def resample(counts: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Corpus counts of `samples` test sets drawn with replacement: int counts [N, S] → float64 [samples, S].

    One seed draws the same sentences whatever the system, so that systems can be paired; sacreBLEU draws the same
    ones. Sums of integers in float64 are exact, so no thread changes them.
    """
    sentences, rng = len(counts), np.random.default_rng(seed)
    values, parts = counts.astype(np.float64), []
    for rows in _chunks(samples, sentences):
        drawn = rng.integers(0, sentences, size=(rows, sentences)) + np.arange(rows)[:, None] * sentences
        times = np.bincount(drawn.ravel(), minlength=rows * sentences).reshape(rows, sentences)
        parts.append(times.astype(np.float64) @ values)
    return np.concatenate(parts)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of resampled values, by sacreBLEU's order statistics; NaN if any value is NaN."""
    if np.isnan(values).any():
        return float("nan"), float("nan")
    ordered, cut = np.sort(values), len(values) // 40
    return float(ordered[cut]), float(ordered[len(values) - cut - 1])


def p_value(system: np.ndarray, baseline: np.ndarray, trials: int, seed: int) -> float:
    """Two-sided p-value of a BLEU difference by approximate randomization (Riezler & Maxwell 2005).

    Each trial exchanges the two systems' translations [N, 10] of a random half of the sentences. Equals
    `sacrebleu --paired-ar`, except that ties count as chance: equal systems get 1 here, 0.0001 there.
    """
    exchanged = np.random.default_rng(seed).integers(2, size=(trials, len(system)), dtype=bool)
    total, change = (system + baseline).sum(axis=0), (baseline - system).astype(np.float64)
    observed, extreme, start = abs(bleu(system.sum(axis=0)) - bleu(baseline.sum(axis=0))), 0, 0
    for rows in _chunks(trials, len(system)):
        first = system.sum(axis=0) + exchanged[start : start + rows].astype(np.float64) @ change
        extreme += int((np.abs(bleu(first) - bleu(total - first)) >= observed - 1e-9).sum())
        start += rows
    return (extreme + 1) / (trials + 1)


def _chunks(rows: int, width: int) -> Iterator[int]:
    step = max(1, CHUNK // width)
    yield from (min(step, rows - start) for start in range(0, rows, step))


def compare(system: np.ndarray, baseline: np.ndarray, options: Options) -> dict[str, float]:
    """BLEU of `system` minus that of `baseline` on the same sentences, from their counts [N, 10]."""
    first, second = (bleu(resample(counts, options.samples, options.seed)) for counts in (system, baseline))
    low, high = interval(first - second)
    difference = float(bleu(system.sum(axis=0)) - bleu(baseline.sum(axis=0)))
    p = p_value(system, baseline, options.trials, options.seed)
    return {"difference": difference, "low": low, "high": high, "p_value": p}


def evaluate(
    hypotheses: Sequence[str],
    references: Sequence[str],
    options: Options,
    baseline: Sequence[str] | None = None,
    name: str = BASELINE,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The score file of these translations, and their counts per sentence for `write_statistics`.

    baseline: the translations to compare with (`paired` is null without); name: the system that made them.
    `references` in it is a checksum: what is scored by other references is not comparable.
    """
    report: dict[str, Any] = {"sentences": len(hypotheses), "seed": options.seed, "samples": options.samples}
    report["references"] = hashlib.sha256("\n".join(references).encode()).hexdigest()[:16]
    report |= {"signatures": {}, "paired": None}
    counts, used = {}, metrics(options)
    for key, metric in used.items():
        counts[key] = statistics(metric, hypotheses, references)
        report[key] = float(scores(metric, counts[key].sum(axis=0)))
        low, high = interval(scores(metric, resample(counts[key], options.samples, options.seed)))
        report |= {f"{key}_low": low, f"{key}_high": high}
        report["signatures"][key] = str(metric.get_signature())
    if baseline is not None:
        paired = compare(counts["bleu"], statistics(used["bleu"], baseline, references), options)
        report["paired"] = {"baseline": name, "trials": options.trials} | paired
    return plain(report), counts


def lines(report: dict[str, Any]) -> list[str]:
    """A score file for readers: BLEU and chrF with interval and signature, and the difference of the pair, if any."""
    text = []
    for metric in ("bleu", "chrf"):
        low, high = report[f"{metric}_low"], report[f"{metric}_high"]
        text.append(f"{report[metric]:6.2f}  [{low:.2f}, {high:.2f}]  {report['signatures'][metric]}")
    if paired := report["paired"]:
        low, high, against = paired["low"], paired["high"], paired["baseline"]
        difference = f"{paired['difference']:+6.2f}  [{low:+.2f}, {high:+.2f}]"
        text.append(f"{difference}  BLEU minus that of {against}; p = {paired['p_value']:.4f}")
    return text


def plain(value: Any) -> Any:
    """A value for a JSON file: numbers rounded to DECIMALS, null for NaN, in dictionaries and sequences too."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, DECIMALS)
    return value


def write_statistics(path: str | Path, counts: dict[str, np.ndarray]) -> None:
    """Counts per sentence as an .npz, so that any two variants can be paired later."""
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{key: value.astype(np.int32) for key, value in counts.items()})


def read_statistics(path: str | Path) -> dict[str, np.ndarray]:
    """The inverse of `write_statistics`; ValueError names a file that is not one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            counts = {key: archive[key].astype(np.int64) for key in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{path}: not a file of counts by sentence") from None
    if "bleu" not in counts or counts["bleu"].ndim != 2 or counts["bleu"].shape[1] != 10:
        raise ValueError(f"{path}: no counts for BLEU, [sentences, 10] expected")
    return counts
