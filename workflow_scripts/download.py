"""Download one file, verified, from its URL or a mirror."""

from __future__ import annotations

import argparse

from tzip import fetch, options
from tzip.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="https://HOST/PATH")
    parser.add_argument("--output", required=True, help="file to write")
    parser.add_argument(
        "--sha256", help="expected checksum [the one in OUTPUT.sha256, recorded by the first download]"
    )
    parser.add_argument("--mirror", help=f"folder or base URL laid out as HOST/PATH [${fetch.MIRROR}]")
    parser.add_argument("--extract", metavar="FOLDER", help="unpack the archive there as well")
    options.add_arguments(parser, fetch.Options)
    args = parser.parse_args()
    limits = options.from_arguments(args, fetch.Options, "download")
    path = fetch.fetch(args.url, args.output, args.sha256, args.mirror, limits)
    if args.extract:
        fetch.extract(path, args.extract)


if __name__ == "__main__":
    run(main)
