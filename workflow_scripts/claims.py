"""Judge the paper's eight claims on a run's first test set, each by its stated rule."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import files, options
from tzip.cli import run
from tzip.report import claims, results, score, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for claims.csv, .md, .tex, .json")
    options.add_arguments(parser, score.Options, skip=("trials", "tokenize"))
    args = parser.parse_args()

    chosen = options.from_arguments(args, score.Options, "scores")
    summary = results.summarize(results.read_scores(args.results, args.rows, args.tests[:1], args.seeds))
    counts = results.read_counts(args.results, args.rows, args.tests[0], args.seeds)
    attention = results.read_attention(args.results, args.rows, args.seeds)
    judged = claims.judge(claims.Evidence(counts, summary, attention, chosen))

    notes, made = results.notes(args)
    said = f"judged on {args.tests[0]}; intervals: 95 %, {chosen.samples} resamples of sentences and seeds"
    tables.write(tables.claims(judged, [*notes, said]), args.output, made)
    files.write_json(args.output / "claims.json", claims.as_json(judged))


if __name__ == "__main__":
    run(main)
