"""Target tokens per second of training on this machine: ours, JoeyNMT and transformers' Marian, in turn, in one run.

    python benchmarks/training.py --data results/multi30k-taught/data

Same sizes (the `small` preset), pieces, batch budget, dropout, label smoothing, threads and definition of a
token (target pieces, END included, padding not). The peers run in an environment of their own, made once by

    python3 -m venv build/peers-venv
    build/peers-venv/bin/pip install torch==2.13.0
    build/peers-venv/bin/pip install --no-deps -r benchmarks/peers.txt

The data is that of a run that trains: others encode no development set. Part of the difference to JoeyNMT is the
batches: it takes pairs in random order, ours are of like length, so that less is padding. Marian gets our batches,
made before it starts, once with autocast to bf16 and once in fp32: a processor without bf16 products is slower with
it. All are timed from the end of the warm-up updates on.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tzip.data.pieces import Encoded, Pieces
from tzip.nmt.batches import Stream
from tzip.options import flag

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = ("tzip", "joeynmt", "marian-bf16", "marian-fp32")


def speed(system: str, args: argparse.Namespace, work: Path) -> float:
    """Target tokens per second of `args.updates` updates, those of the warm-up left out."""
    data, (source, target) = args.data, args.languages
    text = {"train": data / "train", "dev": data / "dev", "pieces": data / "pieces.model"}
    settings = {"threads": args.threads, "dropout": args.dropout}
    budget = {"batch_tokens": args.batch_tokens, "updates": args.updates}
    if system == "tzip":
        settings |= text | budget | {"dev_source": data / f"dev.{source}", "dev_target": data / f"dev.{target}"}
        settings |= {"preset": "small", "state": work / "state", "journal": work / "log.jsonl"}
        run([sys.executable, "workflow_scripts/train.py"], settings | {"output": work / "m", "summary": work / "s"})
        lines = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
        lines = [line for line in lines if "tokens" in line]
        tokens = sum(line["tokens"] for line in lines[args.warm_up :])
        return tokens / (lines[-1]["seconds"] - lines[args.warm_up - 1]["seconds"])
    settings |= {"warm_up": args.warm_up}
    if system == "joeynmt":
        command = [args.python, "benchmarks/joeynmt.py", "--languages", source, target]
        settings |= text | budget | {"work": "build/joeynmt"}
    else:
        batches = Stream(Encoded(str(text["train"])), args.batch_tokens, seed=1)()
        arrays: dict[str, np.ndarray] = {}
        for i, batch in enumerate(itertools.islice(batches, args.updates)):
            arrays |= {f"source{i}": batch.source.numpy(), f"target{i}": batch.target.numpy()}
        np.savez(work / "batches.npz", **arrays)
        command = [args.python, "benchmarks/marian.py"]
        settings |= {"batches": work / "batches.npz", "precision": system.removeprefix("marian-")}
        settings["vocabulary"] = len(Pieces(text["pieces"].read_bytes()))
    return json.loads(run(command, settings))["target_tokens_per_second"]


def run(command: list[object], settings: dict[str, object]) -> str:
    """What a training with these flags prints."""
    words = [word for name, value in settings.items() for word in (flag(name), value)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"])}
    command = [str(word) for word in (*command, *words)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of encoded data, as the workflow makes it")
    parser.add_argument("--languages", nargs=2, default=("en", "de"), metavar=("SOURCE", "TARGET"))
    parser.add_argument("--python", default="build/peers-venv/bin/python", help="the peers' Python")
    parser.add_argument("--systems", nargs="+", default=SYSTEMS, choices=SYSTEMS, help="what is run")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run, in turn")
    parser.add_argument("--updates", type=int, default=40, help="updates per round, warm-up included")
    parser.add_argument("--warm-up", type=int, default=5, help="first updates of a round, not timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--dropout", type=float, default=0.3)
    args = parser.parse_args()
    if not Path(args.python).exists():
        sys.exit(f"error: {args.python} is missing; how to make it stands at the top of {__file__}")
    args.data = args.data.resolve()

    runs: dict[str, list[float]] = {system: [] for system in args.systems}
    for number, system in itertools.product(range(args.rounds), args.systems):
        with tempfile.TemporaryDirectory() as work:
            runs[system].append(speed(system, args, Path(work)))
        load = os.getloadavg()[0]
        print(f"round {number + 1}  {system:12} {runs[system][-1]:8.0f} tokens/s  (load {load:.1f})", flush=True)
    medians = {system: statistics.median(values) for system, values in runs.items()}
    for system, median in medians.items():
        ratio = f"  tzip {medians['tzip'] / median:.2f}x of it" if "tzip" in medians and system != "tzip" else ""
        print(f"median   {system:12} {median:8.0f} tokens/s on {args.threads} threads{ratio}")


if __name__ == "__main__":
    main()
