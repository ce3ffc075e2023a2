"""Write the table of what was measured on one core, as CSV, Markdown, LaTeX and for terminals."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.report import results, speed, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    speed.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the table")
    args = parser.parse_args()

    notes, made = results.notes(args)
    measured = speed.read(args.results, args.seeds[0], args.tests[0], args.speed)
    table = speed.table(measured, notes)
    tables.write(table, args.output, made)
    files.write_text(args.output / f"{table.name}.txt", tables.to_text(table))


if __name__ == "__main__":
    run(main)
