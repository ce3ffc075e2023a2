"""Write a model.tzip, as read back from disk, as the folder of another engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import archive, export, options
from tzip.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tzip")
    parser.add_argument("--output", type=Path, required=True, help="the folder")
    options.add_arguments(parser, export.Options)
    args = parser.parse_args()

    settings = options.from_arguments(args, export.Options, "export")
    model, pieces, read = archive.restore(args.model)
    export.write(args.output, model, pieces, settings, read.history.get("origin"))


if __name__ == "__main__":
    run(main)
