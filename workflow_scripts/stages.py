"""Write what a run took, by stage, from the benchmarks of its jobs: CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip.cli import run
from tzip.report import results, stages, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    args = parser.parse_args()

    notes, made = results.notes(args)
    tables.write(stages.table(stages.gather(args.results), notes), args.output, made)


if __name__ == "__main__":
    run(main)
