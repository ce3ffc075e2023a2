"""Local text under names and times that other tools trip over."""

import os
import time
from pathlib import Path

import yaml

from tests.toys.workflow import command, copy_sources, planned

PLAN = ("snakemake", "--cores", "1", "--dry-run")
OWN = ("--configfile", "own.yaml")
TEXT = ("snakemake", "results/own/data/cleaning.json", "--cores", "1", *OWN)


def test_every_name_is_read_as_it_stands(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "copy #1")
    texts = {"in {lang}/part#2": 40, "a::b.de": 40, "{lang}.en": 3, "dev%23.de": 3, "test#1": 3, "test#2": 3}
    for number, (name, count) in enumerate(texts.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(f"sentence {i} of text {number}\n" for i in range(count)))
    (folder / "test").write_text("not this one\n")
    names = list(texts)
    train, dev, held = (
        {"source": {"path": source}, "target": {"path": target}}
        for source, target in zip(names[::2], names[1::2], strict=True)
    )
    own = {"languages": ["en", "de"], "train": [train], "dev": [dev], "test": {"held": held}, "note": "of {lang}"}
    (folder / "own.yaml").write_text(
        yaml.safe_dump({"name": "own", "dataset": "own", "datasets": {"own": own}, "tests": ["held"]})
    )
    ahead = time.time() + 2 * 86400
    os.utime(folder / "dev%23.de", (ahead, ahead))  # from a machine whose clock is wrong
    command(folder, *TEXT)
    for name, made in zip(
        names, ("train.en", "train.de", "dev.en", "dev.de", "test/held.en", "test/held.de"), strict=True
    ):
        assert (folder / "results/own/data" / made).read_bytes() == (folder / name).read_bytes()
    assert planned(command(folder, *TEXT, "--dry-run")) == set()
    (folder / "{lang}.en").write_text("another\n" * 3)
    assert planned(command(folder, *TEXT, "--dry-run")) == {("corpus", "")}
    assert "Nothing to be done" not in command(folder, *PLAN, *OWN)  # the whole run, with its note


def test_a_repository_or_store_whose_name_has_braces_is_named(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "a {b}")
    assert f"the repository lies in {folder}: Snakemake takes" in command(folder, *PLAN, ok=False)
    folder = copy_sources(tmp_path / "plain")
    said = command(folder, *PLAN, "--config", "store=a{x}", ok=False)
    assert "store = 'a{x}': Snakemake takes {...} for a wildcard" in said


def test_a_test_set_of_sacrebleu_is_read_from_its_cache(tmp_path: Path, monkeypatch) -> None:
    folder, cache = copy_sources(tmp_path / "copy"), tmp_path / "cache" / "wmt17"
    cache.mkdir(parents=True)
    (cache / "wmt17.en-de.src").write_text("a house\nthe lake\n")
    (cache / "wmt17.en-de.ref").write_text("ein Haus\nder See\n")
    monkeypatch.setenv("SACREBLEU", str(cache.parent))
    for name in ("text.en", "text.de"):
        (folder / name).write_text("".join(f"sentence {i} of {name}\n" for i in range(40)))
    pair = {"source": {"path": "text.en"}, "target": {"path": "text.de"}}
    own = {"languages": ["en", "de"], "train": [pair], "split": {"dev": 3}}
    config = {"name": "own", "dataset": "own", "datasets": {"own": own}, "tests": ["sacrebleu:wmt17/en-de"]}
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    assert {("test_set", ""), ("corpus", "")} < planned(command(folder, *PLAN, *OWN))
    command(folder, *TEXT)
    assert (folder / "results/own/data/test/wmt17.en-de.en").read_text() == "a house\nthe lake\n"
    assert (folder / "results/own/data/test/wmt17.en-de.de").read_text() == "ein Haus\nder See\n"
