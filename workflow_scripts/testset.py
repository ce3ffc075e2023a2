"""Write one of sacreBLEU's test sets, from its cache or its publisher, as two texts."""

import argparse

from tzip import options
from tzip.cli import run
from tzip.data import download, testsets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="as wmt17/en-de")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="writes PREFIX.src and PREFIX.ref")
    parser.add_argument("--mirror", help=f"folder or base URL laid out as HOST/PATH [${download.MIRROR}]")
    options.add_arguments(parser, download.Options)
    args = parser.parse_args()
    limits = options.from_arguments(args, download.Options, "download")
    print(f"{args.output}: {testsets.fetch(args.name, args.output, args.mirror, limits)} lines")


if __name__ == "__main__":
    run(main)
