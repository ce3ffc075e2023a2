"""The results of a run as data frames: one line per seed, row and test set; then one per row, over its seeds."""

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tzip import files
from tzip.config import BASELINE
from tzip.report import finetuning, resampling, score

SCORES = ("bleu", "bleu_low", "bleu_high", "bleu_lowercase", "chrf", "chrf_low", "chrf_high")
SIZES = ("file_bytes", "baseline_bytes", "limit_bytes", "side_bytes", "ratio_printed", "ratio_file", "ratio_limit")
COMPRESS = {
    "seconds_compress": "compress_seconds",
    "seconds_finetune": "finetune_seconds",
    "peak_memory_mb": "compress_memory_mb",
}
TRANSLATE = {
    "seconds": "translate_seconds",
    "words_per_second": "words_per_second",
    "peak_memory_mb": "translate_memory_mb",
}
ATTENTION = ("sharpness", "sharpness_low", "sharpness_high", "distance")
PAIRED = ("sharpness_change", "sharpness_change_low", "sharpness_change_high", "distance_low", "distance_high")


def place(run: str | Path, seed: int, row: str, file: str) -> Path:
    return Path(run) / f"seed-{seed}" / row / file


def load(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON object that has `keys`."""
    try:
        result = files.read_json(path)
    except FileNotFoundError:
        raise missing(path) from None
    for key in keys:
        if not isinstance(result, dict) or key not in result:
            raise ValueError(f"{path}: '{key}' is missing in it")
    return result


def missing(path: Path) -> ValueError:
    return ValueError(f"{path}: missing; has the run finished?")


def check_same(values: dict[Path, Any], what: str) -> None:
    """ValueError names two files whose values differ; None is the value of a file of an earlier revision."""
    known = {path: value for path, value in values.items() if value is not None}
    for path, value in known.items():
        first = next(iter(known))
        if value != known[first]:
            raise ValueError(f"{path} and {first} do not belong together: they have different {what}")


def _numbers(result: dict[str, Any], keys: Sequence[str], path: Path) -> dict[str, float]:
    for key in keys:
        if isinstance(result[key], bool) or not isinstance(result[key], (int, float)):
            raise ValueError(f"{path}: {key} = {result[key]!r} is not a number")
    return {key: result[key] for key in keys}


def _optional(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def read_scores(run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """One line per row, test set and seed, in the order given: scores, sizes, comparison with the baseline.

    Columns: row, test, seed, those of SCORES and SIZES, sentences, percent (of the same seed's baseline; NaN where
    that scored 0), difference, difference_low, difference_high, p_value, signature. ValueError names a file that is
    missing or is not what it should be.
    """
    if BASELINE not in rows:
        raise ValueError(f"rows: '{BASELINE}' must be among them, found {', '.join(rows) or 'none'}")
    references: dict[str, dict[Path, Any]] = {test: {} for test in tests}
    baselines: dict[int, dict[Path, Any]] = {seed: {} for seed in seeds}
    lines = []
    for row, test, seed in product(rows, tests, seeds):
        path, size = (place(run, seed, row, file) for file in (f"{test}.score.json", "size.json"))
        result, sizes = load(path, (*SCORES, "sentences", "signatures")), load(size, SIZES)
        references[test][path], baselines[seed][size] = result.get("references"), sizes.get("baseline")
        scores = _scores(result, path, row == BASELINE) | _numbers(sizes, SIZES, size)
        lines.append({"row": row, "test": test, "seed": seed} | scores)
    if not lines:
        raise ValueError("nothing to read: no test set or no seed given")
    for values in references.values():
        check_same(values, "references")
    for values in baselines.values():
        check_same(values, "baselines")
    frame = pd.DataFrame(lines)
    of_baseline = frame[frame["row"] == BASELINE].set_index(["test", "seed"])["bleu"].replace(0.0, np.nan)
    divisor = of_baseline.reindex(pd.MultiIndex.from_frame(frame[["test", "seed"]])).to_numpy()
    return frame.assign(percent=100 * frame["bleu"] / divisor)


def _scores(result: dict[str, Any], path: Path, is_baseline: bool) -> dict[str, Any]:
    """A score file's part of a line of `read_scores`."""
    paired = {} if is_baseline else result.get("paired") or {}
    if not isinstance(result["signatures"], dict) or not isinstance(paired, dict):
        raise ValueError(f"{path}: not a score file")
    return {
        **_numbers(result, (*SCORES, "sentences"), path),
        "difference": paired.get("difference", np.nan),
        "difference_low": paired.get("low", np.nan),
        "difference_high": paired.get("high", np.nan),
        "p_value": paired.get("p_value", np.nan),
        "signature": result["signatures"].get("bleu", ""),
    }


def summarize(frame: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Over seeds: one line per row and test set, in the order of `read_scores`, of which `frame` is.

    measured: `intervals` of the same rows, test sets and seeds, whose 95 % intervals are taken over. Means, except:
    seeds is their number; bleu_sd and percent_sd are standard deviations over seeds (n − 1; NaN for one seed);
    bleu_margin and percent_margin are half of the intervals; p_value is the largest of any seed, corrected for the
    number of rows that a test set compares with the baseline (`resampling.holm`).
    """
    lines = []
    for (row, test), group in frame.groupby(["row", "test"], sort=False):
        means = group.drop(columns=["row", "test", "seed", "signature"]).mean()
        line: dict[str, Any] = {"row": row, "test": test, "seeds": len(group)} | means.to_dict()
        line |= {"bleu_sd": group["bleu"].std(), "percent_sd": group["percent"].std()}
        lines.append(line | {"p_value": group["p_value"].max(), "signature": group["signature"].iloc[0]})
    summary = pd.DataFrame(lines)
    taken = measured.set_index(["row", "test"]).reindex(pd.MultiIndex.from_frame(summary[["row", "test"]]))
    summary = summary.assign(**{key: taken[key].to_numpy() for key in taken})
    summary = with_margins(summary)
    summary["p_value"] = summary.groupby("test", sort=False)["p_value"].transform(resampling.holm)
    return summary


def with_margins(summary: pd.DataFrame) -> pd.DataFrame:
    """Half of each interval; none of the baseline's percent, which is 100 by definition."""
    for key in ("bleu", "percent", "control_percent"):
        summary[f"{key}_margin"] = (summary[f"{key}_high"] - summary[f"{key}_low"]) / 2
    summary.loc[summary["row"] == BASELINE, "percent_margin"] = np.nan
    return summary


def intervals(
    run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int], control: str = ""
) -> pd.DataFrame:
    """95 % intervals over sentences and seeds, paired with the baseline: one line per row and test set.

    Columns: row, test, control; bleu, percent (of the baseline's BLEU), difference (from it) and control_percent (of
    the BLEU of the row `control`; NaN without one), each with _low and _high; control_percent itself. Resamples and
    their seed are those of the baseline's first score.
    """
    found = [(test, read_resamples(run, rows, test, seeds)) for test in tests]
    lines = [
        {"row": row, "test": test, "control": control} | of.ends(row, control) for test, of in found for row in rows
    ]
    return pd.DataFrame(lines)


def read_resamples(
    run: str | Path, rows: Sequence[str], test: str, seeds: Sequence[int], more: int = 0
) -> resampling.Resamples:
    """Of one test set, as often as in the baseline's first score, with its seed and `more`."""
    first = load(place(run, seeds[0], BASELINE, f"{test}.score.json"), ("samples", "seed"))
    return resampling.Resamples(read_counts(run, rows, test, seeds), first["samples"], first["seed"] + more)


def read(
    run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int], control: str = ""
) -> pd.DataFrame:
    """`summarize` of all that a run's files say of these rows, with `tuned`; `control` is one of them."""
    summary = summarize(read_scores(run, rows, tests, seeds), intervals(run, rows, tests, seeds, control))
    return tuned(summary, run, seeds[0])


