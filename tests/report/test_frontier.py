"""The frontier by hand-made cases: what dominates what, what is chosen, and how methods rank."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.test_cli import call
from tests.toys.frontier import FOUR, crowd, variants
from tests.toys.run import script, write
from tzip.files import read_json, write_json
from tzip.report import frontier, results, tables


def test_what_another_beats_is_not_on_the_frontier() -> None:
    assert FOUR.loc[FOUR["frontier"], "row"].tolist() == ["a", "b", "e"]


def test_equals_are_on_the_frontier_together() -> None:
    frame = variants(("a", "kmeans", 2.0, 40.0), ("b", "log", 2.0, 40.0))
    assert frame.loc[frame["frontier"], "row"].tolist() == ["a", "b"]


def test_the_frontier_agrees_with_its_definition() -> None:
    frame = crowd(80)
    size, bleu = frame["file_bytes"].to_numpy(), frame["bleu"].to_numpy()
    as_good = (size[:, None] <= size) & (bleu[:, None] >= bleu)
    better = (size[:, None] < size) | (bleu[:, None] > bleu)
    assert frame["frontier"].tolist() == (~(as_good & better).any(axis=0)).tolist()
    assert 3 < frame["frontier"].sum() < 40


@pytest.mark.parametrize(("ratio", "row"), [(1, "a"), (2, "a"), (2.5, "b"), (4, "b"), (4.1, "e"), (8, "e")])
def test_at_a_budget_the_best_bleu_is_taken(ratio: float, row: str) -> None:
    assert frontier.at(FOUR, ratio)["row"] == row


@pytest.mark.parametrize(("percent", "row"), [(100, "a"), (95, "b"), (93, "b"), (50, "e"), (1, "e")])
def test_to_keep_a_share_the_smallest_file_is_taken(percent: float, row: str) -> None:
    assert frontier.keeping(FOUR, percent)["row"] == row


def test_what_cannot_be_had_says_what_can() -> None:
    with pytest.raises(ValueError, match=r"^no file is 9x smaller; the most is e: 20.00 ± 1.00 BLEU on flat"):
        frontier.at(FOUR, 9)
    with pytest.raises(ValueError, match=r"^no file keeps 101 % of the baseline's BLEU; the most is a: 40.20"):
        frontier.keeping(FOUR, 101)
    with pytest.raises(ValueError, match="nothing but a baseline"):
        frontier.keeping(variants(), 50)


# ------------------------------------------------------------------------------------------------ ranking


def test_the_area_is_the_mean_over_logarithmic_budgets() -> None:
    assert frontier.area([4.0], [80.0], 4.0) == pytest.approx(80)
    assert frontier.area([2.0], [80.0], 4.0) == pytest.approx(40)  # nothing for the smaller half
    assert frontier.area([2.0, 4.0], [80.0, 40.0], 4.0) == pytest.approx(60)
    assert frontier.area([4.0, 2.0], [40.0, 80.0], 4.0) == pytest.approx(60)  # in any order
    assert frontier.area([2.0, 4.0], [40.0, 80.0], 4.0) == pytest.approx(80)  # the smaller is better: its own
    assert frontier.area([0.9], [100.0], 4.0) == 0
    assert frontier.area([2.0, 4.0], [math.nan, 40.0], 4.0) == pytest.approx(40)


def scores(*lines: tuple[str, int, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=["row", "seed", "ratio_file", "percent"])
    return frame.assign(test="flat")


def test_methods_rank_by_their_area_with_the_seeds_spread() -> None:
    both = scores(
        ("baseline", 1, 1.0, 100.0),
        ("baseline", 2, 1.0, 100.0),
        ("a", 1, 2.0, 100.0),
        ("a", 2, 2.0, 90.0),
        ("b", 1, 4.0, 60.0),
        ("b", 2, 4.0, 50.0),
        ("c", 1, 4.0, 90.0),
        ("c", 2, 4.0, 86.0),
    )
    found = frontier.rank(both, variants(("a", "kmeans", 2, 38), ("b", "kmeans", 4, 22), ("c", "log", 4, 35)))
    assert found[["rank", "method", "variants", "on_frontier"]].to_numpy().tolist() == [
        [1, "log", 1, 1],
        [2, "kmeans", 2, 1],
    ]
    assert found["area"].tolist() == pytest.approx([88, 75])
    assert found["area_sd"].tolist() == pytest.approx([math.sqrt(8), math.sqrt(50)])
    assert found["largest_ratio"].tolist() == [4, 4]
    shown = tables.to_markdown(frontier.ranking(found, 2))
    assert "| 1 | log | flat | 1 | 1 | 88.00 ± 2.83 |" in shown
    assert "from 1x to 4.00x" in shown


def test_a_run_of_nothing_but_a_baseline_ranks_nothing() -> None:
    found = frontier.rank(scores(("baseline", 1, 1.0, 100.0)), variants())
    assert found.empty
    assert "budgets from 1x to 1x" in tables.to_markdown(frontier.ranking(found, 1))


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        ({"quantize": "kmeans:bits=4", "prune": ""}, "kmeans"),
        ({"prune": "magnitude:end=0.5"}, "magnitude"),
        ({"prune": "magnitude:end=0.5", "quantize": "kmeans:bits=4"}, "magnitude + kmeans"),
        ({"scope": "linear"}, "baseline"),
    ],
)
def test_a_method_is_its_pruner_and_quantizer(plan: dict[str, str], name: str) -> None:
    assert frontier.method(plan) == name


# ------------------------------------------------------------------------------- tables and the command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frontier") / "example"
    flags = write(folder)
    assert script(
        "frontier",
        *flags,
        "--provenance",
        folder / "provenance.json",
        "--note",
        "made up",
        "--output",
        folder / "tables",
    ) == (0, "")
    return folder


def test_the_csv_has_every_variant_and_readers_see_the_frontier(run: Path) -> None:
    found = frontier.read(run)
    assert len(found) == 13
    best = found.loc[found["frontier"], "row"].tolist()
    shown = (run / "tables" / "frontier.md").read_text()
    rows = [line.split("|")[1].strip() for line in shown.splitlines() if "| flat |" in line]
    assert rows == best
    assert 1 < len(best) < 13
    for suffix in ("md", "tex", "csv"):
        text = (run / "tables" / f"frontier.{suffix}").read_text()
        assert "made up" in text
        assert "git revision: 0123456789ab" in text
    summary = results.summarize(results.read_scores(run, ["baseline", "kmeans-4bit"], ["flat"], [1, 2]))
    line = found.set_index("row").loc["kmeans-4bit"]
    assert line["bleu"] == pytest.approx(summary["bleu"].iloc[1], abs=1e-4)
    assert line["file_bytes"] == summary["file_bytes"].iloc[1]


def test_the_command_answers_in_one_line_and_prints_another_that_snakemake_understands(
    run: Path, monkeypatch, capsys
) -> None:
    from snakemake.cli import get_argument_parser

    said = call(monkeypatch, capsys, "frontier", run, "--at", "4x", "--test", "hard").splitlines()
    wanted = frontier.at(frontier.read(run, "hard"), 4.0)
    assert len(said) == 2
    assert said[0].startswith(f"{wanted['row']}: ")
    assert "BLEU on hard" in said[0]
    assert f"{wanted['file_bytes']:,} bytes, {wanted['ratio_file']:.2f}x smaller" in said[0]
    program, *arguments = shlex.split(said[1])
    parsed = get_argument_parser().parse_args(arguments)
    assert program == "snakemake"
    assert {Path(target) for target in parsed.targets} == {run / "seed-1" / wanted["row"] / "model.tzip"}
    assert list(parsed.configfile) == [run / "config.json"]
    kept = call(monkeypatch, capsys, "frontier", run, "--keep", "99%").splitlines()
    assert kept[0].startswith(frontier.keeping(frontier.read(run), 99)["row"] + ": ")
    assert "The frontier" in call(monkeypatch, capsys, "frontier", run)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--at", "800x"], "error: no file is 800x smaller; the most is "),
        (["--keep", "200"], "error: no file keeps 200 % of the baseline's BLEU; the most is "),
        (["--test", "none"], "no test set 'none'; choose from flat, hard"),
        (["--at", "much"], "argument --at: 'much' is not a positive number, such as 8x"),
        (["--keep", "-3%"], "error: "),
        (["--at", "2x", "--keep", "9"], "not allowed with argument --at"),
    ],
)
def test_mistakes_are_told_in_one_line(run: Path, given: list[str], says: str, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, capsys, "frontier", run, *given)
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told


def test_a_folder_without_a_frontier_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, capsys, "frontier", tmp_path / "nothing")
    assert "nothing/tables/frontier.csv: missing; is" in capsys.readouterr().err
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "frontier.csv").write_text("row,test\na,b\n")
    with pytest.raises(ValueError, match=r"frontier.csv: no column 'label'"):
        frontier.read(tmp_path)


def test_plans_are_read_from_what_was_made(run: Path, tmp_path: Path) -> None:
    plans = results.read_plans(run, ["kmeans-4bit"], 1)
    assert plans == {"kmeans-4bit": {"quantize": "kmeans:bits=4", "student": "", "mixer": ""}}
    write_json(results.place(tmp_path, 1, "x", "compress.json"), {"device": "CPU"})
    with pytest.raises(ValueError, match="'plan' is missing in it"):
        results.read_plans(tmp_path, ["x"], 1)
    assert "plan" in read_json(results.place(run, 1, "kmeans-4bit", "compress.json"))


@pytest.mark.parametrize(
    ("plan", "spelled", "source"),
    [
        ({"scope": "linear"}, "", ""),
        ({"quantize": "ternary", "scope": "all"}, "quantize ternary, all", "Li & Liu 2016 (Ternary Weight Networks)"),
        (
            {"student": "tiny", "mixer": "convolution", "prune": "magnitude:end=0.5", "scope": "linear"},
            "student tiny, prune magnitude:end=0.5, linear",
            "Hinton, Vinyals & Dean 2015; Kim & Rush 2016; Chia & Witteveen 2018; Wu et al. 2019; "
            "See, Luong & Manning 2016",
        ),
        ({"quantize": "mine:bits=2", "budget": "8x"}, "quantize mine:bits=2, budget 8x", "Shoham & Gersho 1988"),
    ],
)
def test_a_plan_is_spelled_and_its_sources_named(plan: dict, spelled: str, source: str) -> None:
    assert frontier.spelled(plan) == spelled
    assert frontier.source(plan) == source
