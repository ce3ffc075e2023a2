"""Write a run's tables that no clock decides: Table 1, scores by test set, cleaning of the corpus."""

from tzip import files
from tzip.cli import run
from tzip.report import means, results, tables


def main() -> None:
    args = results.arguments(__doc__)
    summary = results.read(args.results, args.rows, args.tests, args.seeds, args.control)
    with_means = means.add(summary, args.results, args.rows, args.tests, args.seeds, args.control)
    cleaning = tables.cleaning(files.read_json(args.results / "data" / "cleaning.json"))
    for table in (tables.table_1(summary, args.tests[0]), tables.by_test(with_means), cleaning):
        tables.write(table, args.output, *results.notes(args))


if __name__ == "__main__":
    run(main)
