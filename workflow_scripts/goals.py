"""Write the table of a run's goals and what was reached, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip.cli import run
from tzip.report import frontier, goals, results, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    goals.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    args = parser.parse_args()

    notes, made = results.notes(args)
    asked = [goals.parse(spec) for spec in args.goals]
    found = goals.table(frontier.read(args.results, args.tests[0]), asked, notes)
    tables.write(found, args.output, made)


if __name__ == "__main__":
    run(main)
