"""The frontier by hand-made cases: what dominates what, what is chosen, and how methods rank."""

import math
import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.test_cli import call
from tests.toys.frontier import FOUR, crowd, variants
from tests.toys.run import ROOT, flags, script
from tzip.files import write_json
from tzip.report import frontier, means, results, tables


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
    kept = {("baseline", 1.0): (100, 100), ("a", 2.0): (100, 90), ("b", 4.0): (60, 50), ("c", 4.0): (90, 86)}
    lines = [(row, seed, ratio, kept[row, ratio][seed - 1]) for row, ratio in kept for seed in (1, 2)]
    ranked = frontier.rank(
        scores(*lines), variants(("a", "kmeans", 2, 38), ("b", "kmeans", 4, 22), ("c", "log", 4, 35))
    )
    assert ranked[["rank", "method", "variants", "on_frontier"]].to_numpy().tolist() == [
        [1, "log", 1, 1],
        [2, "kmeans", 2, 1],
    ]
    assert ranked["area"].tolist() == pytest.approx([88, 75])
    assert ranked["area_sd"].tolist() == pytest.approx([math.sqrt(8), math.sqrt(50)])
    assert ranked["largest_ratio"].tolist() == [4, 4]
    shown = tables.to_markdown(frontier.ranking(ranked, 2))
    assert "| 1 | log | flat | 1 | 1 | 88.00 | 2.83 |" in shown
    assert "from 1x to 4.00x" in shown


def test_a_run_of_nothing_but_a_baseline_ranks_nothing() -> None:
    ranked = frontier.rank(scores(("baseline", 1, 1.0, 100.0)), variants())
    assert ranked.empty
    assert "budgets from 1x to 1x" in tables.to_markdown(frontier.ranking(ranked, 1))


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


def test_the_csv_has_every_variant_and_readers_see_the_frontier(example: Path) -> None:
    frame = frontier.read(example)
    assert len(frame) == 13
    best = frame.loc[frame["frontier"], "row"].tolist()
    shown = (example / "tables" / "frontier.md").read_text()
    rows = [line.split("|")[1].strip() for line in shown.splitlines() if "| flat |" in line]
    assert rows == best
    assert 1 < len(best) < 13
    for suffix in ("md", "tex", "csv"):
        text = (example / "tables" / f"frontier.{suffix}").read_text()
        assert "made up" in text
        assert "git revision: 0123456789ab" in text
    summary = results.read(example, ["baseline", "kmeans-4bit"], ["flat"], [1, 2])
    line = frame.set_index("row").loc["kmeans-4bit"]
    assert line["bleu"] == pytest.approx(summary["bleu"].iloc[1], abs=1e-4)
    assert line["file_bytes"] == summary["file_bytes"].iloc[1]


def test_a_run_of_several_test_sets_has_their_mean_too(example: Path, tmp_path: Path) -> None:
    frame = frontier.read(example, "mean")
    rows, tests, seeds = frame["row"].tolist(), ["flat", "hard"], [1, 2]
    wanted = means.add(results.read(example, rows, tests, seeds), example, rows, tests, seeds)
    wanted = wanted[wanted["test"] == "mean"].reset_index(drop=True)
    for key in ("bleu", "bleu_margin", "percent", "percent_margin"):
        assert frame[key].tolist() == pytest.approx(wanted[key].tolist(), abs=1e-4, nan_ok=True)
    assert (frame["frontier"] == frontier.undominated(frame)).all()
    assert "mean: over flat, hard; each" in (example / "tables" / "frontier.md").read_text()
    assert "mean: over the run's test sets; each" in tables.to_text(frontier.table(frame))
    assert script("frontier", *flags(example, rows, ["hard"], [1]), "--output", tmp_path / "tables") == (0, "")
    assert set(frontier.read(tmp_path, "mean")["test"]) == {"hard"}


