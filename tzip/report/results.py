"""The files of a run as data frames: one line a seed, row and test set; then one a row, over its seeds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tzip import files
from tzip.report import score
from tzip.report.paper import BASELINE

SCORES = ("bleu", "bleu_low", "bleu_high", "bleu_lowercase", "chrf", "chrf_low", "chrf_high")
SIZES = ("file_bytes", "baseline_bytes", "limit_bytes", "ratio_printed", "ratio_file", "ratio_limit")
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


def find_seeds(run: str | Path) -> list[int]:
    """The seeds that `run` has folders of, ascending; ValueError where there is none."""
    found = [re.fullmatch(r"seed-(\d+)", path.name) for path in Path(run).glob("seed-*")]
    if not any(found):
        raise ValueError(f"{run}: no folder seed-* in it")
    return sorted(int(match.group(1)) for match in found if match)


def place(run: str | Path, seed: int, row: str, file: str) -> Path:
    return Path(run) / f"seed-{seed}" / row / file


def read_scores(run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """One line a row, test set and seed, in the order given: scores, sizes, comparison with the baseline.

    Columns: row, test, seed, those of SCORES and SIZES, sentences, percent (of the same seed's baseline;
    NaN where that scored 0), difference, difference_low, difference_high, p_value, signature. A file that
    is missing or is not what it should be ends in a ValueError that names it.
    """
    if BASELINE not in rows:
        raise ValueError(f"rows: '{BASELINE}' must be among them, found {', '.join(rows) or 'none'}")
    lines = [_scores(run, row, test, seed) for row in rows for test in tests for seed in seeds]
    if not lines:
        raise ValueError("nothing to read: no test set or no seed given")
    frame = pd.DataFrame(lines)
    is_baseline = frame["row"] == BASELINE
    of_baseline = frame[is_baseline].set_index(["test", "seed"])["bleu"].replace(0.0, np.nan)
    divisor = of_baseline.reindex(pd.MultiIndex.from_frame(frame[["test", "seed"]])).to_numpy()
    return frame.assign(percent=100 * frame["bleu"] / divisor)


def _scores(run: str | Path, row: str, test: str, seed: int) -> dict[str, Any]:
    path = place(run, seed, row, f"{test}.score.json")
    found = load(path, (*SCORES, "sentences", "signatures"))
    sizes = load(place(run, seed, row, "size.json"), SIZES)
    paired = {} if row == BASELINE else found.get("paired") or {}
    if not isinstance(found["signatures"], dict) or not isinstance(paired, dict):
        raise ValueError(f"{path}: not a score file")
    return {
        "row": row,
        "test": test,
        "seed": seed,
        **{key: _number(found, key, path) for key in (*SCORES, "sentences")},
        **{key: _number(sizes, key, path.parent / "size.json") for key in SIZES},
        "difference": paired.get("difference", np.nan),
        "difference_low": paired.get("low", np.nan),
        "difference_high": paired.get("high", np.nan),
        "p_value": paired.get("p_value", np.nan),
        "signature": found["signatures"].get("bleu", ""),
    }


def read_plans(run: str | Path, rows: Sequence[str], seed: int) -> dict[str, dict[str, str]]:
    """What each row stands for: student, scope, pruner and so on, as the command line spells them."""
    found = {row: load(place(run, seed, row, "compress.json"), ("plan",)) for row in rows}
    others = ("student", "mixer")
    return {row: one["plan"] | {key: one.get(key, "") for key in others} for row, one in found.items()}


def load(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has `keys`."""
    try:
        found = files.read_json(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: missing; has the run finished?") from None
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"{path}: '{key}' is missing in it")
    return found