def tuned(summary: pd.DataFrame, run: str | Path, seed: int) -> pd.DataFrame:
    """`summary` with each row's updates of fine-tuning (NaN where not recorded), and all of it in words: finetuning."""
    records = {row: load(place(run, seed, row, "compress.json")) for row in dict.fromkeys(summary["row"])}
    updates = summary["row"].map({row: _optional(record.get("updates")) for row, record in records.items()})
    told = summary["row"].map({row: finetuning.words(record) for row, record in records.items()})
    return summary.assign(updates=updates, finetuning=told)


def read_plans(run: str | Path, rows: Sequence[str], seed: int) -> dict[str, dict[str, str]]:
    """What each row stands for: student, scope, pruner and so on, as the command line spells them."""
    records = {row: load(place(run, seed, row, "compress.json"), ("plan",)) for row in rows}
    return {
        row: record["plan"] | {key: record.get(key, "") for key in ("student", "mixer")}
        for row, record in records.items()
    }


def read_counts(run: str | Path, rows: Sequence[str], test: str, seeds: Sequence[int]) -> dict[str, list[np.ndarray]]:
    """BLEU's counts per sentence: {row: one int64 [N, 10] per seed}, of the same N sentences everywhere."""
    counts: dict[str, list[np.ndarray]] = {row: [] for row in rows}
    for row, seed in product(rows, seeds):
        path = place(run, seed, row, f"{test}.stats.npz")
        if not path.exists():
            raise missing(path)
        counts[row].append(score.read_statistics(path)["bleu"])
        sentences, expected = len(counts[row][-1]), len(counts[rows[0]][0])
        if sentences != expected:
            raise ValueError(f"{path}: {sentences} sentences, {expected} expected")
    return counts


