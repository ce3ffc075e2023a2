import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from tests.toys.commands import tzip
from tzip.files import read_json
from tzip.report import score

WORDS = ["der", "die", "ein", "Hund", "Katze", "läuft", "große", "Über", "zwei", ",", ".", "!", "Straße", "isst"]


def corpus(sentences: int, seed: int, fault: float = 0.3) -> tuple[list[str], list[str]]:
    """References, and hypotheses in which each word was replaced or dropped with probability `fault`."""
    rng = random.Random(seed)
    references = [" ".join(rng.choices(WORDS, k=rng.randint(3, 15))) for _ in range(sentences)]
    return [corrupt(line, rng, fault) for line in references], references


def corrupt(line: str, rng: random.Random, fault: float) -> str:
    words = [w if rng.random() > fault else rng.choice(["", rng.choice(WORDS)]) for w in line.split()]
    return " ".join(filter(None, words))


OPTIONS = score.Options(samples=200, trials=400)


def test_bleu_worked_by_hand() -> None:
    # hypothesis: the cat sat on the mat (6); reference: the cat is on the mat today (7)
    # words: the 2, cat, on, mat → 5 of 6; pairs: the cat, on the, the mat → 3 of 5; triples: on the mat → 1
    # of 4; fours: 0 of 3, smoothed to a half of one; brevity exp(1 − 7/6)
    report, counts = score.evaluate(["the cat sat on the mat"], ["the cat is on the mat today"], OPTIONS)
    assert counts["bleu"].tolist() == [[6, 7, 5, 3, 1, 0, 6, 5, 4, 3]]
    by_hand = 100 * math.exp(1 - 7 / 6) * (5 / 6 * 3 / 5 * 1 / 4 * (1 / 2) / 3) ** 0.25
    assert report["bleu"] == pytest.approx(by_hand, abs=1e-6)
    assert score.bleu(counts["bleu"].sum(axis=0)) == pytest.approx(by_hand, abs=1e-9)


def test_chrf_worked_by_hand() -> None:
    # "ab" against "abc": 1-grams a b of a b c, 2-grams ab of ab bc, no 3-gram of ours
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    by_hand = 100 * 5 * precision * recall / (4 * precision + recall)
    assert score.evaluate(["ab"], ["abc"], OPTIONS)[0]["chrf"] == pytest.approx(by_hand, abs=1e-6)


def test_equals_sacrebleu() -> None:
    ours, references = corpus(150, seed=1)
    ours[3], ours[4] = "", references[4].lower()
    report, _ = score.evaluate(ours, references, OPTIONS)
    assert report["bleu"] == pytest.approx(sacrebleu.corpus_bleu(ours, [references]).score, abs=1e-5)
    assert report["chrf"] == pytest.approx(sacrebleu.corpus_chrf(ours, [references]).score, abs=1e-5)
    lower = sacrebleu.corpus_bleu(ours, [references], lowercase=True).score
    assert report["bleu_lowercase"] == pytest.approx(lower, abs=1e-5)
    assert report["bleu_lowercase"] > report["bleu"]


@pytest.mark.parametrize("metric", [BLEU(), CHRF()])
def test_scores_of_counts_are_those_of_their_texts(metric) -> None:
    """Sentence by sentence, where orders without a match and without any n-gram are common."""
    ours, references = corpus(300, seed=2, fault=0.7)
    ours[:4] = ["", "Hund", "! !", "zwei Hund Haus"]
    counts = score.statistics(metric, ours, references)
    expected = [metric.corpus_score([a], [[b]]).score for a, b in zip(ours, references, strict=True)]
    assert score.scores(metric, counts) == pytest.approx(expected, abs=1e-9)
    assert min(expected) == 0 < max(expected)
    assert score.scores(metric, counts.reshape(100, 3, -1)).shape == (100, 3)


def test_interval_is_sacrebleus(monkeypatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "77")
    ours, references = corpus(120, seed=3)
    metric = BLEU()
    peer = metric.corpus_score(ours, [references], n_bootstrap=200)
    report, _ = score.evaluate(ours, references, score.Options(samples=200, trials=40, seed=77))
    assert (report["bleu_high"] - report["bleu_low"]) / 2 == pytest.approx(peer._ci, abs=1e-4)
    assert report["bleu_low"] < report["bleu"] < report["bleu_high"]
    assert report["signatures"]["bleu"] == str(metric.get_signature())
    assert "bs:200|seed:77" in report["signatures"]["bleu"]
    assert "case:lc" in report["signatures"]["bleu_lowercase"]


def test_environment_does_not_move_the_seed(monkeypatch) -> None:
    ours, references = corpus(50, seed=4)
    first = score.evaluate(ours, references, OPTIONS, baseline=references)
    monkeypatch.setenv("SACREBLEU_SEED", "9")
    assert score.evaluate(ours, references, OPTIONS, baseline=references)[0] == first[0]
    other = score.evaluate(ours, references, score.Options(samples=200, trials=400, seed=9))[0]
    assert other["bleu_low"] != first[0]["bleu_low"]


