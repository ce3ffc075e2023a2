"""A finished run's results without what is large, for others to read; and models to take, each with its card.

    python workflow_scripts/publish.py results/mine published/mine
    python workflow_scripts/publish.py results/mine published/mine --model kmeans-4bit:2=models/mine-4bit

The workflow does not run it. Folders must be new.
"""

import argparse
from pathlib import Path

from tzip.cli import run
from tzip.report import publish


def row(text: str) -> tuple[str, int, Path]:
    """ROW:SEED=FOLDER; the seed is 1 where it is left out."""
    name, equals, folder = text.partition("=")
    name, _, seed = name.partition(":")
    if not (equals and name and folder and (seed or "1").isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not ROW=FOLDER or ROW:SEED=FOLDER")
    return name, int(seed or 1), Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, results/NAME")
    parser.add_argument("output", type=Path, metavar="DIR", help="where its results go")
    parser.add_argument("--model", type=row, action="append", default=[], metavar="ROW[:SEED]=DIR", help="to take")
    arguments = parser.parse_args()
    publish.publish(arguments.run, arguments.output, arguments.model)


if __name__ == "__main__":
    run(main)
