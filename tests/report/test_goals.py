"""Goals by a hand-made frontier: what comes nearest to each, and what is said of it."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.report.test_frontier import variants
from tzip.config import run
from tzip.report import goals, tables
from tzip.report.goals import Goal

FRAME = variants(
    ("a", "kmeans", 4.0, 39.6),
    ("b", "kmeans", 8.0, 38.0),
    ("c", "student tiny + kmeans", 9.0, 39.0),
    ("d", "student tiny + kmeans", 20.0, 30.0),
)


@pytest.mark.parametrize(
    ("spec", "row", "verdict"),
    [
        ("at=4,keep=99", "a", "yes"),
        ("at=8,keep=99", "c", "short by 1.5"),
        ("at=8,keep=95,students=false", "b", "yes"),
        ("at=8.5,keep=95,students=false", None, "no file is so small"),
        ("at=20,keep=75", "d", "yes"),
        ("at=21,keep=1", None, "no file is so small"),
        ("row=b,keep=96", "b", "short by 1.0"),
    ],
)
def test_the_best_that_is_small_enough_is_held_against_the_goal(spec, row, verdict) -> None:
    table = goals.table(FRAME, [goals.parse(spec)])
    found = table.frame["row"].iloc[0]
    assert (None if pd.isna(found) else found) == row
    assert table.cells()[0][-1] == verdict
    assert "nan" not in tables.to_text(table).lower()


def test_goals_stand_in_their_order_with_what_they_ask() -> None:
    asked = [Goal(at=8, keep=99), Goal(at=8, keep=95, students=False), Goal(row="a"), Goal(at=99)]
    table = goals.table(FRAME, asked)
    *cells, none = table.cells()
    assert none == ["99x smaller, any architecture", "100", "–", "–", "–", "–", "no file is so small"]
    assert "no file is so small" in tables.to_markdown(table)
    assert [line[0] for line in cells] == [
        "8x smaller, any architecture",
        "8x smaller, same architecture",
        "a",
    ]
    assert [line[1] for line in cells] == ["99", "95", "100"]


@pytest.mark.parametrize("given", [{}, {"at": 8, "row": "a"}])
def test_a_goal_is_a_size_or_a_row(given) -> None:
    with pytest.raises(ValueError, match="give one of at and row"):
        Goal(**given)


def test_a_goal_is_spelled_as_it_is_parsed() -> None:
    given = {"at": 16, "keep": 99.5, "students": False}
    assert goals.parse(run.spelled_goal(given)) == Goal(at=16.0, keep=99.5, students=False)
