"""Encode parallel text into memory-mapped piece ids."""

import argparse

from tzip.cli import run
from tzip.data.pieces import Pieces, encode_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", required=True, help="SentencePiece model")
    parser.add_argument("--source", required=True, nargs="+", help="text, one sentence per line")
    parser.add_argument("--target", required=True, nargs="+", help="its translation, line by line")
    parser.add_argument(
        "--output", required=True, metavar="PREFIX", help="writes PREFIX.tokens.npy, PREFIX.offsets.npy"
    )
    parser.add_argument(
        "--max-length", type=int, required=True, help="drop pairs with more pieces per side, end included"
    )
    args = parser.parse_args()
    if len(args.source) != len(args.target):
        raise ValueError(f"--target: {len(args.target)} files, but --source has {len(args.source)}")
    parts = list(zip(args.source, args.target, strict=True))
    done = encode_pairs(Pieces(args.pieces), parts, args.output, args.max_length)
    print(f"{args.output}: {done['pairs']} pairs, {done['tokens']} pieces; {done['dropped']} pairs too long")


if __name__ == "__main__":
    run(main)
