import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.toys.run import make_run
from tzip.files import read_json, write_json
from tzip.report import resampling, results, score, tables

ROWS = ["bs-fixed", "baseline", "kmeans-4bit"]


def test_one_line_a_row_test_and_seed_in_the_order_given(example: Path) -> None:
    frame = results.read_scores(example, ROWS, ["hard", "flat"], [2, 1])
    order = list(product(ROWS, ("hard", "flat"), (2, 1)))
    assert list(frame[["row", "test", "seed"]].itertuples(index=False, name=None)) == order
    line = frame.iloc[order.index(("bs-fixed", "flat", 2))]
    scores = read_json(example / "seed-2/bs-fixed/flat.score.json")
    base = read_json(example / "seed-2/baseline/flat.score.json")
    assert line["bleu"] == scores["bleu"]
    assert line["percent"] == pytest.approx(100 * scores["bleu"] / base["bleu"])
    assert (line["p_value"], line["difference_low"]) == (scores["paired"]["p_value"], scores["paired"]["low"])
    assert line["difference"] == pytest.approx(scores["bleu"] - base["bleu"], abs=1e-5)
    assert frame[frame["row"] == "baseline"]["p_value"].isna().all()


def test_summary_over_seeds(example: Path) -> None:
    frame = results.read_scores(example, ROWS, ["flat", "hard"], [1, 2])
    summary = results.read(example, ROWS, ["flat", "hard"], [1, 2])
    assert summary["row"].tolist() == [row for row in ROWS for _ in range(2)]
    seeds = frame[(frame["row"] == "bs-fixed") & (frame["test"] == "flat")]
    line = summary.iloc[0]
    assert line["seeds"] == 2
    assert line["bleu"] == pytest.approx(seeds["bleu"].mean())
    assert line["bleu_sd"] == pytest.approx(np.ptp(seeds["bleu"]) / 2**0.5)
    for key in ("bleu", "percent"):
        assert line[f"{key}_low"] < line[key] < line[f"{key}_high"]
        assert line[f"{key}_margin"] == pytest.approx((line[f"{key}_high"] - line[f"{key}_low"]) / 2)
    assert line["percent"] == pytest.approx(seeds["percent"].mean())  # of each seed's own baseline, then averaged
    compared = summary.loc[summary["test"] == "flat", "p_value"].notna().sum()
    assert line["p_value"] == pytest.approx(min(1.0, compared * seeds["p_value"].max()))


def test_one_seed_has_its_bootstrap_interval(example: Path) -> None:
    line = results.read(example, ROWS, ["flat"], [1]).iloc[0]
    assert np.isnan(line["bleu_sd"])
    assert line["bleu_margin"] == pytest.approx((line["bleu_high"] - line["bleu_low"]) / 2)


def test_costs(example: Path) -> None:
    summary = results.summarize_costs(results.read_costs(example, ROWS, ["flat"], [1, 2]))
    assert summary["row"].tolist() == ROWS
    assert summary["words_per_second"].tolist() == [1150.0] * 3
    assert summary["compress_seconds"].tolist() == [2.25] * 3
    assert results.read_training(example, [1, 3])["seconds"].tolist() == [240.0]


