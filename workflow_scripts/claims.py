"""Judge the paper's eight claims on a run's first test set, each by its stated rule."""

from tzip import files, options
from tzip.cli import run
from tzip.report import claims, results, score, tables


def main() -> None:
    args = results.arguments(
        __doc__,
        lambda parser: options.add_arguments(parser, score.Options, skip=("trials", "tokenize")),
        output="folder for claims.csv, .md, .tex, .json",
    )
    settings = options.from_arguments(args, score.Options, "scores")
    test = args.tests[0]
    scores = results.read_scores(args.results, args.rows, [test], args.seeds)
    counts = results.read_counts(args.results, args.rows, test, args.seeds)
    attention = results.read_attention(args.results, args.rows, args.seeds)
    judged = claims.judge(claims.Evidence(counts, scores, attention, settings))

    note = f"judged on {test}; intervals: 95 %, {settings.samples} resamples of sentences and seeds"
    tables.write(tables.claims(judged, [note]), args.output, *results.notes(args))
    files.write_json(args.output / "claims.json", claims.as_json(judged))


if __name__ == "__main__":
    run(main)
