"""How long Snakemake takes to plan a grid: wall seconds and processor seconds of `--dry-run`.

    python benchmarks/grid.py --variants 1000

The grid is kmeans at 1 to 8 bits x sparsities x the three scopes on the embedded corpus, with the rows of
config.yaml beside it; nothing of it is made, and results of other runs are not looked at.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
BITS, SCOPES = list(range(1, 9)), ["attention", "linear", "all"]


def grid(variants: int) -> dict[str, object]:
    """A grid of at least so many variants: as many sparsities as that takes."""
    count = -(-variants // (len(BITS) * len(SCOPES)))
    sparsities = [round(number / (count + 1), 4) for number in range(count)]
    return {"quantize": "kmeans", "bits": BITS, "sparsity": sparsities, "scope": SCOPES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, default=1000, help="how many, at least [1000]")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the fastest is told [3]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "grid.yaml")
        file.write_text(yaml.safe_dump({"name": "benchmark-of-grid", "grid": grid(args.variants)}))
        took = [plan(file) for _ in range(args.repeat)]
    wall, processor, jobs, made = min(took)
    print(f"{made:,} variants, {jobs:,} jobs: {wall:.1f} s, {processor:.1f} s of one processor")


def plan(file: Path) -> tuple[float, float, int, int]:
    """Wall seconds, processor seconds, jobs and compressed variants of one dry run."""
    files = ["config/default.yaml", str(file)]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", *files]
    before, start = os.times(), time.perf_counter()
    plain = {key: value for key, value in os.environ.items() if not key.startswith("TZIP_")}
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    jobs, made = (
        int(re.search(rf"^{rule} +(\d+)$", done.stdout + done.stderr, re.MULTILINE)[1])
        for rule in ("total", "compress")
    )
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, processor, jobs, made


if __name__ == "__main__":
    main()
