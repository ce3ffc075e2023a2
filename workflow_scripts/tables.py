"""Write a run's tables that no clock decides: Table 1, scores by test set, cleaning of the corpus."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.report import results, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()

    notes, made = results.notes(args)
    summary = results.summarize(results.read_scores(args.results, args.rows, args.tests, args.seeds))
    tables.write(tables.table_1(summary, args.tests[0], notes), args.output, made)
    tables.write(tables.by_test(summary, notes), args.output, made)
    counts = files.read_json(args.results / "data" / "cleaning.json")
    tables.write(tables.cleaning(counts, notes), args.output, made)


if __name__ == "__main__":
    run(main)
