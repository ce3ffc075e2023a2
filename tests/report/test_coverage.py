"""The simulation behind what tables say of one seed: benchmarks/coverage.py, on next to nothing."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from tests.toys.run import ROOT
from tzip.report import score


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulated", ROOT / "benchmarks" / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_are_those_of_texts(coverage) -> None:
    """A system that is always right has 100 BLEU; less skill is less BLEU; luck that is alike is the same counts."""
    text = coverage.Text(300, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    assert score.bleu(text.counts(0, 50.0, 0.0, rng).sum(0)) == pytest.approx(100)
    good, bad = (float(score.bleu(text.counts(0, skill, 1.0, rng).sum(0))) for skill in (0.0, -0.5))
    assert 10 < bad < good - 5 < 95
    first, second = (text.counts(1, 0.0, 1.0, rng) for _ in range(2))
    assert (first == second).all()
    assert (text.counts(1, 0.0, 0.0, rng) != first).any()


def test_one_seed_covers_too_seldom_where_seeds_differ(coverage, monkeypatch) -> None:
    monkeypatch.setattr(coverage, "POPULATION", 20_000)
    drawn = {"sentences": 200, "samples": 120, "trials": 40, "seed": 1}
    same, far = (coverage.simulate(deviation, 1, 0.0, **drawn)["difference"] for deviation in (0.0, 4.0))
    assert same >= 0.85
    assert far < 0.6
