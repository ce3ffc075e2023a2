"""Write report.html: a run's tables, claims and figures on one page that needs nothing but itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.report import frontier, goals, page, results, speed, stages, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    results.add_arguments(parser)
    speed.add_arguments(parser)
    goals.add_arguments(parser)
    parser.add_argument("--captions", type=Path, default=Path("report"), help="folder of NAME.rst [report]")
    parser.add_argument("--output", type=Path, required=True, help="the page, .html")
    args = parser.parse_args()

    chosen = (args.results, args.rows, args.tests, args.seeds)
    summary = results.summarize(results.read_scores(*chosen))
    costs = results.summarize_costs(results.read_costs(*chosen))
    training = results.read_training(args.results, args.seeds)
    variants = frontier.read(args.results, args.tests[0])
    ranked = frontier.read(args.results, args.tests[0], "ranking")
    asked = [goals.parse(spec) for spec in args.goals]
    more = [
        *([goals.table(variants, asked)] if asked else []),
        frontier.table(variants),
        frontier.sources(variants),
        *([tables.by_test(summary)] if len(args.tests) > 1 else []),
        frontier.ranking(ranked, len(args.seeds)),
        tables.cleaning(files.read_json(args.results / "data" / "cleaning.json")),
        tables.speed(costs, training),
    ]
    if args.speed:
        more.append(speed.table(speed.read(args.results, args.seeds[0], args.tests[0], args.speed)))
    more.append(stages.table(stages.read(args.results)))
    contents = page.Contents(
        name=args.results.resolve().name,
        table_1=tables.table_1_with_speed(tables.table_1(summary, args.tests[0]), costs),
        variants=variants,
        more=more,
        claims=page.with_clock(
            files.read_json(args.results / "tables" / "claims.json"),
            files.read_json(args.results / "timings" / "claim8.json"),
        ),
        figures=args.results / "figures",
        captions=args.captions,
        provenance=files.read_json(args.provenance) if args.provenance else {},
        note=args.note,
    )
    files.write_text(args.output, page.build(contents))


if __name__ == "__main__":
    run(main)
