"""The `tzip` command; what concerns whole runs starts without torch."""

from __future__ import annotations

import argparse
import contextlib
import sys

from tzip import cli_run, script


def parser(name: str) -> argparse.ArgumentParser:
    """The parser that knows the subcommand `name`: of runs alone, or of everything."""
    if name not in cli_run.COMMANDS:
        from tzip import cli_model

        return cli_model.parser()
    top = argparse.ArgumentParser(prog="tzip")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    cli_run.add(cli_run.adder(commands))
    return top


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        args = parser(next(iter(sys.argv[1:]), "")).parse_args()
        script.run(lambda: args.run(args))


if __name__ == "__main__":
    main()
