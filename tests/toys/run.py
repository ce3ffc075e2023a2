"""A finished run in miniature, with all that figures and page are made of: scores real, sizes invented."""

import random
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tests.toys import commands
from tzip import files
from tzip.files import write_json
from tzip.report import results, score
from tzip.report.paper import ONE_BIT, TABLE_1

WORDS = [f"w{i}" for i in range(40)]
OPTIONS = score.Options(samples=100, trials=100)
WRONG = {  # how often a word of a row's translations is wrong
    **{"baseline": 0.02, "kmeans-8bit": 0.02, "kmeans-4bit": 0.02, "kmeans-2bit": 0.08, "kmeans-1bit": 0.45},
    **{"bs-fixed": 0.55, "bs-flexible": 0.40, "kmeans-1bit-attention": 0.03, "bs-flexible-attention": 0.03},
    **{"pruned-30-50": 0.03, "pruned-50-80": 0.05, "pruned-50-90": 0.50},
}
FAULTS = {row: (wrong, TABLE_1[row].ratio) for row, wrong in WRONG.items()}  # with the ratio as printed
ROOT = Path(__file__).parents[2]
TESTS, SEEDS = ("flat", "hard"), (1, 2)
ROWS = {"baseline": FAULTS["baseline"], "fp16": (0.02, 2.0)} | FAULTS
FINETUNE = {"batch_tokens": 512, "accumulate": 2, "schedule": "linear", "learning_rate": 0.001, "teacher": 0.0}
PIECES = ["▁Gut", "ach", ":", "▁Increase", "d", "▁safety", "▁for", "▁pedestrian", "s", "</s>"]
MIRROR = "/a/folder/of/this/machine"


def make_run(
    run: Path, rows: dict[str, tuple[float, float]], tests: Sequence[str] = ("flat",), seeds: Sequence[int] = (1,)
) -> Path:
    """A run's scores, sizes and times, as the scripts leave them: translations with known faults, scored for real."""
    for test in tests:
        rng = random.Random(test)
        references = [" ".join(rng.choices(WORDS, k=rng.randint(5, 20))) for _ in range(150)]
        for seed in seeds:
            texts = {row: corrupt(references, f"{test}{seed}{row}", rows[row][0]) for row in rows}
            for row, (_, ratio) in rows.items():
                report, counts = score.evaluate(texts[row], references, OPTIONS, texts["baseline"])
                write_json(results.place(run, seed, row, f"{test}.score.json"), report)
                score.write_statistics(results.place(run, seed, row, f"{test}.stats.npz"), counts)
                write_costs(run, seed, row, test, ratio)
    return run


def flags(
    run: Path, rows: Iterable[str] = ROWS, tests: Sequence[str] = TESTS, seeds: Sequence[int] = SEEDS
) -> list[str]:
    """The flags that every script which reads a run takes."""
    chosen = {"--rows": ",".join(rows), "--tests": ",".join(tests), "--seeds": ",".join(map(str, seeds))}
    return ["--results", str(run), *chain.from_iterable(chosen.items())]


def corrupt(lines: list[str], seed: str, fault: float) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(w if rng.random() > fault else rng.choice(WORDS) for w in line.split()) for line in lines]


def write_costs(run: Path, seed: int, row: str, test: str, ratio: float) -> None:
    in_file = 1 + (ratio - 1) * 0.4
    sizes: dict[str, Any] = {"baseline_bytes": 1_000_000, "file_bytes": round(1e6 / in_file)}
    sizes |= {"limit_bytes": round(0.99e6 / in_file), "side_bytes": 5000, "ratio_printed": ratio}
    sizes |= {"ratio_file": in_file, "ratio_limit": in_file / 0.99}
    write_json(results.place(run, seed, row, "size.json"), sizes)
    spent = {"seconds_compress": 1.5 * seed, "seconds_finetune": 20.0, "peak_memory_mb": 300.0, "device": "cpu"}
    write_json(results.place(run, seed, row, "compress.json"), spent)
    speed = {"seconds": 2.0, "words_per_second": 1000.0 + 100 * seed, "peak_memory_mb": 200.0, "device": "cpu"}
    write_json(results.place(run, seed, row, f"{test}.time.json"), speed)


