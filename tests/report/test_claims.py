from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.toys.run import FAULTS, make_run, script
from tzip.files import read_json, write_json
from tzip.report import claims, results, score, tables
from tzip.report.claims import BY_CLOCK, FAILS, HOLDS, UNDECIDED, UNMEASURED

TWO = (1, 2)
OPTIONS = score.Options(samples=200, trials=40)


def evidence(run: Path, rows: list[str], seeds: list[int]) -> claims.Evidence:
    summary = results.summarize(results.read_scores(run, rows, ["t1"], seeds))
    counts = results.read_counts(run, rows, "t1", seeds)
    return claims.Evidence(counts, summary, results.read_attention(run, rows, seeds), OPTIONS)


def attention(run: Path, row: str, entropy: float, distance: float, seed: int = 1) -> None:
    found = {"sharpness": entropy, "sharpness_low": entropy - 0.1, "sharpness_high": entropy + 0.1}
    write_json(results.place(run, seed, row, "attention.json"), found | {"distance": distance})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Two seeds of the paper's rows, faulty as in the paper: 1 bit collapses, 90 % pruned collapses."""
    run = make_run(tmp_path_factory.mktemp("run"), FAULTS, seeds=(1, 2))
    for seed in (1, 2):
        attention(run, "baseline", 2.0, 0.0, seed)
        attention(run, "kmeans-8bit", 2.0, 0.01, seed)
        attention(run, "bs-flexible", 1.0, 0.5, seed)
    return run


@pytest.fixture(scope="module")
def judged(run: Path) -> list[claims.Claim]:
    return claims.judge(evidence(run, list(FAULTS), [1, 2]))


def made(tmp_path: Path, rows: dict[str, tuple[float, float]], seeds: tuple[int, ...] = (1,)) -> claims.Evidence:
    rows = {"baseline": (0.02, 1.0)} | rows
    return evidence(make_run(tmp_path, rows, seeds=seeds), list(rows), list(seeds))


def test_eight_claims_each_with_a_rule_and_numbers(judged: list[claims.Claim]) -> None:
    assert [claim.number for claim in judged] == list(range(1, 9))
    for claim in judged:
        assert claim.rule
        assert claim.parts
        assert claim.verdict in (HOLDS, FAILS, UNDECIDED, UNMEASURED, BY_CLOCK)


def test_verdicts_on_a_run_like_the_papers(judged: list[claims.Claim]) -> None:
    verdicts = {claim.number: claim.verdict for claim in judged}
    assert verdicts[1] == FAILS  # the file never has the ratio as printed
    assert [part.verdict for part in judged[0].parts][1] == FAILS
    assert verdicts[3] == HOLDS
    assert verdicts[6] == HOLDS
    assert verdicts[7] == UNMEASURED  # the 4-bit maps were not looked at
    assert [part.verdict for part in judged[6].parts] == [HOLDS, HOLDS, UNMEASURED]
    assert verdicts[8] == BY_CLOCK


def test_same_run_same_verdicts(run: Path, judged: list[claims.Claim]) -> None:
    again = claims.judge(evidence(run, list(FAULTS), [1, 2]))
    assert claims.as_json(again) == claims.as_json(judged)


@pytest.mark.parametrize(
    ("low", "high", "least", "most"),
    [(5, 6, HOLDS, FAILS), (3, 4, FAILS, HOLDS), (4, 6, *[UNDECIDED] * 2), (math.nan, math.nan, *[UNDECIDED] * 2)],
)
def test_verdict_of_an_interval(low: float, high: float, least: str, most: str) -> None:
    assert claims.at_least(low, high, 4.5) == least
    assert claims.at_most(low, high, 4.5) == most


def test_verdict_of_several_parts() -> None:
    assert claims.all_of([HOLDS, HOLDS]) == HOLDS
    assert claims.all_of([HOLDS, UNDECIDED]) == UNDECIDED
    assert claims.all_of([UNDECIDED, FAILS, UNMEASURED]) == FAILS
    assert claims.all_of([HOLDS, UNMEASURED]) == UNMEASURED
    assert claims.all_of([]) == UNMEASURED


