"""The `tzip` command on runs: how far one is, what to take from it, what sets two apart."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from tzip.report import diff, frontier, status, tables

COMMANDS = ("status", "frontier", "diff")


def run_status(args: argparse.Namespace) -> None:
    print("\n".join(status.lines(args.folder)))


def run_frontier(args: argparse.Namespace) -> None:
    frame = frontier.read(args.folder, args.test)
    if args.at is None and args.keep is None:
        print(tables.to_text(frontier.table(frame)), end="")
        return
    chosen = frontier.at(frame, args.at) if args.keep is None else frontier.keeping(frame, args.keep)
    print(frontier.described(chosen))
    print(frontier.command(args.folder, chosen["file"]))


def amount(unit: str) -> Callable[[str], float]:
    """Reads a positive number, its unit there or not: 8x, 99%."""

    def read(text: str) -> float:
        try:
            value = float(text.removesuffix(unit))
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{text}' is not a positive number, such as 8{unit}")
        return value

    return read


def run_diff(args: argparse.Namespace) -> None:
    print("\n".join(diff.lines(args.one, args.other)) or "the same in all that is compared")


def adder(commands: argparse._SubParsersAction) -> Callable[..., argparse.ArgumentParser]:
    """command(name, run, help) → the parser of a new subcommand that calls `run` with its arguments."""

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.set_defaults(run=run)
        return made

    return command


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add these subcommands by what `adder` returns."""
    one = command("status", run_status, "how far a run is, and when it will end")
    one.add_argument("folder", type=Path, metavar="run", help="the run's folder, results/NAME")
    one = command("frontier", run_frontier, "which variant of a run to take, and how to make it")
    one.add_argument("folder", type=Path, metavar="run", help="the run's folder, results/NAME")
    wanted = one.add_mutually_exclusive_group()
    wanted.add_argument("--at", type=amount("x"), metavar="8x", help="the best BLEU that many times smaller")
    wanted.add_argument(
        "--keep", type=amount("%"), metavar="99%", help="the smallest file that keeps so much of BLEU"
    )
    one.add_argument("--test", default="", metavar="NAME", help="test set [the run's first]")
    one = command("diff", run_diff, "what two runs were made from, and found, that differs")
    one.add_argument("one", type=Path, metavar="run", help="a finished run's folder, results/NAME")
    one.add_argument("other", type=Path, metavar="other", help="another's")
