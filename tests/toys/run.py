"""A finished run in miniature, with all that figures and page are made of: scores real, sizes invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.report.test_results import FAULTS, make_run
from tests.toys import commands
from tzip import files
from tzip.report.points import ROWS as PAPERS

ROOT = Path(__file__).parents[2]
ROWS = {"baseline": FAULTS["baseline"], "fp16": (0.02, 2.0)} | FAULTS
PIECES = ["▁Gut", "ach", ":", "▁Increase", "d", "▁safety", "▁for", "▁pedestrian", "s", "</s>"]
MIRROR = "/a/folder/of/this/machine"


def write(run: Path, tests: tuple[str, ...] = ("flat", "hard"), seeds: tuple[int, ...] = (1, 2)) -> list[str]:
    """Write the run's files; returns the flags that every script which reads a run takes."""
    make_run(run, ROWS, tests, seeds)
    for seed in seeds:
        folder = run / f"seed-{seed}"
        files.write_json(folder / "training.json", {"seconds": 240.0, "peak_memory_mb": 812.0, "device": "CPU"})
        for number, row in enumerate(ROWS):
            made = files.read_json(folder / row / "compress.json")
            plan = {"quantize": "fp16", "scope": "all"} if row == "fp16" else {}
            if row in PAPERS:
                plan = {"prune" if row.startswith("pruned") else "quantize": PAPERS[row][1]}
                plan |= {"scope": "attention"} if row.endswith("attention") else {}
            files.write_json(folder / row / "compress.json", made | {"plan": plan})
            write_attention(folder / row, number, seed)
    split = {"read": 1000, "empty": 3, "too_long": 7, "duplicate": 40, "kept": 950}
    filters = ["empty", "too_long", "duplicate"]
    files.write_json(run / "data" / "cleaning.json", {"filters": filters, "train": split, "tests": {}})
    files.write_json(run / "provenance.json", {
        "revision": "0123456789abcdef0123456789abcdef01234567", "dirty": True, "configuration": "c" * 64,
        "device": "1 CPU thread", "platform": "Linux", "python": "3.11.2",
        "packages": {"tzip": "0.1.0", "torch": ""}, "data": {"train.en": "a" * 64, "train.de": "b" * 64},
        "config": {"name": run.name, "mirror": MIRROR, "seeds": list(seeds)},
    })  # fmt: skip
    for job, seconds in (("train.seed-1", 60.0), ("compress.seed-1.baseline", 2.0)):
        measured = f"s\tmax_rss\tcpu_time\n{seconds}\t500.0\t{seconds}\n"
        files.write_text(run / "benchmarks" / f"{job}.tsv", measured)
    return ["--results", str(run), "--rows", ",".join(ROWS), "--tests", ",".join(tests),
            "--seeds", ",".join(map(str, seeds))]  # fmt: skip


def write_attention(folder: Path, number: int, seed: int) -> None:
    """Maps and their measures, sharper and farther from the baseline's with each row."""
    rng = np.random.default_rng([seed, number])
    kinds = {}
    for shift, kind in enumerate(("encoder", "decoder", "cross")):
        entropy = 1.6 - 0.3 * shift - 0.03 * number + 0.01 * rng.normal()
        middles = {"sharpness": entropy, "sharpness_change": -0.03 * number, "distance": 0.01 * number}
        ends = {"_low": -0.01, "": 0.0, "_high": 0.01}
        kinds[kind] = {key + end: value + by for key, value in middles.items() for end, by in ends.items()}
    files.write_json(folder / "attention.json", {**kinds["encoder"], "by_kind": kinds, "sentences": 60})
    scores = np.exp((2 + 0.2 * number) * rng.normal(size=(2, 4, len(PIECES), len(PIECES))))
    maps = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
    with files.replacing(folder / "attention.npz") as path, open(path, "wb") as file:
        np.savez_compressed(file, source=PIECES, encoder=maps)


def script(name: str, *arguments: str | Path) -> tuple[int, str]:
    """Run one of the workflow's scripts in this process; exit status and stderr."""
    done = commands.script(name, *arguments)
    return done.returncode, done.stderr