def test_interval_over_sentences_and_seeds(tmp_path: Path) -> None:
    """Seeds that agree leave the sentences' interval; seeds that differ widen it."""
    found = made(tmp_path, {"bs-fixed": (0.4, 23.37)}, seeds=(1, 2, 3))
    value, low, high = found.percent("bs-fixed")
    each = 100 * found.point["bs-fixed"] / found.point["baseline"]
    assert value == pytest.approx(each.mean())
    assert low < value < high
    found.drawn["bs-fixed"] = found.drawn["bs-fixed"] + np.array([[0.0], [15.0], [30.0]])
    assert np.ptp(found.percent("bs-fixed")[1:]) > 2 * (high - low)


def test_interval_of_one_seed_is_the_paired_bootstrap(tmp_path: Path) -> None:
    found = made(tmp_path, {"bs-fixed": (0.1, 23.37)})
    part = claims.beats(found, "baseline", "bs-fixed")
    counts = results.read_counts(tmp_path, ["baseline", "bs-fixed"], "t1", [1])
    paired = score.compare(counts["baseline"][0], counts["bs-fixed"][0], OPTIONS)
    assert (part.value, part.low, part.high) == pytest.approx((paired["difference"], paired["low"], paired["high"]))


def test_claim_2_each_way(tmp_path: Path) -> None:
    worse = made(tmp_path / "a", {"kmeans-8bit": (0.2, 2.92), "kmeans-4bit": (0.05, 5.85)}, TWO)
    assert claims.claim_2(worse).verdict == HOLDS
    better = made(tmp_path / "b", {"kmeans-8bit": (0.05, 2.92), "kmeans-4bit": (0.2, 5.85)}, TWO)
    assert claims.claim_2(better).verdict == FAILS
    alike = made(tmp_path / "c", {"kmeans-8bit": (0.2, 2.92), "kmeans-4bit": (0.2, 5.85)}, TWO)
    assert claims.claim_2(alike).verdict == UNDECIDED
    once = claims.claim_2(made(tmp_path / "e", {"kmeans-8bit": (0.2, 2.92), "kmeans-4bit": (0.05, 5.85)}))
    assert once.parts[0].high < 0
    assert once.verdict == UNDECIDED
    assert claims.claim_2(made(tmp_path / "d", {"kmeans-8bit": (0.2, 2.92)})).verdict == UNMEASURED


def test_claim_2_prefers_the_papers_optimizer(tmp_path: Path) -> None:
    rows = {"kmeans-8bit": (0.02, 2.92), "kmeans-4bit": (0.2, 5.85)}
    rows |= {"kmeans-8bit-minibatch": (0.2, 2.92), "kmeans-4bit-minibatch": (0.02, 5.85)}
    claim = claims.claim_2(made(tmp_path, rows, TWO))
    assert [part.verdict for part in claim.parts] == [HOLDS, FAILS]
    assert claim.verdict == HOLDS


def test_claim_3_order(tmp_path: Path) -> None:
    rows = {"bs-flexible": (0.5, 23.0), "kmeans-1bit": (0.35, 23.0), "bs-fixed": (0.6, 23.0)}
    claim = claims.claim_3(made(tmp_path, rows))
    assert [part.verdict for part in claim.parts] == [HOLDS, HOLDS, HOLDS, FAILS, HOLDS]
    assert claim.verdict == FAILS


def test_claims_4_and_5_each_way(tmp_path: Path) -> None:
    rows = {"kmeans-1bit-attention": (0.02, 10.0), "bs-flexible-attention": (0.3, 10.0)}
    rows |= {"pruned-30-50": (0.02, 2.0), "kmeans-8bit": (0.2, 1.5)}
    found = made(tmp_path, rows)
    fourth, fifth = claims.claim_4(found), claims.claim_5(found)
    assert [part.verdict for part in fourth.parts] == [HOLDS, FAILS]
    assert fourth.verdict == FAILS
    # pruning to 50 % keeps enough; the larger quantized file does not count; the rest is missing
    assert [part.verdict for part in fifth.parts] == [HOLDS, *[UNMEASURED] * 5]
    assert fifth.verdict == UNMEASURED