def read_costs(run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """What the clock and the memory said: one line per row, test set and seed.

    Columns: row, test, seed, device, the values of COMPRESS and TRANSLATE (NaN where not recorded).
    """
    lines = []
    for row, test, seed in product(rows, tests, seeds):
        compress = load(place(run, seed, row, "compress.json"))
        translate = load(place(run, seed, row, f"{test}.time.json"), ("words_per_second",))
        line = {"row": row, "test": test, "seed": seed, "device": str(translate.get("device", ""))}
        for result, names in ((compress, COMPRESS), (translate, TRANSLATE)):
            line |= {column: _optional(result.get(key)) for key, column in names.items()}
        lines.append(line)
    return pd.DataFrame(lines)


def summarize_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `read_costs`: one line per row and test set; words_per_second_sd beside."""
    groups = frame.groupby(["row", "test"], sort=False)
    summary = groups.agg(seeds=("seed", "size"), device=("device", "first"))
    summary = summary.join(groups[[*COMPRESS.values(), *TRANSLATE.values()]].mean())
    return summary.assign(words_per_second_sd=groups["words_per_second"].std()).reset_index()


def read_training(run: str | Path, seeds: Sequence[int]) -> pd.DataFrame:
    """The baselines' training: one line per seed with a training.json: seed, device, seconds, peak_memory_mb.

    An imported baseline was not trained here, and has no line.
    """
    lines = []
    for seed in seeds:
        path = Path(run) / f"seed-{seed}" / "training.json"
        if path.exists() and "imported" not in (record := load(path)):
            costs = [_optional(record.get(key)) for key in ("seconds", "peak_memory_mb")]
            lines.append((seed, str(record.get("device", "")), *costs))
    return pd.DataFrame(lines, columns=["seed", "device", "seconds", "peak_memory_mb"])


def read_attention(run: str | Path, rows: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Encoder self-attention of the rows that were looked at: one line per row and seed with attention.json.

    Rows whose encoder has no attention, or not the baseline's layers and heads, are left out. Columns: row, seed,
    ATTENTION and PAIRED (change of sharpness, and distance, with their intervals; NaN where absent).
    """
    lines = []
    check_attention(run, rows, seeds)
    for row, seed in product(rows, seeds):
        path = place(run, seed, row, "attention.json")
        if not path.exists() or "encoder" in (record := load(path)).get("left_out", {}):
            continue
        result = record.get("by_kind", {}).get("encoder", record)
        if absent := [key for key in ATTENTION if key not in result]:
            raise ValueError(f"{path}: '{absent[0]}' is missing in it")
        line = {"row": row, "seed": seed} | _numbers(result, ATTENTION, path)
        lines.append(line | {key: _optional(result.get(key)) for key in PAIRED})
    return pd.DataFrame(lines, columns=["row", "seed", *ATTENTION, *PAIRED])


def check_attention(run: str | Path, rows: Sequence[str], seeds: Sequence[int]) -> None:
    """ValueError if the rows of a seed were not compared with one baseline on the same sentences."""
    for seed in seeds:
        paths = [place(run, seed, row, "attention.json") for row in rows]
        records = {path: load(path) for path in paths if path.exists()}
        for key in ("baseline", "source", "target"):
            check_same({path: record.get(key) for path, record in records.items()}, f"{key}s")


def provenance(record: dict[str, Any]) -> list[str]:
    """What produced a table, in lines for its foot: of `provenance.json`, what does not change by the clock.

    Keys, each optional: revision (git), dirty (bool), configuration (SHA-256), config (its changes_after_test), data
    ({file: SHA-256}), device. Checksums are cut to 12 digits here; the file has them whole.
    """
    revision, configuration = (record.get(key, "")[:12] for key in ("revision", "configuration"))
    sums = ", ".join(f"{name} {value[:12]}" for name, value in sorted(record.get("data", {}).items()))
    changes = record.get("config", {}).get("changes_after_test")
    seen = "" if changes is None else f", changed {times(changes)} after a test score of it was seen"
    facts = {
        "git revision": revision and revision + (" with uncommitted changes" if record.get("dirty") else ""),
        "configuration": configuration and f"sha256 {configuration}{seen}",
        "device": record.get("device"),
        "data": sums and f"sha256 {sums}",
    }
    return [f"{name}: {value}" for name, value in facts.items() if value]


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which run is read, and which of its results."""

    def names(value: str) -> list[str]:
        return value.split(",")

    def numbers(value: str) -> list[int]:
        return [int(item) for item in value.split(",")]

    parser.add_argument("--results", type=Path, required=True, help="the run's folder, results/NAME")
    parser.add_argument("--rows", type=names, required=True, help="variants, in the tables' order: a,b,c")
    parser.add_argument("--tests", type=names, required=True, help="test sets, Table 1's first: x,y")
    parser.add_argument("--seeds", type=numbers, required=True, help="seeds to aggregate over: 1,2,3")
    parser.add_argument("--control", default="", help="the row of fine-tuned, uncompressed weights [none]")
    parser.add_argument("--provenance", type=Path, help="the run's provenance.json, for the tables' foot")
    parser.add_argument("--note", default="", help="said first under every table, such as: synthetic corpus")


def arguments(
    description: str | None, *more: Callable[[argparse.ArgumentParser], object], output: str = "folder for the tables"
) -> argparse.Namespace:
    """The parsed command line of a script that reads a run: `add_arguments`, what `more` adds, and --output."""
    parser = argparse.ArgumentParser(description=description)
    for add in (add_arguments, *more):
        add(parser)
    parser.add_argument("--output", type=Path, required=True, help=output)
    return parser.parse_args()


def notes(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """What stands first under every table (the user's note, if any) and what stands last (what produced the run)."""
    return [args.note] if args.note else [], provenance(load(args.provenance) if args.provenance else {})
