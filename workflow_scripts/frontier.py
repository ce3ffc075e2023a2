"""Write which variants are on the frontier of BLEU against bytes, and how methods rank over all budgets."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip.cli import run
from tzip.report import frontier, results, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()

    notes, made = results.notes(args)
    scores = results.read_scores(args.results, args.rows, args.tests, args.seeds)
    plans = results.read_plans(args.results, args.rows, args.seeds[0])
    collected = frontier.collect(results.summarize(scores), plans, args.seeds[0])
    tables.write(frontier.table(collected, notes), args.output, made)
    tables.write(frontier.sources(collected, notes), args.output, made)
    ranked = frontier.rank(scores, collected)
    tables.write(frontier.ranking(ranked, len(args.seeds), notes), args.output, made)


if __name__ == "__main__":
    run(main)
