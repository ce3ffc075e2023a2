"""Judge the paper's eight claims on a run's first test set, each by its stated rule."""

import argparse

from tzip import files, options
from tzip.cli import run
from tzip.report import claims, results, score, tables, verdicts


def main() -> None:
    args = results.arguments(
        __doc__,
        lambda parser: options.add_arguments(parser, score.Options, skip=("trials", "tokenize")),
        add_choice,
        output="folder for claims.csv, .md, .tex, .json",
    )
    settings = options.from_arguments(args, score.Options, "scores")
    test = args.tests[0]
    scores = results.read_scores(args.results, args.rows, [test], args.seeds)
    counts = results.read_counts(args.results, args.rows, test, args.seeds)
    attention = results.read_attention(args.results, args.rows, args.seeds)
    plans = results.read_plans(args.results, args.rows, args.seeds[0])
    tuned = results.tuned(scores, args.results, args.seeds[0]).set_index("row")["updates"].to_dict()
    dev = {}
    if args.select:
        chosen_by = results.read_scores(args.results, args.rows, [args.select], args.seeds)
        dev = chosen_by.groupby("row")["bleu"].mean().to_dict()
    sparse = claims.pruned(plans, tuned, dev)
    judged = claims.judge(claims.Evidence(counts, scores, attention, settings, sparse))

    notes = [
        f"judged on {test}; intervals: 95 %, {settings.samples} resamples of sentences and seeds",
        "p: from the interval (Altman & Bland 2011), Holm-corrected for all parts of claims 1 to 7 together; a verdict "
        "needs p < 0.05; claim 8 is corrected by itself",
    ]
    tables.write(tables.claims(judged, notes), args.output, *results.notes(args))
    files.write_json(args.output / "claims.json", verdicts.as_json(judged))


def add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--select", default="", metavar="SET", help="the set that chooses among pruned rows [none]")


if __name__ == "__main__":
    run(main)
