"""Target tokens per second of training on this machine: ours and JoeyNMT 2.3.0, in turn, in one run.

    python benchmarks/training.py --data results/multi30k/data

Same sizes (the `small` preset), pieces, batch budget, dropout, label smoothing, threads and definition of a
token (target pieces, END included, padding not). JoeyNMT runs in its own environment, made once by

    python3 -m venv build/joeynmt-venv
    build/joeynmt-venv/bin/pip install torch==2.13.0
    build/joeynmt-venv/bin/pip install --no-deps -r benchmarks/peers.txt

Part of the difference is the batches: JoeyNMT takes pairs in random order, ours are of like length, so that
less is padding. Both are timed from the end of the warm-up updates on, reading and tokenizing included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tzip.options import flag

ROOT = Path(__file__).resolve().parent.parent


def ours(args: argparse.Namespace) -> float:
    """Target tokens per second of `args.updates` updates by the workflow's own script, from its log."""
    source, target = args.languages
    with tempfile.TemporaryDirectory() as work:
        files = {"dev_source": f"{args.data}/dev.{source}", "dev_target": f"{args.data}/dev.{target}"}
        files |= {"state": f"{work}/state", "journal": f"{work}/log.jsonl"}
        files |= {"output": f"{work}/checkpoint", "summary": f"{work}/summary.json"}
        run([sys.executable, ROOT / "workflow_scripts/train.py"], args, preset="small", **files)
        lines = [json.loads(line) for line in Path(work, "log.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "tokens" in line]
    tokens = sum(line["tokens"] for line in lines[args.warm_up :])
    seconds = lines[-1]["seconds"] - lines[args.warm_up - 1]["seconds"]
    return tokens / seconds


def joeynmt(args: argparse.Namespace) -> float:
    """Those of the same number of updates of JoeyNMT's own loop; see benchmarks/joeynmt.py."""
    command = [args.joeynmt, ROOT / "benchmarks/joeynmt.py", "--languages", *args.languages]
    return json.loads(run(command, args, warm_up=args.warm_up, work="build/joeynmt"))["target_tokens_per_second"]


def run(command: list[object], args: argparse.Namespace, **more: object) -> str:
    """Run a training, with the settings that both have; what it prints."""
    settings = {"train": f"{args.data}/train", "dev": f"{args.data}/dev", "pieces": f"{args.data}/pieces.model"}
    settings |= {key: getattr(args, key) for key in ("threads", "batch_tokens", "dropout", "updates")} | more
    words = [word for name, value in settings.items() for word in (flag(name), value)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    command = [str(word) for word in (*command, *words)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of encoded data, as the workflow makes it")
    parser.add_argument("--languages", nargs=2, default=("en", "de"), metavar=("SOURCE", "TARGET"))
    parser.add_argument("--joeynmt", default="build/joeynmt-venv/bin/python", help="the peer's Python")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run, in turn")
    parser.add_argument("--updates", type=int, default=40, help="updates per round, warm-up included")
    parser.add_argument("--warm-up", type=int, default=5, help="first updates of a round, not timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--dropout", type=float, default=0.3)
    args = parser.parse_args()
    if not Path(args.joeynmt).exists():
        sys.exit(f"error: {args.joeynmt} is missing; how to make it stands at the top of {__file__}")

    runs: dict[str, list[float]] = {"tzip": [], "joeynmt": []}
    for number in range(args.rounds):
        for name, train in (("tzip", ours), ("joeynmt", joeynmt)):
            runs[name].append(train(args))
            load = os.getloadavg()[0]
            print(f"round {number + 1}  {name:8} {runs[name][-1]:8.0f} target tokens/s  (load {load:.1f})", flush=True)
    own, peer = (statistics.median(runs[name]) for name in ("tzip", "joeynmt"))
    print(f"median   tzip {own:.0f}, JoeyNMT {peer:.0f} target tokens/s on {args.threads} threads")
    print(f"ratio    {own / peer:.2f}x")


if __name__ == "__main__":
    main()