def test_the_command_answers_in_one_line_and_prints_another_that_snakemake_understands(
    example: Path, monkeypatch, capsys
) -> None:
    from snakemake.cli import get_argument_parser

    answer, command = call(monkeypatch, capsys, "frontier", example, "--at", "4x", "--test", "hard").splitlines()
    wanted = frontier.at(frontier.read(example, "hard"), 4.0)
    assert answer.startswith(f"{wanted['row']}: ")
    assert "BLEU on hard" in answer
    assert f"{wanted['file_bytes']:,} bytes, {wanted['ratio_file']:.2f}x smaller" in answer
    program, *arguments = shlex.split(command)
    parsed = get_argument_parser().parse_args(arguments)
    assert program == "snakemake"
    assert {Path(target) for target in parsed.targets} == {example / "seed-1" / wanted["row"] / "model.tzip"}
    assert list(parsed.configfile) == [example / "config.json"]
    kept = call(monkeypatch, capsys, "frontier", example, "--keep", "99%").splitlines()
    assert kept[0].startswith(frontier.keeping(frontier.read(example, "mean"), 99)["row"] + ": ")
    assert " BLEU on average over the test sets (" in kept[0]
    assert "The frontier" in call(monkeypatch, capsys, "frontier", example)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--at", "800x"], "error: no file is 800x smaller; the most is "),
        (["--keep", "200"], "error: no file keeps 200 % of the baseline's BLEU; the most is "),
        (["--test", "none"], "no test set 'none'; choose from flat, hard, mean"),
        (["--at", "much"], "argument --at: 'much' is not a positive number, such as 8x"),
        (["--keep", "-3%"], "error: "),
        (["--at", "2x", "--keep", "9"], "not allowed with argument --at"),
    ],
)
def test_mistakes_are_told_in_one_line(example: Path, flags: list[str], message: str, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, capsys, "frontier", example, *flags)
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_folder_without_a_frontier_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit):
        call(monkeypatch, capsys, "frontier", tmp_path / "nothing")
    assert f"{tmp_path / 'nothing'}: no run; {tmp_path} has none" in capsys.readouterr().err
    write_json(tmp_path / "begun" / "config.json", {})
    with pytest.raises(ValueError, match=r"no run; .* has begun"):
        frontier.read(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"missing; `snakemake .*frontier.csv --cores all --configfile .*config.json`"):
        frontier.read(tmp_path / "begun")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "frontier.csv").write_text("row,test\na,b\n")
    with pytest.raises(ValueError, match=r"frontier.csv: no column 'label'"):
        frontier.read(tmp_path)


def test_a_frontier_of_an_earlier_revision_is_read(example: Path, tmp_path: Path) -> None:
    """Without control, updates, words and what chose: each test set for itself."""
    frame = pd.read_csv(example / "tables" / "frontier.csv", comment="#")
    later = [*frontier.LATER, "chosen_by", "chosen_bleu", "chosen_percent"]
    (tmp_path / "tables").mkdir()
    frame.drop(columns=later).to_csv(tmp_path / "tables" / "frontier.csv", index=False)
    old = frontier.read(tmp_path)
    assert list(old.columns.sort_values()) == sorted(frontier.COLUMNS)
    assert (old["chosen_bleu"] == old["bleu"]).all()
    assert frontier.at(old, 4.0)["row"] == frontier.at(frontier.read(example), 4.0)["row"]
    shown = tables.to_text(frontier.table(old))
    assert "% control" not in shown
    assert "fine-tuning:" not in shown


def test_plans_are_read_from_what_was_made(example: Path, tmp_path: Path) -> None:
    plans = results.read_plans(example, ["kmeans-4bit"], 1)
    assert plans == {"kmeans-4bit": {"quantize": "kmeans:bits=4", "student": "", "mixer": ""}}
    write_json(results.place(tmp_path, 1, "x", "compress.json"), {"device": "CPU"})
    with pytest.raises(ValueError, match="'plan' is missing in it"):
        results.read_plans(tmp_path, ["x"], 1)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"scope": "linear", "quantize": ""}, "the baseline, uncompressed"),
        ({"student": "tiny", "scope": "linear"}, "the student 'tiny', uncompressed"),
        (
            {"prune": "magnitude:end=0.5", "quantize": "kmeans:bits=4", "biases": "kmeans:bits=8", "scope": "all"},
            "Magnitude pruning (end 0.5), then K-means quantization (bits 4), of all matrices, embeddings included, of "
            "the baseline; biases by kmeans:bits=8; the rest in float16; fine-tuned: 20 updates",
        ),
        ({"quantize": "mine", "scope": "attention"}, "mine, of the attention layers of the baseline; fine-tuned: 20 u"),
    ],
)
def test_a_row_is_explained_in_words(plan: dict, words: str) -> None:
    rest = {"rest": "float16"} if "biases" in plan else {}
    assert frontier.explained(plan | rest, "20 updates").startswith(words)
    if plan.get("quantize"):
        assert frontier.explained(plan).endswith("not fine-tuned")


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
        (
            {"student": "tiny", "mixer": "attention + ssru"},
            "student tiny",
            "Hinton, Vinyals & Dean 2015; Kim & Rush 2016; Kim et al. 2019",
        ),
        ({"quantize": "mine:bits=2", "budget": "8x"}, "quantize mine:bits=2, budget 8x", "Shoham & Gersho 1988"),
    ],
)
def test_a_plan_is_spelled_and_its_sources_named(plan: dict, spelled: str, source: str) -> None:
    assert frontier.spelled(plan) == spelled
    assert frontier.explained(plan)
    assert frontier.source(plan) == source


@pytest.mark.parametrize("run", ["default", "methods", "mixed", "multi30k-frontier"])
def test_published_frontiers_are_readable(run: str) -> None:
    folder = ROOT / "results" / "published" / run
    frame = frontier.read(folder)
    wanted = f"snakemake results/{run}/a --cores all --configfile {folder}/config.json"  # where a run makes its files
    assert frontier.command(folder, "a") == wanted
    assert frontier.at(frame, 2.0)["bleu"] > 0
    assert tables.to_text(frontier.table(frame))
