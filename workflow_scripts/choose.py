"""Name the variants of a run that its development set chooses: those on the frontier of BLEU against bytes."""

from tzip import files
from tzip.cli import run
from tzip.report import frontier, results


def main() -> None:
    args = results.arguments(__doc__, output="the names, .json")
    (by,) = args.tests
    scores = results.read_scores(args.results, args.rows, [by], args.seeds)
    files.write_json(args.output, {"by": by, "rows": frontier.chosen(scores)})


if __name__ == "__main__":
    run(main)