def _number(found: dict[str, Any], key: str, path: Path) -> float:
    value = found[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{path}: {key} = {value!r} is not a number")
    return value


def summarize(frame: pd.DataFrame) -> pd.DataFrame:
    """Over seeds: one line a row and test set, in the order of `read_scores`.

    Means, except: seeds is their number; bleu_sd and percent_sd are standard deviations over seeds (n − 1;
    NaN for one seed); bleu_low and bleu_high are the means of the bootstrap intervals; bleu_margin is
    bleu_sd, or with one seed half the interval; p_value is the largest of any seed.
    """
    lines = []
    for (row, test), group in frame.groupby(["row", "test"], sort=False):
        numbers = group.drop(columns=["row", "test", "seed", "signature"])
        line: dict[str, Any] = {"row": row, "test": test, "seeds": len(group)} | numbers.mean().to_dict()
        line |= {"bleu_sd": group["bleu"].std(), "percent_sd": group["percent"].std()}
        line["bleu_margin"] = line["bleu_sd"] if len(group) > 1 else (line["bleu_high"] - line["bleu_low"]) / 2
        line |= {"p_value": group["p_value"].max(), "signature": group["signature"].iloc[0]}
        lines.append(line)
    return pd.DataFrame(lines)


def read_costs(run: str | Path, rows: Sequence[str], tests: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """What the clock and the memory said: one line a row, test set and seed.

    Columns: row, test, seed, device, the values of COMPRESS and TRANSLATE (NaN where not recorded).
    """
    lines = []
    for row in rows:
        for test in tests:
            for seed in seeds:
                compress = load(place(run, seed, row, "compress.json"), ())
                translate = load(place(run, seed, row, f"{test}.time.json"), ("words_per_second",))
                line = {"row": row, "test": test, "seed": seed, "device": str(translate.get("device", ""))}
                line |= {column: _seconds(compress.get(key)) for key, column in COMPRESS.items()}
                line |= {column: _seconds(translate.get(key)) for key, column in TRANSLATE.items()}
                lines.append(line)
    return pd.DataFrame(lines)


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def summarize_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `read_costs`: one line a row and test set; words_per_second_sd beside."""
    columns = [*COMPRESS.values(), *TRANSLATE.values()]
    lines = []
    for (row, test), group in frame.groupby(["row", "test"], sort=False):
        line = {"row": row, "test": test, "seeds": len(group), "device": group["device"].iloc[0]}
        line |= group[columns].mean().to_dict()
        lines.append(line | {"words_per_second_sd": group["words_per_second"].std()})
    return pd.DataFrame(lines)


def read_training(run: str | Path, seeds: Sequence[int]) -> pd.DataFrame:
    """The baselines' training: a line a seed with a training.json: seed, device, seconds, peak_memory_mb.

    One that was imported was not trained, and has none.
    """
    lines = []
    for seed in seeds:
        path = Path(run) / f"seed-{seed}" / "training.json"
        if path.exists():
            found = load(path, ())
            if "imported" in found:
                continue
            numbers = {key: _seconds(found.get(key)) for key in ("seconds", "peak_memory_mb")}
            lines.append({"seed": seed, "device": str(found.get("device", ""))} | numbers)
    return pd.DataFrame(lines, columns=["seed", "device", "seconds", "peak_memory_mb"])


def read_counts(run: str | Path, rows: Sequence[str], test: str, seeds: Sequence[int]) -> dict[str, list[np.ndarray]]:
    """BLEU's counts by sentence: {row: one int64 [N, 10] a seed}, of the same N sentences everywhere."""
    found, sentences = {}, None
    for row in rows:
        found[row] = []
        for seed in seeds:
            path = place(run, seed, row, f"{test}.stats.npz")
            if not path.exists():
                raise ValueError(f"{path}: missing; has the run finished?")
            counts = score.read_statistics(path)["bleu"]
            sentences = len(counts) if sentences is None else sentences
            if len(counts) != sentences:
                raise ValueError(f"{path}: {len(counts)} sentences, {sentences} expected")
            found[row].append(counts)
    return found


def read_attention(run: str | Path, rows: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Encoder self-attention of the rows that were looked at: one line a row and seed with attention.json.

    Rows whose encoder has no attention, or not the baseline's layers and heads, are left out. Columns: row,
    seed, ATTENTION, and sharpness_change, distance with _low and _high (NaN where absent).
    """
    optional = (
        "sharpness_change",
        "sharpness_change_low",
        "sharpness_change_high",
        "distance_low",
        "distance_high",
    )
    lines = []
    for row in rows:
        for seed in seeds:
            path = place(run, seed, row, "attention.json")
            if not path.exists():
                continue
            found = load(path, ())
            if "encoder" in found.get("left_out", {}):
                continue
            found = found.get("by_kind", {}).get("encoder", found)
            if missing := [key for key in ATTENTION if key not in found]:
                raise ValueError(f"{path}: '{missing[0]}' is missing in it")
            line = {"row": row, "seed": seed} | {key: _number(found, key, path) for key in ATTENTION}
            lines.append(line | {key: _seconds(found.get(key)) for key in optional})
    return pd.DataFrame(lines, columns=["row", "seed", *ATTENTION, *optional])


def provenance(found: dict[str, Any] | None) -> list[str]:
    """What produced a table, in lines for its foot: of `provenance.json`, what does not change by the clock.

    Keys, each optional: revision (git), dirty (bool), configuration (SHA-256), data ({file: SHA-256}),
    device. Checksums are cut to 12 digits here; the file has them whole.
    """
    found = found or {}
    lines = []
    if found.get("revision"):
        dirty = " with uncommitted changes" if found.get("dirty") else ""
        lines.append(f"git revision: {str(found['revision'])[:12]}{dirty}")
    if found.get("configuration"):
        lines.append(f"configuration: sha256 {str(found['configuration'])[:12]}")
    if found.get("device"):
        lines.append(f"device: {found['device']}")
    if isinstance(found.get("data"), dict) and found["data"]:
        sums = ", ".join(f"{name} {str(value)[:12]}" for name, value in sorted(found["data"].items()))
        lines.append(f"data: sha256 {sums}")
    return lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every script that reads a run's results asks for."""

    def names(value: str) -> list[str]:
        return value.split(",")

    def numbers(value: str) -> list[int]:
        return [int(item) for item in value.split(",")]

    parser.add_argument("--results", type=Path, required=True, help="the run's folder, results/NAME")
    parser.add_argument("--rows", type=names, required=True, help="variants, in the tables' order: a,b,c")
    parser.add_argument("--tests", type=names, required=True, help="test sets, Table 1's first: x,y")
    parser.add_argument("--seeds", type=numbers, required=True, help="seeds to aggregate over: 1,2,3")
    parser.add_argument("--provenance", type=Path, help="the run's provenance.json, for the tables' foot")
    parser.add_argument("--note", default="", help="said first under every table, such as: synthetic corpus")


def notes(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The note that the user gave, if any, and what produced the run."""
    found = load(args.provenance, ()) if args.provenance else None
    return [args.note] if args.note else [], provenance(found)
