"""Test sets of sacreBLEU in a configuration's tests: their names, files and record; mistakes in one line."""

import json

import pytest

from tests.toys.configuration import load, refused
from tzip.config import datasets, run

TESTS = ["test2016", "sacrebleu:wmt17/en-de", "sacrebleu:wmt14/full/en-de"]


def checked(*tests: str) -> dict:
    return run.check(load("multi30k.yaml") | {"tests": list(tests)})


def test_a_test_set_of_sacrebleu_is_named_like_its_files() -> None:
    config = checked(*TESTS)
    assert config["tests"] == ["test2016", "wmt17.en-de", "wmt14_full.en-de"]
    assert datasets.test_sets(config) == {"wmt17.en-de": "wmt17/en-de", "wmt14_full.en-de": "wmt14/full/en-de"}
    assert {"wmt17.en-de", "wmt14_full.en-de"} < set(datasets.held_out_tests(config))
    assert "--test wmt17.en-de down/sacrebleu/wmt17.en-de.src down/sacrebleu/wmt17.en-de.ref" in datasets.corpus_flags(
        config, "down"
    )
    assert {"down/sacrebleu/wmt14_full.en-de.src"} < set(datasets.source_files(config, "down"))
    datasets.check_data(config, "down", "")  # they may be in a cache, or be fetched: nothing to look at yet


def test_the_record_of_a_run_makes_the_same_again() -> None:
    config = checked(*TESTS)
    again = run.check(json.loads(run.recorded(config)))
    assert run.recorded(again) == run.recorded(config)
    assert datasets.test_sets(again) == datasets.test_sets(config)
    assert "sacrebleu" not in json.loads(run.recorded(checked("test2016")))["datasets"]


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        (["sacrebleu:wmt1/en-de"], "tests: sacreBLEU has no test set 'wmt1'; did you mean '"),
        (["sacrebleu:wmt17"], "tests: sacrebleu:wmt17: '' is no pair of it; choose from cs-en, de-en"),
        (["sacrebleu:wmt17/en-xx"], "tests: sacrebleu:wmt17/en-xx: 'en-xx' is no pair of it; choose from cs-en"),
        (["sacrebleu:wmt17/de-en"], "tests: sacrebleu:wmt17/de-en is de-en, but the data set is en-de"),
        (["sacrebleu:wmt17/en-de", "wmt17.en-de"], "tests names 'wmt17.en-de' twice"),
        (["wmt17.en-de"], "tests = 'wmt17.en-de' is not defined"),
    ],
)
def test_mistakes_are_one_line(tests: list[str], says: str) -> None:
    with refused(says):
        checked(*tests)
