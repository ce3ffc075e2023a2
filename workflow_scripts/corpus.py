"""Clean parallel text and lay it out for training; a side is PATH, PATH::MEMBER or PATH::MEMBER#COLUMN."""

import argparse

from tzip import options
from tzip.cli import run
from tzip.data import corpus
from tzip.data.corpus import Side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", nargs=2, required=True, metavar=("SOURCE", "TARGET"))
    sides = {"nargs": 2, "action": "append", "default": [], "metavar": ("SOURCE", "TARGET")}
    parser.add_argument("--train", required=True, help="training text; may be repeated", **sides)
    parser.add_argument("--dev", help="development set; may be repeated", **sides)
    parser.add_argument(
        "--test",
        help="test set; may be repeated",
        **sides | {"nargs": 3, "metavar": ("NAME", "SOURCE", "TARGET")},
    )
    parser.add_argument(
        "--split", metavar="dev=N,test=N,seed=S", help="hold these out of the training text, without leaks"
    )
    parser.add_argument("--output", required=True, help="folder to write train, dev, test/ and cleaning.json to")
    options.add_arguments(parser, corpus.Options)
    args = parser.parse_args()

    names = [name for name, _, _ in args.test]
    if len(set(names)) < len(names):
        raise ValueError(f"two test sets of one name: {', '.join(names)}")
    report = corpus.build(
        args.output,
        tuple(args.languages),
        train=[tuple(map(Side.parse, part)) for part in args.train],
        dev=[tuple(map(Side.parse, part)) for part in args.dev],
        tests={name: (Side.parse(source), Side.parse(target)) for name, source, target in args.test},
        options=options.from_arguments(args, corpus.Options, "corpus"),
        split=options.make(corpus.Split, options.parse(f"split:{args.split}")[1], "split") if args.split else None,
    )
    for name, counts in {"train": report["train"], "dev": report["dev"], **report["tests"]}.items():
        print(f"{name}:", ", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    run(main)
