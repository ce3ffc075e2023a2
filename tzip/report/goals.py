"""What a run was after, beside what it reached: so much of the baseline's BLEU in so few bytes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tzip import options
from tzip.options import option
from tzip.report import frontier, tables
from tzip.report.tables import Column, Table


@dataclass(frozen=True)
class Goal:
    """How much of the baseline's BLEU shall be kept: at a size, or by one variant."""

    keep: float = option(100.0, "percent of the baseline's BLEU", low=0.0)
    at: float = option(0.0, "times smaller that the file shall be at least; 0 = of the row's size", low=0.0)
    row: str = option("", "the variant that shall keep it; without one, the best that is small enough")
    students: bool = option(True, "whether a student may stand for the baseline")

    def __post_init__(self) -> None:
        if bool(self.at) == bool(self.row):
            raise ValueError("give one of at and row: a size, or the variant that shall keep it")

    @property
    def asked(self) -> str:
        """The goal in words."""
        return self.row or f"{self.at:g}x smaller, {'any' if self.students else 'same'} architecture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help = "what the run is after, as at=8,keep=99,students=false or row=pruned-50,keep=99"
    parser.add_argument("--goals", nargs="*", default=[], metavar="GOAL", help=help)


def parse(spec: str) -> Goal:
    """at=8,keep=99 → Goal; ValueError in one line."""
    return options.make(Goal, options.parse(f"goal:{spec}")[1], "goals")


def reached(variants: pd.DataFrame, goal: Goal) -> pd.Series | None:
    """The line of `frontier.read` with the best BLEU of those that the goal allows; None of none."""
    taught = variants["method"].str.startswith("student ")
    allowed = variants[variants["row"] == goal.row] if goal.row else variants[goal.students | ~taught]
    small = allowed[allowed["ratio_file"] >= goal.at]
    return None if small.empty else frontier.at(small, goal.at)


def table(variants: pd.DataFrame, goals: Sequence[Goal], notes: Sequence[str] = ()) -> Table:
    """Each goal and the variant that comes nearest, of `frontier.read`'s lines of one test set."""
    keys = ("row", "ratio_file", "file_bytes", "bleu", "bleu_margin", "percent", "p_value")
    lines = []
    for goal in goals:
        line = reached(variants, goal)
        found = {key: None for key in keys} if line is None else {key: line[key] for key in keys}
        lines.append({"asked": goal.asked, "keep": goal.keep} | found)
    frame = pd.DataFrame(lines)
    frame["reached"] = frame["percent"] >= frame["keep"]
    columns = (
        Column("asked", tables.text("asked"), align="l", short="asked"),
        Column("% of baseline to keep", tables.number("keep", "g"), short="to keep"),
        Column(
            "best variant",
            lambda line: tables.DASH if pd.isna(line["row"]) else line["row"],
            align="l",
            short="best variant",
        ),
        Column("times smaller", tables.number("ratio_file"), short="x"),
        Column("BLEU", tables.plus_minus("bleu", "bleu_margin"), short="BLEU"),
        Column("% of baseline", tables.number("percent", ".1f"), short="%"),
        Column("reached", _verdict, align="l", short="reached"),
    )
    test = variants["test"].iloc[0]
    said = (
        f"at a size: the best BLEU on {test} among files at least that many times smaller than the baseline "
        "(float32 and vocabulary), chosen on the test set itself among all variants of the run",
        tables.margin(variants),
    )
    return Table("goals", "What was asked for, and what was reached", frame, columns, (*notes, *said))


def _verdict(line: dict) -> str:
    if pd.isna(line["row"]):
        return "no file is so small"
    return "yes" if line["reached"] else f"short by {line['keep'] - line['percent']:.1f}"


def _name(line: dict) -> str:
    return tables.DASH if pd.isna(line["row"]) else line["row"]
