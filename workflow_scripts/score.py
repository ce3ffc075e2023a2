"""Score one variant on one test set: BLEU, chrF, intervals, paired test against the baseline."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import options
from tzip.files import write_json
from tzip.report import score
from tzip.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypotheses", type=Path, required=True, help="translations, one a line")
    parser.add_argument("--references", type=Path, required=True, help="references, one a line")
    parser.add_argument("--baseline", type=Path, help="translations to compare with, one a line")
    parser.add_argument("--baseline-name", default="baseline", help="what they are of [baseline]")
    parser.add_argument("--output", type=Path, required=True, help="the score file, .json")
    parser.add_argument("--statistics", type=Path, help="counts by sentence, .npz, for later comparisons")
    options.add_arguments(parser, score.Options)
    args = parser.parse_args()

    chosen = options.from_arguments(args, score.Options, "scores")
    hypotheses, references = score.read_pair(args.hypotheses, args.references)
    baseline = score.read_pair(args.baseline, args.references)[0] if args.baseline else None
    report, counts = score.evaluate(hypotheses, references, chosen, baseline, args.baseline_name)
    if args.statistics:
        score.write_statistics(args.statistics, counts)
    write_json(args.output, report)


if __name__ == "__main__":
    run(main)
