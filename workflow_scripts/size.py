"""The sizes of a model.tzip as read back from disk, to JSON: as printed, in the file, at the limit."""

import argparse
from pathlib import Path

from tzip import files
from tzip.cli import run
from tzip.format import container, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the compressed model, a .tzip file")
    parser.add_argument("--baseline", type=Path, help="the file to count ratios from [the model itself]")
    parser.add_argument("--output", type=Path, required=True, help="where the sizes go, a JSON file")
    arguments = parser.parse_args()
    archive = container.read(arguments.model)
    baseline = container.read(arguments.baseline) if arguments.baseline else None
    counted = sizes.sizes(archive, arguments.model.stat().st_size, baseline)
    own = {"baseline": files.sha256(arguments.baseline)[:16]} if baseline else {}
    files.write_json(arguments.output, counted | own)


if __name__ == "__main__":
    run(main)
