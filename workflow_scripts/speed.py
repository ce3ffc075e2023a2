"""Write the table of what was measured on one core, as CSV, Markdown, LaTeX and for terminals."""

from tzip import files
from tzip.cli import run
from tzip.report import results, speed, tables


def main() -> None:
    args = results.arguments(__doc__, speed.add_arguments)
    first, last = results.notes(args)
    table = speed.table(speed.read(args.results, args.seeds[0], args.tests[0], args.speed))
    tables.write(table, args.output, first, last)
    files.write_text(args.output / f"{table.name}.txt", tables.to_text(table.noted(first)))


if __name__ == "__main__":
    run(main)
