"""The table of speed: what is measured, from a model.tzip to words a second, and what is shown of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.nmt.test_model import TOY
from tests.toys.data import toy_pairs
from tests.toys.run import ROOT, flags, script
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data import pieces
from tzip.exchange import onecore
from tzip.files import read_json, read_lines, write_json
from tzip.format import container
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config
from tzip.report import results, speed, tables

ROWS = ["baseline", "kmeans-4bit"]
NAMES = ["baseline/float32.beam-5", "baseline/int8.beam-5", "kmeans-4bit/int8-shortlist.beam-1"]


@pytest.fixture(scope="module")
def run(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose measurements are invented; their translations score what the rows' do."""
    run = Path(shutil.copytree(example, tmp_path_factory.mktemp("speed") / "run"))
    for number, name in enumerate(NAMES):
        row, _, setting = name.rpartition("/")
        scores = read_json(results.place(run, 1, row, "flat.score.json"))
        write_json(results.place(run, 1, row, f"inference/flat.{setting}.score.json"), scores)
        seconds, faster = [2.0 / 10**number, 2.5 / 10**number, 4.0 / 10**number], 10**number
        times = {"words_per_second": 400.0 * faster, "target_words_per_second": 360.0 * faster, "seconds": seconds}
        times |= {"processor_seconds": seconds, "words": {"source": 1000, "target": 900}, "sentences": 150}
        times |= {"file_bytes": 4_000_000 // (number + 1), "memory_bytes": 5_000_000 // (number + 1)}
        times |= {"computed_in": "int8_float32" if number else "float32", "device": "A processor", "pinned": True}
        times |= {"inference": {"beam": int(setting[-1])}}
        write_json(results.place(run, 1, row, f"inference/flat.{setting}.time.json"), times)
    return run


def test_reads_what_was_measured(run: Path) -> None:
    frame = speed.read(run, 1, "flat", NAMES)
    assert frame["type"].tolist() == ["float32", "int8", "int8"]
    assert frame["shortlist"].tolist() == [False, False, True]
    assert frame["beam"].tolist() == [5, 5, 1]
    assert frame["words_per_second"].tolist() == [400, 4000, 40000]
    assert frame["times"].tolist() == [1, 10, 100]
    assert frame["words_margin"].tolist() == [(500 - 250) / 2, (5000 - 2500) / 2, (50000 - 25000) / 2]
    scores = results.read_scores(run, ROWS, ["flat"], [1])
    assert frame["percent"].tolist() == pytest.approx([100.0, 100.0, scores["percent"].iloc[1]])
    assert frame["bleu"].tolist() == scores["bleu"].iloc[[0, 0, 1]].tolist()


def test_shows_it_with_the_marks_of_the_literature(run: Path) -> None:
    table = speed.table(speed.read(run, 1, "flat", NAMES)).noted(["synthetic"])
    lines = tables.to_markdown(table).splitlines()
    assert "| K-Means 4-bit quantization | int8 | greedy | yes | 40,000 ± 12,500 | 100.00 | 36,000 |" in lines[6]
    assert "| 1.33 | 1.67 |" in lines[6]
    text = tables.to_text(table)
    notes = ["synthetic", "flat, 150 sentences", "one core", "A processor", "seed 1", "nrefs:1"]
    for part in [*notes, "Devlin", "100", "Quinn & Ballesteros", "4 to 6 times", "Senellart", "800"]:
        assert part in text
    assert max(map(len, text.splitlines())) <= tables.WIDTH
    assert "computed as" not in text


def test_a_type_that_the_machine_does_not_have_is_told(run: Path) -> None:
    frame = speed.read(run, 1, "flat", NAMES).assign(computed_in=["float32", "float32", "int8"], pinned=False)
    text = tables.to_text(speed.table(frame))
    assert "int8 computed as float32 on this machine" in text
    assert "one thread" in text


def test_a_baseline_without_bleu_has_no_percent(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    path = results.place(copy, 1, "baseline", "flat.score.json")
    write_json(path, read_json(path) | {"bleu": 0.0})
    assert speed.read(copy, 1, "flat", NAMES)["percent"].isna().all()


def test_what_is_missing_is_named(run: Path) -> None:
    with pytest.raises(ValueError, match=r"inference/flat\.int16\.beam-1\.time\.json: missing"):
        speed.read(run, 1, "flat", ["baseline/int16.beam-1"])


def test_the_script_writes_every_form(run: Path, tmp_path: Path) -> None:
    assert script("speed", *flags(run, ROWS, ["flat"], [1]), "--speed", *NAMES, "--output", tmp_path) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {f"inference.{end}" for end in ("csv", "md", "tex", "txt")}
    read = pd.read_csv(tmp_path / "inference.csv", comment="#")
    assert read["words_per_second"].tolist() == [400, 4000, 40000]


def step(name: str, *arguments: str | Path) -> None:
    """A step of the workflow in a process of its own, which `inference` keeps to one core."""
    script = ROOT / "workflow_scripts" / f"{name}.py"
    start = [script] if script.exists() else ["-m", "tzip", name]
    command = [sys.executable, *start, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_from_the_file_to_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a small house stands by the lake\nein Haus\n" * 20, encoding="utf-8")
    vocabulary = pieces.train([tmp_path / "text"], tmp_path / "pieces.model", pieces.Options(size=280))
    torch.manual_seed(0)
    model = Transformer(Config(**TOY | {"vocabulary": 280}))
    archive, _ = pipeline.build(model, vocabulary.model, Variant(), name="baseline", seed=1)
    container.write(tmp_path / "model.tzip", archive)
    toy_pairs(tmp_path / "train")
    (tmp_path / "source").write_text("a small house\nthe lake\n\nby the house stands a lake\n", encoding="utf-8")

    exported = tmp_path / "exported"
    step("shortlist", tmp_path / "pieces.model", tmp_path / "list", "--data", tmp_path / "train", "--candidates", "5")
    kind = ["--to", "ctranslate2", "--type", "int8", "--shortlist", tmp_path / "list"]
    step("export", tmp_path / "model.tzip", *kind, "--output", exported)
    search = ["--beam", "1", "--shortlist", "true", "--repeats", "3"]
    output = ["--output", tmp_path / "hyp", "--time", tmp_path / "time"]
    step("inference", "--model", exported, "--source", tmp_path / "source", *search, *output)

    assert len(read_lines(tmp_path / "hyp")) == 4
    times = read_json(tmp_path / "time")
    assert times["words"]["source"] == 11
    assert len(times["seconds"]) == len(times["processor_seconds"]) == 3
    assert times["words_per_second"] == pytest.approx(11 / sorted(times["seconds"])[1], rel=0.01)
    assert times["file_bytes"] == sum(path.stat().st_size for path in (tmp_path / "exported").iterdir())
    assert times["memory_bytes"] > 0
    assert times["pinned"] == hasattr(os, "sched_setaffinity")
    assert times["inference"]["shortlist"] is True


def test_memory_and_processor_are_told() -> None:
    before = onecore.resident()
    filled = bytearray(b"x" * 50_000_000)
    assert onecore.resident() - before > 40_000_000
    assert len(filled) == 50_000_000
    assert onecore.processor()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process")
def test_pinned_to_one_core() -> None:
    code = "import os; from tzip.exchange.onecore import pin; assert pin(); print(len(os.sched_getaffinity(0)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout == "1\n"
