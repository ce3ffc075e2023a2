"""`tzip encode`: what it writes serves `tzip compress --data`."""

from pathlib import Path

import pytest

from tests.toys import commands
from tzip.data.pieces import Encoded, Pieces
from tzip.format import container


@pytest.mark.parametrize("model", ["checkpoint", "small.tzip", "pieces.model"])
def test_pairs_are_encoded_by_the_pieces_of_a_model(folder: Path, tmp_path: Path, model: str) -> None:
    more = ["--max-length", "30"] if model == "pieces.model" else []
    done = commands.tzip("encode", folder / model, folder / "text.en", folder / "text.de", tmp_path / "own", *more)
    assert done.returncode == 0, done.stderr
    pairs, pieces = Encoded(tmp_path / "own"), Pieces(folder / "pieces.model")
    sides = [list(map(int, side)) for i in range(len(pairs)) for side in pairs.pair(i)]
    texts = [(folder / f"text.{side}").read_text().splitlines() for side in ("en", "de")]
    assert pieces.decode(sides) == [line for pair in zip(*texts, strict=True) for line in pair]
    assert done.stdout == f"{tmp_path}/own: 3 pairs, {len(pairs.tokens)} pieces; 0 pairs too long\n"


def test_compress_fine_tunes_on_what_was_encoded(folder: Path, tmp_path: Path) -> None:
    commands.tzip("encode", folder / "checkpoint", folder / "text.en", folder / "text.de", tmp_path / "own")
    tuned = ["--updates", "2", "--batch-tokens", "200", "--warmup", "1", "--threads", "1"]
    base = ["compress", folder / "checkpoint", tmp_path / "x.tzip", "--quantize", "kmeans:bits=2"]
    done = commands.tzip(*base, "--data", tmp_path / "own", *tuned)
    assert done.returncode == 0, done.stderr
    assert container.read(tmp_path / "x.tzip").history["updates"] == 2


def test_too_long_pairs_are_counted_and_files_kept(folder: Path, tmp_path: Path) -> None:
    base = ["encode", folder / "checkpoint", folder / "text.en", folder / "text.de", tmp_path / "own"]
    assert "; 2 pairs too long\n" in commands.tzip(*base, "--max-length", "4").stdout
    done = commands.tzip(*base)
    assert done.stderr == f"error: {tmp_path}/own.tokens.npy: exists already; --force replaces it\n"
    assert "3 pairs" in commands.tzip(*base, "--force").stdout


@pytest.mark.parametrize(
    ("model", "more", "says"),
    [
        ("nowhere", [], "nowhere: No such file or directory"),
        ("text.en", [], "text.en: not a .tzip file"),
        (".", [], ".: not a checkpoint: config.json is missing"),
        ("pieces.model", [], "pieces.model: says no longest sentence; give --max-length"),
        ("checkpoint", ["--max-length", "1"], "max_length = 1 is not an integer at least 2"),
        ("checkpoint", ["--max-length", "2"], "text.en: none of 3 pairs has at most 2 pieces per side"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(folder: Path, model: str, more: list[str], says: str) -> None:
    done = commands.tzip("encode", model, "text.en", "text.de", "x", *more, folder=folder)
    assert (done.returncode, done.stderr) == (1, f"error: {says}\n")
    assert not list(folder.glob("x.*"))
    done = commands.tzip("encode", "checkpoint", "text.en", "other.en", "x", folder=folder)
    assert done.stderr == "error: text.en has 3 lines but other.en has 2\n"
    assert not list(folder.glob("x.*"))
