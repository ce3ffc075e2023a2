"""A finished run in miniature, with all that figures and page are made of: scores real, sizes invented."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from tests.toys import commands
from tzip import files
from tzip.files import write_json
from tzip.report import results, score
from tzip.report.points import ROWS as PAPERS

WORDS = [f"w{i}" for i in range(40)]
OPTIONS = score.Options(samples=100, trials=100)
FAULTS = {  # how often a word is wrong, and the ratio as printed
    "baseline": (0.02, 1.0),
    "kmeans-8bit": (0.02, 2.92),
    "kmeans-4bit": (0.02, 5.85),
    "kmeans-2bit": (0.08, 11.69),
    "kmeans-1bit": (0.45, 23.37),
    "bs-fixed": (0.55, 23.37),
    "bs-flexible": (0.40, 23.37),
    "kmeans-1bit-attention": (0.03, 10.02),
    "bs-flexible-attention": (0.03, 10.02),
    "pruned-30-50": (0.03, 2.0),
    "pruned-50-80": (0.05, 5.0),
    "pruned-50-90": (0.50, 10.0),
}
ROOT = Path(__file__).parents[2]
ROWS = {"baseline": FAULTS["baseline"], "fp16": (0.02, 2.0)} | FAULTS
PIECES = ["▁Gut", "ach", ":", "▁Increase", "d", "▁safety", "▁for", "▁pedestrian", "s", "</s>"]
MIRROR = "/a/folder/of/this/machine"


def make_run(
    run: Path, rows: dict[str, tuple[float, float]], tests: tuple[str, ...] = ("t1",), seeds: tuple = (1,)
) -> Path:
    """A finished run, as the scripts leave one: translations with known faults, scored for real."""
    for test in tests:
        rng = random.Random(test)
        references = [" ".join(rng.choices(WORDS, k=rng.randint(5, 20))) for _ in range(150)]
        for seed in seeds:
            told = {row: corrupt(references, f"{test}{seed}{row}", rows[row][0]) for row in rows}
            for row, (_, ratio) in rows.items():
                report, counts = score.evaluate(told[row], references, OPTIONS, told["baseline"])
                write_json(results.place(run, seed, row, f"{test}.score.json"), report)
                score.write_statistics(results.place(run, seed, row, f"{test}.stats.npz"), counts)
                write_costs(run, seed, row, test, ratio)
    return run


def corrupt(lines: list[str], seed: str, fault: float) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(w if rng.random() > fault else rng.choice(WORDS) for w in line.split()) for line in lines]


def write_costs(run: Path, seed: int, row: str, test: str, ratio: float) -> None:
    in_file = 1 + (ratio - 1) * 0.4
    sizes: dict[str, Any] = {"baseline_bytes": 1_000_000, "file_bytes": round(1e6 / in_file)}
    sizes |= {"limit_bytes": round(0.99e6 / in_file), "ratio_printed": ratio}
    sizes |= {"ratio_file": in_file, "ratio_limit": in_file / 0.99}
    write_json(results.place(run, seed, row, "size.json"), sizes)
    spent = {"seconds_compress": 1.5 * seed, "seconds_finetune": 20.0, "peak_memory_mb": 300.0, "device": "cpu"}
    write_json(results.place(run, seed, row, "compress.json"), spent)
    speed = {"seconds": 2.0, "words_per_second": 1000.0 + 100 * seed, "peak_memory_mb": 200.0, "device": "cpu"}
    write_json(results.place(run, seed, row, f"{test}.time.json"), speed)


def write(run: Path, tests: tuple[str, ...] = ("flat", "hard"), seeds: tuple[int, ...] = (1, 2)) -> list[str]:
    """Write the run's files; returns the flags that every script which reads a run takes."""
    make_run(run, ROWS, tests, seeds)
    for seed in seeds:
        folder = run / f"seed-{seed}"
        write_json(folder / "training.json", {"seconds": 240.0, "peak_memory_mb": 812.0, "device": "CPU"})
        for number, row in enumerate(ROWS):
            made = files.read_json(folder / row / "compress.json")
            plan = {"quantize": "fp16", "scope": "all"} if row == "fp16" else {}
            if row in PAPERS:
                plan = {"prune" if row.startswith("pruned") else "quantize": PAPERS[row][1]}
                plan |= {"scope": "attention"} if row.endswith("attention") else {}
            write_json(folder / row / "compress.json", made | {"plan": plan})
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
            "config": {"name": run.name, "mirror": MIRROR, "seeds": list(seeds)},
        },
    )
    for job, seconds in (("train.seed-1", 60.0), ("compress.seed-1.baseline", 2.0)):
        measured = f"s\tmax_rss\tcpu_time\n{seconds}\t500.0\t{seconds}\n"
        files.write_text(run / "benchmarks" / f"{job}.tsv", measured)
    rows, numbers = ",".join(ROWS), ",".join(map(str, seeds))
    return ["--results", str(run), "--rows", rows, "--tests", ",".join(tests), "--seeds", numbers]


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
