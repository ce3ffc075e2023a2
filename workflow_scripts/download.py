"""Download one file, verified, from its URL or a mirror."""

import argparse

from tzip import options
from tzip.cli import run
from tzip.data import download


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="https://HOST/PATH")
    parser.add_argument("--output", required=True, help="file to write")
    parser.add_argument("--sha256", help="expected checksum [the one in OUTPUT.sha256, recorded by the first download]")
    parser.add_argument("--mirror", help=f"folder or base URL laid out as HOST/PATH [${download.MIRROR}]")
    options.add_arguments(parser, download.Options)
    args = parser.parse_args()
    limits = options.from_arguments(args, download.Options, "download")
    download.fetch(args.url, args.output, args.sha256, args.mirror, limits)


if __name__ == "__main__":
    run(main)
