"""Name the variants of a run that its development set chooses: those on the frontier of BLEU against bytes."""

from tzip import files
from tzip.cli import run
from tzip.report import frontier, results


def main() -> None:
    args = results.arguments(__doc__, output="the names, .json")
    summary = results.summarize(results.read_scores(args.results, args.rows, args.tests, args.seeds))
    (by,) = args.tests
    files.write_json(args.output, {"by": by, "rows": frontier.chosen(summary, by)})


if __name__ == "__main__":
    run(main)
