"""Time rows in turns on the same sentences: the baseline and each row once per round, each from its model.tzip."""

import argparse
import time
from pathlib import Path

from tzip import options, pipeline
from tzip.cli import run
from tzip.files import read_lines, write_json
from tzip.format import model as model_file
from tzip.interface.translator import engine
from tzip.nmt import device
from tzip.nmt.options import Search

SENTENCES = 64  # of a test set, evenly spaced: a round of all rows takes seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", type=Path, required=True, help="files ROW/model.tzip")
    parser.add_argument("--source", type=Path, required=True, help="sentences, one per line")
    parser.add_argument("--rounds", type=int, required=True, help="timed rounds, after one untimed")
    parser.add_argument("--threads", type=int, required=True, help="CPU threads")
    parser.add_argument("--output", type=Path, required=True, help="JSON: seconds of each round, per row")
    options.add_arguments(parser, Search)
    args = parser.parse_args()

    search, place = options.from_arguments(args, Search, "search"), pipeline.here(args.threads)
    lines = read_lines(args.source)
    lines = lines[:: -(-len(lines) // SENTENCES)]
    jobs = {}
    for path in args.models:
        model, pieces, _ = model_file.restore(path)
        jobs[path.parent.name] = engine(model.to(place), pieces, search), pieces.encode(lines)
    seconds: dict[str, list[float]] = {row: [] for row in jobs}
    rows = list(jobs)
    for number in range(args.rounds + 1):
        first = number % len(rows)  # no row is always the first
        for row in rows[first:] + rows[:first]:
            translate, sources = jobs[row]
            started = time.perf_counter()
            translate(sources)
            if number:
                seconds[row].append(round(time.perf_counter() - started, 4))
    words = sum(len(line.split()) for line in lines)
    record = {"seconds": seconds, "sentences": len(lines), "words": words, "search": vars(search)}
    write_json(args.output, record | device.footprint(place))


if __name__ == "__main__":
    run(main)
