"""Write what a run took, by stage, from the benchmarks of its jobs: CSV, Markdown and LaTeX."""

from tzip.cli import run
from tzip.report import results, stages, tables


def main() -> None:
    args = results.arguments(__doc__)
    tables.write(stages.table(stages.gather(args.results)), args.output, *results.notes(args))


if __name__ == "__main__":
    run(main)
