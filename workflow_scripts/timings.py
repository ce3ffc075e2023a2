"""Write what a run's clock decided: each row's costs, Table 1 with them for terminals, the speed claim."""

from tzip import files
from tzip.cli import run
from tzip.report import claims, clock, results, tables, verdicts


def main() -> None:
    args = results.arguments(__doc__)
    first, last = results.notes(args)
    costs = results.read_costs(args.results, args.rows, args.tests, args.seeds)
    spent = results.summarize_costs(costs)
    tables.write(tables.speed(spent, results.read_training(args.results, args.seeds)), args.output, first, last)
    summary = results.read(args.results, args.rows, args.tests, args.seeds, args.control)
    shown = tables.table_1_with_speed(tables.table_1(summary, args.tests[0]).noted(first), spent)
    files.write_text(args.output / "table1.txt", tables.to_text(shown))

    judged = [claims.claim_8_by_clock(clock.read(args.results, args.seeds))]
    files.write_text(args.output / "claim8.md", tables.to_markdown(tables.claims(judged, [*first, *last])))
    files.write_json(args.output / "claim8.json", verdicts.as_json(judged)[0])


if __name__ == "__main__":
    run(main)