def test_p_value_is_sacrebleus_paired_ar(monkeypatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    ours, references = corpus(80, seed=5, fault=0.30)
    peer, _ = corpus(80, seed=5, fault=0.33)
    systems = [("baseline", peer), ("ours", ours)]
    test = PairedTest(systems, {"BLEU": BLEU()}, [references], test_type="ar", n_samples=400)
    expected = test()[1]["BLEU"][1].p_value
    paired = score.evaluate(ours, references, OPTIONS, baseline=peer)[0]["paired"]
    assert 0.01 < expected < 0.99
    assert paired["p_value"] == pytest.approx(expected, abs=1e-6)


def test_comparison() -> None:
    good, references = corpus(150, seed=6, fault=0.1)
    bad, _ = corpus(150, seed=6, fault=0.5)
    worse = score.evaluate(bad, references, OPTIONS, baseline=good, name="good")[0]["paired"]
    assert worse["baseline"] == "good"
    assert worse["high"] < 0
    assert worse["p_value"] == pytest.approx(1 / 401, abs=1e-6)
    assert worse["low"] < worse["difference"] < worse["high"]
    same = score.evaluate(good, references, OPTIONS, baseline=good)[0]["paired"]
    assert (same["difference"], same["low"], same["high"], same["p_value"]) == (0, 0, 0, 1)


def test_resamples_do_not_depend_on_chunks(monkeypatch) -> None:
    counts = np.random.default_rng(0).integers(0, 30, (37, 10))
    whole = score.resample(counts, 100, seed=5)
    p = score.p_value(counts, counts[::-1], 100, seed=5)
    monkeypatch.setattr(score, "CHUNK", 80)
    assert np.array_equal(score.resample(counts, 100, seed=5), whole)
    assert score.p_value(counts, counts[::-1], 100, seed=5) == p
    indices = np.random.default_rng(5).choice(37, size=(100, 37), replace=True)
    assert np.array_equal(whole, counts[indices].sum(axis=1))


def test_statistics_survive_the_file(tmp_path: Path) -> None:
    ours, references = corpus(20, seed=7)
    counts = score.evaluate(ours, references, OPTIONS)[1]
    for name in ("a.npz", "b.npz"):
        score.write_statistics(tmp_path / name, counts)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = score.read_statistics(tmp_path / "a.npz")
    assert all(np.array_equal(found[key], counts[key]) for key in counts)


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_damaged_statistics_are_named(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "test.stats.npz"
    score.write_statistics(path, {"bleu": np.ones((5, 10), int)})
    path.write_bytes(path.read_bytes()[:60] if damage is None else damage)
    with pytest.raises(ValueError, match=r"test\.stats\.npz: not a file of counts"):
        score.read_statistics(path)


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes("eins\n\nzwei\u2028drei\r\nvier".encode())
    assert score.read_lines(path) == ["eins", "", "zwei\u2028drei", "vier"]
    path.write_bytes(b"ok\n\xff\n")
    with pytest.raises(ValueError, match="lines: line 2 is not UTF-8"):
        score.read_lines(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="lines: no lines"):
        score.read_lines(path)


def test_command(tmp_path: Path) -> None:
    ours, references = corpus(30, seed=8)
    hyp, ref, out = tmp_path / "hyp.txt", tmp_path / "ref.txt", tmp_path / "out" / "test.score.json"
    hyp.write_text("\n".join(ours) + "\n", encoding="utf-8")
    ref.write_text("\n".join(references) + "\n", encoding="utf-8")
    files = (hyp, ref, "--output", out)
    done = tzip("score", *files, "--baseline", hyp, "--statistics", tmp_path / "s.npz", "--samples", 50, "--trials", 40)
    assert (done.returncode, done.stderr) == (0, "")
    report = read_json(out)
    assert report == score.evaluate(ours, references, score.Options(50, 40), baseline=ours)[0]
    assert score.read_statistics(tmp_path / "s.npz")["chrf"].shape == (30, 18)

    cli = [sys.executable, "-m", "sacrebleu", str(ref), "-i", str(hyp), "-b", "-w", "6"]
    found = subprocess.run(cli, capture_output=True, text=True, check=True).stdout
    assert float(found) == pytest.approx(report["bleu"], abs=1e-5)


def test_command_errors(tmp_path: Path) -> None:
    hyp, ref, out = tmp_path / "hyp.txt", tmp_path / "ref.txt", tmp_path / "out.json"
    hyp.write_text("a\nb\n")
    ref.write_text("a\n")
    done = tzip("score", hyp, ref, "--output", out)
    assert done.returncode == 1
    assert done.stderr == f"error: {hyp}: 2 lines, but {ref} has 1\n"
    assert not out.exists()
    done = tzip("score", hyp, hyp, "--output", out, "--samples", 3)
    assert done.stderr == "error: score: samples = '3' is not an integer at least 40\n"
