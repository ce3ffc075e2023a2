"""Write what a run's clock decided: each row's costs, Table 1 with them for terminals, the speed claim."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.report import claims, results, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = parser.parse_args()

    notes, made = results.notes(args)
    chosen = args.results, args.rows, args.tests, args.seeds
    costs, training = results.read_costs(*chosen), results.read_training(args.results, args.seeds)
    spent = results.summarize_costs(costs)
    table = tables.table_1(results.summarize(results.read_scores(*chosen)), args.tests[0], notes)
    tables.write(tables.speed(spent, training, notes), args.output, made)
    files.write_text(args.output / "table1.txt", tables.to_text(tables.table_1_with_speed(table, spent)))

    judged = [claims.claim_8_by_clock(costs, args.tests[0])]
    files.write_text(args.output / "claim8.md", tables.to_markdown(tables.claims(judged, [*notes, *made])))
    files.write_json(args.output / "claim8.json", claims.as_json(judged)[0])


if __name__ == "__main__":
    run(main)