def test_counts_pair_any_two_rows(example: Path) -> None:
    counts = results.read_counts(example, ROWS, "flat", [1, 2])
    assert [seed.shape for seed in counts["bs-fixed"]] == [(150, 10)] * 2
    scores = read_json(example / "seed-2/bs-fixed/flat.score.json")
    assert score.bleu(counts["bs-fixed"][1].sum(axis=0)) == pytest.approx(scores["bleu"], abs=1e-6)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A run of one test set and one seed, to be damaged."""
    return make_run(tmp_path, {"baseline": (0.1, 1.0), "kmeans-4bit": (0.1, 5.85)})


def test_a_baseline_without_bleu_has_no_percent(small: Path) -> None:
    path = small / "seed-1/baseline/flat.score.json"
    write_json(path, read_json(path) | {"bleu": 0.0})
    frame = results.read_scores(small, ["baseline", "kmeans-4bit"], ["flat"], [1])
    assert frame["percent"].isna().all()


def test_a_score_that_is_no_number_is_named(small: Path) -> None:
    path = small / "seed-1/baseline/flat.score.json"
    write_json(path, read_json(path) | {"chrf": "high"})
    with pytest.raises(ValueError, match="chrf = 'high' is not a number"):
        results.read_scores(small, ["baseline"], ["flat"], [1])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("flat.score.json", None, "flat.score.json: missing"),
        ("flat.score.json", "{", "flat.score.json: not JSON"),
        ("flat.score.json", "[]", "flat.score.json: 'bleu' is missing"),
        ("flat.score.json", '{"bleu": 1}', "flat.score.json: 'bleu_low' is missing"),
        ("size.json", '{"file_bytes": 1}', "size.json: 'baseline_bytes' is missing"),
    ],
)
def test_damaged_files_are_named(small: Path, file: str, content: str | None, message: str) -> None:
    path = small / "seed-1" / "baseline" / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"seed-1/baseline/{message}") as error:
        results.read_scores(small, ["baseline"], ["flat"], [1])
    assert "\n" not in str(error.value)


def test_rows_need_the_baseline(example: Path) -> None:
    with pytest.raises(ValueError, match="rows: 'baseline' must be among them, found bs-fixed"):
        results.read_scores(example, ["bs-fixed"], ["flat"], [1])


def test_test_sets_of_unequal_length_are_not_paired(small: Path) -> None:
    score.write_statistics(small / "seed-1/kmeans-4bit/flat.stats.npz", {"bleu": np.ones((9, 10), int)})
    with pytest.raises(ValueError, match=r"kmeans-4bit/flat\.stats\.npz: 9 sentences, 150 expected"):
        results.read_counts(small, ["baseline", "kmeans-4bit"], "flat", [1])


def test_attention_takes_the_encoders(tmp_path: Path) -> None:
    encoder = {"sharpness": 1.0, "sharpness_low": 0.9, "sharpness_high": 1.1, "distance": 0.2, "distance_low": 0.1}
    write_json(tmp_path / "seed-1/a/attention.json", {"sharpness": 9, "by_kind": {"encoder": encoder}})
    write_json(tmp_path / "seed-2/a/attention.json", encoder)
    frame = results.read_attention(tmp_path, ["a", "b"], [1, 2])
    assert frame[["row", "seed", "sharpness", "distance_low"]].to_numpy().tolist() == [
        ["a", 1, 1.0, 0.1],
        ["a", 2, 1.0, 0.1],
    ]
    assert frame["sharpness_change"].isna().all()


def test_a_row_without_the_encoders_attention_is_left_out(tmp_path: Path) -> None:
    record = {"by_kind": {"cross": {"sharpness": 1.0}}, "left_out": {"encoder": "the model has no such"}}
    write_json(tmp_path / "seed-1/student/attention.json", record)
    assert results.read_attention(tmp_path, ["student"], [1]).empty


def test_provenance_says_what_no_clock_decides() -> None:
    record = {"revision": "a" * 40, "dirty": True, "configuration": "b" * 64, "device": "cpu", "date": "today"}
    assert results.provenance(record | {"data": {"train.en": "c" * 64}}) == [
        "git revision: aaaaaaaaaaaa with uncommitted changes",
        "configuration: sha256 bbbbbbbbbbbb",
        "device: cpu",
        "data: sha256 train.en cccccccccccc",
    ]
    assert results.provenance({}) == []


def test_arguments_of_the_scripts(tmp_path: Path, monkeypatch) -> None:
    write_json(tmp_path / "p.json", {"device": "cpu"})
    flags = (
        f"--results r --rows a,b --tests x,y --seeds 3,1 --note N --provenance {tmp_path}/p.json --output o --more m"
    )
    monkeypatch.setattr("sys.argv", ["script", *flags.split()])
    args = results.arguments("description", lambda parser: parser.add_argument("--more"))
    assert (args.results, args.rows, args.tests, args.seeds) == (Path("r"), ["a", "b"], ["x", "y"], [3, 1])
    assert results.notes(args) == (["N"], ["device: cpu"])
    assert (args.output, args.more) == (Path("o"), "m")


@pytest.mark.parametrize(
    ("file", "key", "what"),
    [
        ("flat.score.json", "references", "references"),
        ("size.json", "baseline", "baselines"),
        ("attention.json", "source", "sources"),
    ],
)
def test_files_of_different_runs_are_not_joined(example: Path, tmp_path: Path, file: str, key: str, what: str) -> None:
    run = Path(shutil.copytree(example, tmp_path / "run"))
    for row in ROWS:
        path = run / "seed-1" / row / file
        record = read_json(path) if path.exists() else {"left_out": {"encoder": "the model has no such attention"}}
        write_json(path, record | {key: "of another run" if row == "kmeans-4bit" else "of this run"})
    with pytest.raises(ValueError, match=f"kmeans-4bit/{file} and .*/bs-fixed/{file} do not .* different {what}"):
        results.read_attention(run, ROWS, [1]) if "attention" in file else results.read_scores(run, ROWS, ["flat"], [1])


def test_a_score_knows_its_references(example: Path) -> None:
    flat, hard = (read_json(example / f"seed-1/baseline/{test}.score.json")["references"] for test in ("flat", "hard"))
    assert len(flat) == 16
    assert flat != hard


def test_intervals_are_paired_with_the_baseline(example: Path) -> None:
    """A row that differs in nothing keeps exactly 100 %, however wide the interval of its BLEU is."""
    measured = results.intervals(example, ["baseline", "bs-fixed"], ["flat"], [1, 2]).set_index("row")
    assert (measured.loc["baseline", ["percent_low", "percent_high"]] == 100).all()
    assert (measured.loc["baseline", ["difference_low", "difference_high"]] == 0).all()
    assert measured.loc["baseline", "bleu_high"] - measured.loc["baseline", "bleu_low"] > 1
    scores = results.read_scores(example, ["baseline", "bs-fixed"], ["flat"], [1, 2]).set_index(["row", "seed"])
    of_seeds = scores.loc["bs-fixed", "difference"]
    low, high = measured.loc["bs-fixed", ["difference_low", "difference_high"]]
    assert low < of_seeds.min() <= of_seeds.max() < high


@pytest.mark.parametrize(("count", "said"), [(0, "0 times"), (1, "once"), (4, "4 times")])
def test_the_foot_says_how_often_a_configuration_was_changed_after_a_test_score(count: int, said: str) -> None:
    record = {"configuration": "c" * 64, "config": {"changes_after_test": count}}
    assert results.provenance(record) == [
        f"configuration: sha256 {'c' * 12}, changed {said} after a test score of it was seen"
    ]
    assert results.provenance({"configuration": "c" * 64, "config": {}}) == [f"configuration: sha256 {'c' * 12}"]


def test_holm_by_hand() -> None:
    given = pd.Series([0.01, np.nan, 0.04, 0.03, 0.9])
    assert resampling.holm(given).tolist() == pytest.approx([0.04, np.nan, 0.09, 0.09, 0.9], nan_ok=True)
    assert resampling.holm(pd.Series([0.8, 0.7])).tolist() == [1.0, 1.0]


def test_percents_are_given_of_a_control_too(example: Path) -> None:
    rows = ["baseline", "kmeans-4bit", "bs-fixed"]
    with_control = results.read(example, rows, ["flat"], [1, 2], "kmeans-4bit").set_index("row")
    scores = results.read_scores(example, rows, ["flat"], [1, 2]).set_index(["row", "seed"])["bleu"]
    wanted = (100 * scores["bs-fixed"] / scores["kmeans-4bit"]).mean()
    assert with_control.loc["bs-fixed", "control_percent"] == pytest.approx(wanted, abs=1e-4)
    assert (with_control.loc["kmeans-4bit", ["control_percent_low", "control_percent_high"]] == 100).all()
    table = tables.table_1(with_control.reset_index(), "flat")
    assert "% of control" in [column.heading for column in table.columns]
    wanted = "control: row 'kmeans-4bit', stored in 16 bits instead of being compressed, and fine-tuned as the others: "
    assert f"{wanted}20 updates of 1,024 tokens, learning rate 0.001, no teacher" in table.notes
    without = tables.table_1(results.read(example, rows, ["flat"], [1, 2]), "flat")
    assert "% of control" not in [column.heading for column in without.columns]
