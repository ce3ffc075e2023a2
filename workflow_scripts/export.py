"""Write a model.tzip, as read back from disk, as the folder of another engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import options
from tzip.exchange import exporting
from tzip.format import model as model_file
from tzip.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tzip")
    parser.add_argument("--output", type=Path, required=True, help="the folder")
    options.add_arguments(parser, exporting.Options)
    args = parser.parse_args()

    settings = options.from_arguments(args, exporting.Options, "export")
    model, pieces, read = model_file.restore(args.model)
    exporting.write(args.output, model, pieces, settings, read.history.get("origin"))


if __name__ == "__main__":
    run(main)
