"""Write report.html: a run's tables, claims and figures on one page that needs nothing but itself."""

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.config import MEAN
from tzip.report import frontier, means, page, results, speed, stages, tables


def add_captions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--captions", type=Path, default=Path("report"), help="folder of NAME.rst [report]")


def main() -> None:
    args = results.arguments(__doc__, speed.add_arguments, add_captions, output="the page, .html")
    folder, test = args.results, args.tests[0]
    summary = results.read(args.results, args.rows, args.tests, args.seeds, args.control)
    with_means = means.add(summary, args.results, args.rows, args.tests, args.seeds, args.control)
    costs = results.summarize_costs(results.read_costs(args.results, args.rows, args.tests, args.seeds))
    variants = frontier.read(folder, MEAN)
    more = [
        frontier.table(variants),
        frontier.sources(variants),
        *([tables.by_test(with_means)] if len(args.tests) > 1 else []),
        frontier.ranking(frontier.read(folder, table="ranking"), len(args.seeds)),
        tables.cleaning(files.read_json(folder / "data" / "cleaning.json")),
        tables.speed(costs, results.read_training(folder, args.seeds)),
        *([speed.table(speed.read(folder, args.seeds[0], test, args.speed))] if args.speed else []),
        stages.table(stages.read(folder)),
    ]
    claims = files.read_json(folder / "tables" / "claims.json")
    html = page.build(
        name=folder.resolve().name,
        table_1=tables.table_1_with_speed(tables.table_1(summary, test), costs),
        variants=variants,
        more=more,
        claims=page.with_clock(claims, files.read_json(folder / "timings" / "claim8.json")),
        figures=folder / "figures",
        captions=args.captions,
        provenance=files.read_json(args.provenance) if args.provenance else {},
        note=args.note,
    )
    files.write_text(args.output, html)


if __name__ == "__main__":
    run(main)
