from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.toys.run import FAULTS, make_run
from tzip.files import read_json, write_json
from tzip.report import results, score


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    rows = {row: FAULTS[row] for row in ("baseline", "kmeans-4bit", "bs-fixed")}
    return make_run(tmp_path_factory.mktemp("run"), rows, ("t1", "t2"), (1, 2))


ROWS = ["bs-fixed", "baseline", "kmeans-4bit"]


def test_one_line_a_row_test_and_seed_in_the_order_given(run: Path) -> None:
    frame = results.read_scores(run, ROWS, ["t2", "t1"], [2, 1])
    assert list(zip(frame["row"], frame["test"], frame["seed"], strict=True)) == [
        (row, test, seed) for row in ROWS for test in ("t2", "t1") for seed in (2, 1)
    ]
    line = frame[(frame["row"] == "bs-fixed") & (frame["test"] == "t1") & (frame["seed"] == 2)].iloc[0]
    found = read_json(run / "seed-2/bs-fixed/t1.score.json")
    base = read_json(run / "seed-2/baseline/t1.score.json")
    assert line["bleu"] == found["bleu"]
    assert line["percent"] == pytest.approx(100 * found["bleu"] / base["bleu"])
    assert (line["p_value"], line["difference_low"]) == (found["paired"]["p_value"], found["paired"]["low"])
    assert line["difference"] == pytest.approx(found["bleu"] - base["bleu"], abs=1e-5)
    assert frame[frame["row"] == "baseline"]["p_value"].isna().all()


def test_summary_over_seeds(run: Path) -> None:
    frame = results.read_scores(run, ROWS, ["t1", "t2"], [1, 2])
    summary = results.summarize(frame)
    assert summary["row"].tolist() == [row for row in ROWS for _ in range(2)]
    both = frame[(frame["row"] == "bs-fixed") & (frame["test"] == "t1")]
    line = summary.iloc[0]
    assert line["seeds"] == 2
    assert line["bleu"] == pytest.approx(both["bleu"].mean())
    assert line["bleu_sd"] == line["bleu_margin"] == pytest.approx(np.ptp(both["bleu"]) / 2**0.5)
    assert line["bleu_low"] == pytest.approx(both["bleu_low"].mean())
    assert line["percent"] == pytest.approx(both["percent"].mean())  # of each seed's own baseline, then averaged
    assert line["p_value"] == both["p_value"].max()


def test_one_seed_has_its_bootstrap_interval(run: Path) -> None:
    line = results.summarize(results.read_scores(run, ROWS, ["t1"], [1])).iloc[0]
    assert np.isnan(line["bleu_sd"])
    assert line["bleu_margin"] == pytest.approx((line["bleu_high"] - line["bleu_low"]) / 2)


def test_costs(run: Path) -> None:
    write_json(run / "seed-1/training.json", {"seconds": 10, "peak_memory_mb": 5.5, "device": "cpu"})
    summary = results.summarize_costs(results.read_costs(run, ROWS, ["t1"], [1, 2]))
    assert summary["row"].tolist() == ROWS
    assert summary["words_per_second"].tolist() == [1150.0] * 3
    assert summary["compress_seconds"].tolist() == [2.25] * 3
    assert results.read_training(run, [1, 2])["seconds"].tolist() == [10.0]


def test_counts_pair_any_two_rows(run: Path) -> None:
    counts = results.read_counts(run, ROWS, "t1", [1, 2])
    assert [each.shape for each in counts["bs-fixed"]] == [(150, 10)] * 2
    found = read_json(run / "seed-2/bs-fixed/t1.score.json")
    assert score.bleu(counts["bs-fixed"][1].sum(axis=0)) == pytest.approx(found["bleu"], abs=1e-6)


