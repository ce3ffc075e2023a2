"""Write the embedded corpus: train, dev and test as one sentence per line, DIR/NAME.en and DIR/NAME.de."""

import argparse
from itertools import islice
from pathlib import Path

from tzip import files, options
from tzip.cli import run
from tzip.data.grammar import Options, generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the six files")
    options.add_arguments(parser, Options)
    args = parser.parse_args()
    sizes = options.from_arguments(args, Options, "corpus")
    pairs = generate(sizes.test + sizes.dev + sizes.train, sizes.seed)
    for name in ("test", "dev", "train"):  # in this order, a larger training set leaves the test set as it is
        english, german = zip(*islice(pairs, getattr(sizes, name)), strict=True)
        files.write_text(args.output / f"{name}.en", "".join(f"{line}\n" for line in english))
        files.write_text(args.output / f"{name}.de", "".join(f"{line}\n" for line in german))


if __name__ == "__main__":
    run(main)
