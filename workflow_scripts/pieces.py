"""Learn the SentencePiece vocabulary that source and target share."""

import argparse

from tzip import options
from tzip.cli import run
from tzip.data import pieces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", nargs="+", required=True, help="training text of both languages")
    parser.add_argument("--output", required=True, help="SentencePiece model to write")
    options.add_arguments(parser, pieces.Options)
    args = parser.parse_args()
    vocabulary = pieces.train(args.text, args.output, options.from_arguments(args, pieces.Options, "pieces"))
    print(f"{args.output}: {len(vocabulary)} pieces")


if __name__ == "__main__":
    run(main)
