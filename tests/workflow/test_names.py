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
