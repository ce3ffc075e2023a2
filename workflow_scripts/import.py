"""Import a model from elsewhere as the baseline: a checkpoint folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tzip import device, files, options, script
from tzip.exchange import importing
from tzip.nmt import checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="file or folder of the model, or ARCHIVE::MEMBER")
    parser.add_argument("--output", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--summary", required=True, type=Path, help="JSON: format, time, memory")
    options.add_arguments(parser, importing.Options)
    args = parser.parse_args()

    started, here = time.perf_counter(), device.prepare(1)
    settings = options.from_arguments(args, importing.Options, "baseline.import")
    imported = importing.read(args.source, settings)
    checkpoint.save(args.output, importing.build(imported), imported.pieces, imported.origin)
    taken = round(time.perf_counter() - started, 2)
    files.write_json(args.summary, {"imported": settings.format, "seconds": taken, **device.footprint(here)})


if __name__ == "__main__":
    script.run(main)
