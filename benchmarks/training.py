"""Target tokens a second of training on this machine: ours and JoeyNMT 2.3.0, in turn, in one run.

    python benchmarks/training.py --data results/multi30k/data

Same sizes (the `small` preset), pieces, batch budget, dropout, label smoothing, threads and definition of a
token (target pieces, END included, padding not). JoeyNMT runs in its own environment, made once by

    python3 -m venv build/joeynmt-venv
    build/joeynmt-venv/bin/pip install torch==2.13.0
    build/joeynmt-venv/bin/pip install --no-deps -r benchmarks/peers.txt

Part of the difference is the batches: JoeyNMT takes pairs in random order, ours are of like length, so that
less is padding. Both are timed from the end of the warm-up updates on, reading and tokenizing included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Train `args.updates` updates by the workflow's own script; its log has the tokens of each."""
    with tempfile.TemporaryDirectory() as work:
        command = [
            sys.executable,
            str(ROOT / "workflow_scripts/train.py"),
            "--train",
            f"{args.data}/train",
            "--dev",
            f"{args.data}/dev",
            "--dev-source",
            f"{args.data}/dev.{args.languages[0]}",
            "--dev-target",
            f"{args.data}/dev.{args.languages[1]}",
            "--pieces",
            f"{args.data}/pieces.model",
            "--preset",
            "small",
            "--dropout",
            str(args.dropout),
            "--batch-tokens",
            str(args.batch_tokens),
            "--updates",
            str(args.updates),
            "--threads",
            str(args.threads),
            "--state",
            f"{work}/state",
            "--journal",
            f"{work}/log.jsonl",
            "--output",
            f"{work}/checkpoint",
            "--summary",
            f"{work}/summary.json",
        ]
        subprocess.run(command, check=True, cwd=ROOT, env=environment(args.threads))
        lines = [json.loads(line) for line in Path(work, "log.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "tokens" in line]
    tokens = sum(line["tokens"] for line in lines[args.warm_up :])
    seconds = lines[-1]["seconds"] - lines[args.warm_up - 1]["seconds"]
    return {"target_tokens_per_second": tokens / seconds, "tokens": tokens, "seconds": seconds}


def joeynmt(args: argparse.Namespace) -> dict[str, Any]:
    """The same number of updates of JoeyNMT's own loop; see benchmarks/joeynmt.py."""
    command = [
        args.joeynmt,
        str(ROOT / "benchmarks/joeynmt.py"),
        "--train",
        f"{args.data}/train",
        "--dev",
        f"{args.data}/dev",
        "--languages",
        *args.languages,
        "--pieces",
        f"{args.data}/pieces.model",
        "--threads",
        str(args.threads),
        "--batch-tokens",
        str(args.batch_tokens),
        "--dropout",
        str(args.dropout),
        "--updates",
        str(args.updates),
        "--warm-up",
        str(args.warm_up),
        "--work",
        "build/joeynmt",
    ]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    done = subprocess.run(command, check=True, cwd=ROOT, env=environment(args.threads), **streams)
    return json.loads(done.stdout)


def environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of encoded data, as the workflow makes it")
    parser.add_argument("--languages", nargs=2, default=("en", "de"), metavar=("SOURCE", "TARGET"))
    parser.add_argument("--joeynmt", default="build/joeynmt-venv/bin/python", help="the peer's Python")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run, in turn")
    parser.add_argument("--updates", type=int, default=40, help="updates a round, warm-up included")
    parser.add_argument("--warm-up", type=int, default=5, help="first updates of a round, not timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--dropout", type=float, default=0.3)
    args = parser.parse_args()
    if not Path(args.joeynmt).exists():
        sys.exit(f"error: {args.joeynmt} is missing; how to make it stands at the top of {__file__}")

    runs: dict[str, list[float]] = {"tzip": [], "joeynmt": []}
    for number in range(args.rounds):
        for name, run in (("tzip", ours), ("joeynmt", joeynmt)):
            result = run(args)
            runs[name].append(result["target_tokens_per_second"])
            load = os.getloadavg()[0]
            print(f"round {number + 1}  {name:8} {runs[name][-1]:8.0f} target tokens/s  (load {load:.1f})", flush=True)
    mine, theirs = (statistics.median(runs[name]) for name in ("tzip", "joeynmt"))
    print(f"median   tzip {mine:.0f}, JoeyNMT {theirs:.0f} target tokens/s on {args.threads} threads")
    print(f"ratio    {mine / theirs:.2f}x")


if __name__ == "__main__":
    main()
