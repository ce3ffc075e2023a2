"""The table of speed: what is measured, from a model.tzip to words a second, and what is shown of it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.nmt.test_model import TOY
from tests.report.test_results import FAULTS, make_run
from tests.toys.data import toy_pairs
from tests.toys.run import ROOT, script
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data import pieces
from tzip.exchange import onecore
from tzip.files import read_json, read_lines, write_json
from tzip.format import container
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config
from tzip.report import results, speed, tables

ROWS = {row: FAULTS[row] for row in ("baseline", "kmeans-4bit")}
NAMES = ["baseline/float32.beam-5", "baseline/int8.beam-5", "kmeans-4bit/int8-shortlist.beam-1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose measurements are invented; their translations score what the rows' do."""
    run = make_run(tmp_path_factory.mktemp("speed") / "toy", ROWS)
    for number, name in enumerate(NAMES):
        row, _, setting = name.rpartition("/")
        scored = read_json(results.place(run, 1, row, "t1.score.json"))
        write_json(results.place(run, 1, row, f"inference/t1.{setting}.score.json"), scored)
        seconds = [2.0 / 10**number, 2.5 / 10**number, 4.0 / 10**number]
        write_json(results.place(run, 1, row, f"inference/t1.{setting}.time.json"), {
            "seconds": seconds, "processor_seconds": seconds, "sentences": 150, "pinned": True,
            "words": {"source": 1000, "target": 900}, "words_per_second": 400.0 * 10**number,
            "target_words_per_second": 360.0 * 10**number, "file_bytes": 4_000_000 // (number + 1),
            "memory_bytes": 5_000_000 // (number + 1), "inference": {"beam": int(setting[-1])},
            "computed_in": "int8_float32" if number else "float32", "device": "A processor",
        })  # fmt: skip
    return run


def test_reads_what_was_measured(run: Path) -> None:
    frame = speed.read(run, 1, "t1", NAMES)
    assert frame["type"].tolist() == ["float32", "int8", "int8"]
    assert frame["shortlist"].tolist() == [False, False, True]
    assert frame["beam"].tolist() == [5, 5, 1]
    assert frame["words_per_second"].tolist() == [400, 4000, 40000]
    assert frame["times"].tolist() == [1, 10, 100]
    assert frame["words_margin"].tolist() == [(500 - 250) / 2, (5000 - 2500) / 2, (50000 - 25000) / 2]
    scores = results.read_scores(run, [*ROWS], ["t1"], [1])
    assert frame["percent"].tolist() == pytest.approx([100.0, 100.0, scores["percent"].iloc[1]])
    assert frame["bleu"].tolist() == scores["bleu"].iloc[[0, 0, 1]].tolist()


def test_shows_it_with_the_marks_of_the_literature(run: Path) -> None:
    table = speed.table(speed.read(run, 1, "t1", NAMES), ["synthetic"])
    lines = tables.to_markdown(table).splitlines()
    assert (
        "| K-Means 4-bit quantization | int8 | greedy | yes | 40,000 ± 12,500 | 100.00 | 36,000 |" in lines[6]
    )
    assert "| 1.33 | 1.67 |" in lines[6]
    text = tables.to_text(table)
    for part in ("synthetic", "t1, 150 sentences", "one core", "A processor", "seed 1", "nrefs:1", "Devlin",
                 "100", "Quinn & Ballesteros", "4 to 6 times", "Senellart", "800"):  # fmt: skip
        assert part in text
    assert max(map(len, text.splitlines())) <= tables.WIDTH
    assert "computed as" not in text


def test_a_type_that_the_machine_does_not_have_is_told(run: Path) -> None:
    frame = speed.read(run, 1, "t1", NAMES).assign(computed_in=["float32", "float32", "int8"], pinned=False)
    text = tables.to_text(speed.table(frame))
    assert "int8 computed as float32 on this machine" in text
    assert "one thread" in text


