"""Print a run's Table 1, what was measured on one core if anything was, and where its page lies."""

import argparse
from pathlib import Path

from tzip.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="the run's folder, results/NAME")
    args = parser.parse_args()
    print((args.results / "timings" / "table1.txt").read_text(encoding="utf-8"))
    speed = args.results / "timings" / "inference.txt"
    if speed.exists():
        print(speed.read_text(encoding="utf-8"))
    print(f"The whole report, with figures and claims: {(args.results / 'report.html').resolve().as_uri()}")


if __name__ == "__main__":
    run(main)