def write(run: Path) -> None:
    """Write a finished run's files: every row of ROWS, on TESTS, for SEEDS."""
    make_run(run, ROWS, TESTS, SEEDS)
    for seed in SEEDS:
        folder = run / f"seed-{seed}"
        turns = {row: [2.0] * 8 for row in ROWS if row == "baseline" or row in ONE_BIT}
        write_json(folder / "rounds.json", {"seconds": turns})
        write_json(folder / "training.json", {"seconds": 240.0, "peak_memory_mb": 812.0, "device": "CPU"})
        for number, row in enumerate(ROWS):
            costs = files.read_json(folder / row / "compress.json")
            plan = {"quantize": "fp16", "scope": "all"} if row == "fp16" else {}
            if row in TABLE_1 and row != "baseline":
                plan = {"prune" if row.startswith("pruned") else "quantize": TABLE_1[row].method}
                plan |= {"scope": "attention"} if row.endswith("attention") else {}
            tuned = {"updates": 20, "finetune": FINETUNE} if plan and row != "fp16" else {"updates": 0}
            write_json(folder / row / "compress.json", costs | {"plan": plan} | tuned)
            write_attention(folder / row, number, seed)
    split = {"read": 1000, "empty": 3, "too_long": 7, "duplicate": 40, "kept": 950}
    filters = ["empty", "too_long", "duplicate"]
    write_json(run / "data" / "cleaning.json", {"filters": filters, "train": split, "tests": {}})
    write_json(
        run / "provenance.json",
        {
            "revision": "0123456789abcdef0123456789abcdef01234567",
            "dirty": True,
            "configuration": "c" * 64,
            "device": "1 CPU thread",
            "platform": "Linux",
            "python": "3.11.2",
            "packages": {"tzip": "0.1.0", "torch": ""},
            "data": {"train.en": "a" * 64, "train.de": "b" * 64},
            "config": {"name": run.name, "mirror": MIRROR, "seeds": SEEDS},
        },
    )
    for job, seconds in (("train.seed-1", 60.0), ("compress.seed-1.baseline", 2.0)):
        measured = f"s\tmax_rss\tcpu_time\n{seconds}\t500.0\t{seconds}\n"
        files.write_text(run / "benchmarks" / f"{job}.tsv", measured)


def write_attention(folder: Path, number: int, seed: int) -> None:
    """Maps and their measures, sharper and farther from the baseline's with each row."""
    rng = np.random.default_rng([seed, number])
    kinds = {}
    for shift, kind in enumerate(("encoder", "decoder", "cross")):
        entropy = 1.6 - 0.3 * shift - 0.03 * number + 0.01 * rng.normal()
        middles = {"sharpness": entropy, "sharpness_change": -0.03 * number, "distance": 0.01 * number}
        ends = {"_low": -0.01, "": 0.0, "_high": 0.01}
        kinds[kind] = {key + end: value + by for key, value in middles.items() for end, by in ends.items()}
    write_json(folder / "attention.json", {**kinds["encoder"], "by_kind": kinds, "sentences": 60})
    scores = np.exp((2 + 0.2 * number) * rng.normal(size=(2, 4, len(PIECES), len(PIECES))))
    maps = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
    with files.replacing(folder / "attention.npz") as path, open(path, "wb") as file:
        np.savez_compressed(file, source=PIECES, encoder=maps)


def script(name: str, *arguments: str | Path) -> tuple[int, str]:
    """Run one of the workflow's scripts in this process; exit status and stderr."""
    done = commands.script(name, *arguments)
    return done.returncode, done.stderr