def test_claim_6_turns_when_gale_is_matched(tmp_path: Path) -> None:
    assert claims.claim_6(made(tmp_path / "a", {"pruned-50-90": (0.02, 10.0)})).verdict == FAILS
    assert claims.claim_6(made(tmp_path / "b", {"pruned-50-90": (0.5, 10.0)})).verdict == HOLDS


@pytest.mark.parametrize(
    ("entropy", "distance", "verdict"),
    [(1.0, 0.01, HOLDS), (1.9, 0.01, UNDECIDED), (2.5, 0.01, FAILS), (1.0, 0.2, FAILS)],
)
def test_claim_7_each_way(tmp_path: Path, entropy: float, distance: float, verdict: str) -> None:
    rows = {row: FAULTS[row] for row in ("baseline", "kmeans-8bit", "kmeans-4bit", "bs-fixed")}
    make_run(tmp_path, rows)
    for row in rows:
        attention(tmp_path, row, entropy if row == "bs-fixed" else 2.0, distance)
    claim = claims.claim_7(evidence(tmp_path, list(rows), [1]))
    assert claim.verdict == verdict


def test_claim_7_takes_the_paired_change_where_recorded(tmp_path: Path) -> None:
    rows = {row: FAULTS[row] for row in ("baseline", "kmeans-8bit", "kmeans-4bit", "bs-fixed")}
    make_run(tmp_path, rows)
    for row in rows:
        attention(tmp_path, row, 1.9 if row == "bs-fixed" else 2.0, 0.01)
    path = results.place(tmp_path, 1, "bs-fixed", "attention.json")
    change = {"sharpness_change": -0.1, "sharpness_change_low": -0.12, "sharpness_change_high": -0.08}
    write_json(path, read_json(path) | change)
    assert claims.claim_7(evidence(tmp_path, list(rows), [1])).verdict == HOLDS


@pytest.mark.parametrize(("speeds", "verdict"), [((130, 120), HOLDS), ((105, 90), FAILS), ((130, 100), UNDECIDED)])
def test_claim_8_by_the_clock(speeds: tuple[int, int], verdict: str) -> None:
    lines = [(row, "t1", seed, 100.0) for row in ("baseline",) for seed in (1, 2)]
    lines += [("bs-fixed", "t1", seed, float(speed)) for seed, speed in zip((1, 2), speeds, strict=True)]
    costs = pd.DataFrame(lines, columns=["row", "test", "seed", "words_per_second"])
    assert claims.claim_8_by_clock(costs, "t1").verdict == verdict
    assert claims.claim_8_by_clock(costs[costs["row"] == "baseline"], "t1").verdict == UNMEASURED


def test_a_baseline_without_bleu_decides_nothing(tmp_path: Path) -> None:
    found = made(tmp_path, {"kmeans-4bit": (0.1, 5.85)})
    found.point["baseline"] *= 0
    found.drawn["baseline"] *= 0
    part = claims.keeps(found, "kmeans-4bit", 98)
    assert part.verdict == UNDECIDED
    assert claims.as_json(claims.judge(found))[0]["parts"][0]["value"] is None


def test_script(run: Path, tmp_path: Path, judged: list[claims.Claim]) -> None:
    flags = ["--results", run, "--rows", ",".join(FAULTS), "--tests", "t1", "--seeds", "1,2", "--samples", "200"]
    assert script("claims", *flags, "--note", "synthetic corpus", "--output", tmp_path) == (0, "")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".json", ".md", ".tex"]
    assert read_json(tmp_path / "claims.json") == claims.as_json(judged)
    frame = pd.read_csv(tmp_path / "claims.csv", comment="#")
    assert frame["verdict"].tolist() == [claim.verdict for claim in judged]
    for suffix in ("csv", "md", "tex"):
        assert "synthetic corpus" in (tmp_path / f"claims.{suffix}").read_text(encoding="utf-8")
    assert max(map(len, tables.to_text(tables.claims(judged)).split("\n"))) <= 120