def test_a_baseline_without_bleu_has_no_percent(tmp_path: Path) -> None:
    make_run(tmp_path, {"baseline": (1.0, 1.0), "kmeans-4bit": (0.1, 5.85)})
    path = tmp_path / "seed-1/baseline/t1.score.json"
    write_json(path, read_json(path) | {"bleu": 0.0})
    frame = results.read_scores(tmp_path, ["baseline", "kmeans-4bit"], ["t1"], [1])
    assert results.summarize(frame)["percent"].isna().all()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t1.score.json", None, "t1.score.json: missing"),
        ("t1.score.json", "{", "t1.score.json: not JSON"),
        ("t1.score.json", "[]", "t1.score.json: 'bleu' is missing"),
        ("t1.score.json", '{"bleu": 1}', "t1.score.json: 'bleu_low' is missing"),
        ("size.json", '{"file_bytes": 1}', "size.json: 'baseline_bytes' is missing"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, content: str | None, message: str) -> None:
    make_run(tmp_path, {"baseline": (0.1, 1.0)})
    path = tmp_path / "seed-1" / "baseline" / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=f"seed-1/baseline/{message}") as error:
        results.read_scores(tmp_path, ["baseline"], ["t1"], [1])
    assert "\n" not in str(error.value)


def test_a_score_that_is_no_number_is_named(tmp_path: Path) -> None:
    make_run(tmp_path, {"baseline": (0.1, 1.0)})
    path = tmp_path / "seed-1/baseline/t1.score.json"
    write_json(path, read_json(path) | {"chrf": "high"})
    with pytest.raises(ValueError, match="chrf = 'high' is not a number"):
        results.read_scores(tmp_path, ["baseline"], ["t1"], [1])


def test_rows_need_the_baseline(run: Path) -> None:
    with pytest.raises(ValueError, match="rows: 'baseline' must be among them, found bs-fixed"):
        results.read_scores(run, ["bs-fixed"], ["t1"], [1])


def test_test_sets_of_unequal_length_are_not_paired(tmp_path: Path) -> None:
    make_run(tmp_path, {"baseline": (0.1, 1.0), "kmeans-4bit": (0.1, 5.85)})
    score.write_statistics(tmp_path / "seed-1/kmeans-4bit/t1.stats.npz", {"bleu": np.ones((9, 10), int)})
    with pytest.raises(ValueError, match=r"kmeans-4bit/t1\.stats\.npz: 9 sentences, 150 expected"):
        results.read_counts(tmp_path, ["baseline", "kmeans-4bit"], "t1", [1])


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
    found = {"by_kind": {"cross": {"sharpness": 1.0}}, "left_out": {"encoder": "the model has no such"}}
    write_json(tmp_path / "seed-1/student/attention.json", found)
    assert results.read_attention(tmp_path, ["student"], [1]).empty


def test_provenance_says_what_no_clock_decides() -> None:
    found = {"revision": "a" * 40, "dirty": True, "configuration": "b" * 64, "device": "cpu", "date": "today"}
    lines = results.provenance(found | {"data": {"train.en": "c" * 64}})
    assert lines == [
        "git revision: aaaaaaaaaaaa with uncommitted changes",
        "configuration: sha256 bbbbbbbbbbbb",
        "device: cpu",
        "data: sha256 train.en cccccccccccc",
    ]
    assert results.provenance(None) == results.provenance({}) == []


def test_arguments_of_the_scripts(tmp_path: Path, monkeypatch) -> None:
    write_json(tmp_path / "p.json", {"device": "cpu"})
    flags = (
        f"--results r --rows a,b --tests x,y --seeds 3,1 --note N --provenance {tmp_path}/p.json --output o --more m"
    )
    monkeypatch.setattr("sys.argv", ["script", *flags.split()])
    args = results.arguments("description", lambda parser: parser.add_argument("--more"))
    assert results.selection(args) == (Path("r"), ["a", "b"], ["x", "y"], [3, 1])
    assert results.notes(args) == (["N"], ["device: cpu"])
    assert (args.output, args.more) == (Path("o"), "m")