def test_a_baseline_without_bleu_has_no_percent(run: Path, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", run, tmp_path / "run"], check=True)
    path = results.place(tmp_path / "run", 1, "baseline", "t1.score.json")
    write_json(path, read_json(path) | {"bleu": 0.0})
    assert all(math.isnan(value) for value in speed.read(tmp_path / "run", 1, "t1", NAMES)["percent"])


def test_what_is_missing_is_named(run: Path) -> None:
    with pytest.raises(ValueError, match=r"inference/t1\.int16\.beam-1\.time\.json: missing"):
        speed.read(run, 1, "t1", ["baseline/int16.beam-1"])


def test_the_script_writes_every_form(run: Path, tmp_path: Path) -> None:
    flags = ["--results", run, "--rows", ",".join(ROWS), "--tests", "t1", "--seeds", "1", "--speed", *NAMES]
    status, told = script("speed", *flags, "--output", tmp_path)
    assert (status, told) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"inference.{end}" for end in ("csv", "md", "tex", "txt")
    }
    read = pd.read_csv(tmp_path / "inference.csv", comment="#")
    assert read["words_per_second"].tolist() == [400, 4000, 40000]


# ── measuring ─────────────────────────────────────────────────────────────────────────────────────


def step(name: str, *arguments: str | Path) -> None:
    """A step of the workflow in a process of its own, which `inference` keeps to one core."""
    script = ROOT / "workflow_scripts" / f"{name}.py"
    start = [script] if script.exists() else ["-m", "tzip.cli", name]
    command = [sys.executable, *start, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_from_the_file_to_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a small house stands by the lake\nein Haus\n" * 20, encoding="utf-8")
    vocabulary = pieces.train([tmp_path / "text"], tmp_path / "pieces.model", pieces.Options(size=280))
    torch.manual_seed(0)
    model = Transformer(Config(**TOY | {"vocabulary": 280}))
    made, _ = pipeline.build(model, vocabulary.model, Variant(), name="baseline", seed=1)
    container.write(tmp_path / "model.tzip", made)
    toy_pairs(tmp_path / "train")
    (tmp_path / "source").write_text(
        "a small house\nthe lake\n\nby the house stands a lake\n", encoding="utf-8"
    )

    step("shortlist", tmp_path / "pieces.model", tmp_path / "list", "--data", tmp_path / "train",
         "--candidates", "5")  # fmt: skip
    step("export", tmp_path / "model.tzip", "--to", "ctranslate2", "--type", "int8",
         "--shortlist", tmp_path / "list", "--output", tmp_path / "exported")  # fmt: skip
    step("inference", "--model", tmp_path / "exported", "--source", tmp_path / "source", "--beam", "1",
         "--shortlist", "true", "--repeats", "3",
         "--output", tmp_path / "hyp", "--time", tmp_path / "time")  # fmt: skip

    assert len(read_lines(tmp_path / "hyp")) == 4
    told = read_json(tmp_path / "time")
    assert told["words"]["source"] == 11
    assert len(told["seconds"]) == len(told["processor_seconds"]) == 3
    assert told["words_per_second"] == pytest.approx(11 / sorted(told["seconds"])[1], rel=0.01)
    assert told["file_bytes"] == sum(path.stat().st_size for path in (tmp_path / "exported").iterdir())
    assert told["memory_bytes"] > 0
    assert told["pinned"] == hasattr(os, "sched_setaffinity")
    assert told["inference"]["shortlist"] is True


def test_memory_and_processor_are_told() -> None:
    before = onecore.resident()
    filled = bytearray(b"x" * 50_000_000)
    assert onecore.resident() - before > 40_000_000
    assert len(filled) == 50_000_000
    assert onecore.processor()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process")
def test_pinned_to_one_core() -> None:
    code = (
        "import os; from tzip.exchange.onecore import pin; assert pin(); print(len(os.sched_getaffinity(0)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)  # fmt: skip
    assert done.stdout == "1\n"
