"""Write which variants are on the frontier of BLEU against bytes, and how methods rank over all budgets."""

import argparse
from collections.abc import Callable

import pandas as pd

from tzip.cli import run
from tzip.report import frontier, means, results, tables


def add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", default="", metavar="SET", help="the set that chooses [each test set for itself]")
    parser.add_argument("--reported", default="", help="what is scored on the tests too: a,b,c [all rows]")


def main() -> None:
    args = results.arguments(__doc__, add_choice)
    reported = args.reported.split(",") if args.reported else args.rows
    parts = [(reported, args.tests), *([(args.rows, [args.select])] if args.select else [])]

    def read(how: Callable, *more: str) -> pd.DataFrame:
        return pd.concat([how(args.results, *part, args.seeds, *more) for part in parts], ignore_index=True)

    plans = results.read_plans(args.results, args.rows, args.seeds[0])
    scores = read(results.read_scores)
    summary = results.summarize(scores, read(results.intervals, args.control))
    summary = means.add(summary, args.results, reported, args.tests, args.seeds, args.control)
    summary = results.tuned(summary, args.results, args.seeds[0])
    variants = frontier.collect(summary, plans, args.seeds[0], args.select or None)
    ranking = frontier.ranking(frontier.rank(scores, variants), len(args.seeds))
    for table in (frontier.table(variants), frontier.sources(variants), ranking):
        tables.write(table, args.output, *results.notes(args))


if __name__ == "__main__":
    run(main)
