"""Learn which target pieces each source piece allows, for a target shortlist."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import options
from tzip.data.pieces import Encoded, Pieces
from tzip.exchange import shortlist
from tzip.script import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="prefix of the encoded training pairs")
    parser.add_argument("--pieces", type=Path, required=True, help="SentencePiece model")
    parser.add_argument("--output", type=Path, required=True, help="the shortlist, CTranslate2's vmap.txt")
    options.add_arguments(parser, shortlist.Options)
    args = parser.parse_args()

    settings = options.from_arguments(args, shortlist.Options, "shortlist")
    pieces = Pieces(args.pieces)
    shortlist.write(args.output, shortlist.of(Encoded(args.data), pieces, settings), pieces)


if __name__ == "__main__":
    run(main)
