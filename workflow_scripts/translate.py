"""Translate a text with a model.tzip as read back from disk."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tzip import device, options, script
from tzip.files import read_lines, write_json, write_text
from tzip.format import model as model_file
from tzip.nmt.options import Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="model.tzip")
    parser.add_argument("--source", required=True, type=Path, help="sentences, one a line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True, type=Path, help="translations, one a line")
    parser.add_argument("--time", required=True, type=Path, help="JSON: seconds, words a second, memory")
    options.add_arguments(parser, Search)
    args = parser.parse_args()

    here = device.prepare(args.threads)
    settings = options.from_arguments(args, Search, "search")
    model, pieces, _ = model_file.restore(args.model)
    lines = read_lines(args.source)
    model.to(here)

    started = time.perf_counter()
    translations = model_file.translate(model, pieces, lines, settings)
    seconds = time.perf_counter() - started

    write_text(args.output, "".join(f"{line}\n" for line in translations))
    words = sum(len(line.split()) for line in lines)
    write_json(args.time, {
        "seconds": round(seconds, 3), "sentences": len(lines), "words": words, "threads": args.threads,
        "words_per_second": round(words / seconds, 1), "search": vars(settings), **device.footprint(here),
    })  # fmt: skip


if __name__ == "__main__":
    script.run(main)
