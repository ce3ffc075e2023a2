"""Imported models held against the toolkits that made them: logits, greedy translations, BLEU of a beam.

`make test-interop` runs this file, which `make test` does not. It makes an environment for each toolkit, in
which a model is trained by the toolkit's own code; where one cannot be installed, it says why.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sacrebleu import corpus_bleu

from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces
from tzip.exchange import exporting, importing, inference
from tzip.exchange.importing import Options
from tzip.files import read_json, read_lines
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import checkpoint, search
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search

UPDATES = 1000
LONGEST = 99  # pieces that the peers' translations may have
Peer = Callable[[str, str, int], Path]

CASES = {
    "marian": ("marian", "marian.py", "model", {}),
    "marian, torch file": ("marian", "marian.py", "bin", {}),
    "opennmt 2019": ("opennmt-2019", "opennmt.py", "model.pt", {"pieces": "sp.model"}),
    "opennmt 3": ("opennmt-3", "opennmt.py", "model.pt", {"pieces": "sp.model"}),
}


def imported(folder: Path, source: str, given: dict[str, str]) -> tuple[Transformer, Pieces]:
    """The model by our own reader, its translations as long as the peers'."""
    files = {key: str(folder / value) for key, value in given.items()}
    kind = "opennmt" if given else "marian"
    found = importing.read(folder / source, Options(format=kind, max_length=LONGEST + 1, **files))
    return importing.build(found), Pieces(found.pieces)


def compare_logits(
    case: str,
    model: Transformer,
    pieces: Pieces,
    rows: dict[str, list[list[int]]],
    vocabulary: list[str],
    file: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """The model's logits of the first sentences are within 1e-4 of those in the file, by the target's vocabulary."""
    logits, numbers = np.load(file), {piece: i for i, piece in enumerate(vocabulary)}
    ours = [i for i in range(pieces.targets) if i not in (PAD, BEGIN)]
    columns = [numbers[piece] for piece in pieces.spell(ours, target=True)]
    worst, tokens = 0.0, 0
    end = [END] if model.config.source_end else []
    with torch.inference_mode():
        for i in range(len(logits)):
            ids = [[*rows["source"][i], *end]], [[BEGIN, *rows["target"][i]]]
            found, expected = model(*map(torch.tensor, ids))[0, :, ours], torch.from_numpy(logits[str(i)])
            assert len(found) == len(expected)
            worst = max(worst, float((found - expected[:, columns]).abs().max()))
            tokens += len(expected)
    tell(capsys, f"{case}: logits of {tokens} positions within {worst:.1e}")
    assert worst < 1e-4


def peer_pieces(record: dict[str, Any], side: str) -> list[str]:
    return record.get(f"pieces_{side}") or record["pieces"]


@pytest.mark.parametrize("case", CASES)
def test_logits(case: str, peer: Peer, capsys: pytest.CaptureFixture) -> None:
    """Within 1e-4 on 50 sentences, whose pieces are the same, too."""
    name, script, source, given = CASES[case]
    folder = peer(name, script, UPDATES)
    model, pieces = imported(folder, source, given)
    record, rows = read_json(folder / "record.json"), {}
    for side, end in (("source", "en"), ("target", "de")):
        rows[side] = pieces.encode(read_lines(folder / f"test.{end}"), target=side == "target")
        known = set(peer_pieces(record, side))
        expected = [[piece if piece in known else "<unk>" for piece in row] for row in record[side]]
        assert [pieces.spell(row, target=side == "target") for row in rows[side]] == expected
    assert pieces.spell([UNKNOWN, END], target=True) == ["<unk>", "</s>"]
    compare_logits(case, model, pieces, rows, peer_pieces(record, "target"), folder / "logits.npz", capsys)


@pytest.mark.parametrize("case", CASES)
def test_greedy_translations(case: str, peer: Peer, capsys: pytest.CaptureFixture) -> None:
    """The same pieces and the same text, for all 500 sentences."""
    name, script, source, given = CASES[case]
    folder = peer(name, script, UPDATES)
    model, pieces = imported(folder, source, given)
    record, lines = read_json(folder / "record.json"), read_lines(folder / "test.en")
    found = search.search(model, pieces.encode(lines), Search(beam=1, max_ratio=1000.0))
    rows = [pieces.spell(best.pieces, target=True) for (best,) in found]
    expected = [one["pieces"] for one in record["greedy"]]
    same = sum(a[:LONGEST] == b[:LONGEST] for a, b in zip(rows, expected, strict=True))
    cut = sum(len(row) >= LONGEST for row in expected)
    texts = pieces.decode([list(best.pieces) for (best,) in found])
    tell(capsys, f"{case}: {same} of {len(lines)} greedy translations identical ({cut} of them cut)")
    assert same == len(lines)
    known = [i for i, row in enumerate(expected) if "<unk>" not in row]
    assert [texts[i] for i in known] == [record["greedy"][i]["text"].strip() for i in known]


@pytest.mark.parametrize("case", CASES)
def test_bleu_of_beam_search(case: str, peer: Peer, capsys: pytest.CaptureFixture) -> None:
    """Within 0.1, with five beams and without a penalty of length."""
    name, script, source, given = CASES[case]
    folder = peer(name, script, UPDATES)
    model, pieces = imported(folder, source, given)
    record, lines = read_json(folder / "record.json"), read_lines(folder / "test.en")
    patience = 20.0 if given else 1.0  # OpenNMT-py searches on until its best hypothesis has ended
    options = Search(beam=5, alpha=0.0, max_ratio=1000.0, patience=patience)
    references = [read_lines(folder / "test.de")]
    translations = model_file.translate(model, pieces, lines, options)
    ours = corpus_bleu(translations, references).score
    other = corpus_bleu([one["text"] for one in record["beam"]], references).score
    same = sum(a == one["text"] for a, one in zip(translations, record["beam"], strict=True))
    tell(capsys, f"{case}: BLEU {ours:.2f}, the peer {other:.2f}; {same} of {len(lines)} the same")
    assert other > 5
    assert abs(ours - other) <= 0.1


def test_an_average_of_checkpoints(peer: Peer) -> None:
    """As the paper's baseline is one: without an optimizer, and not tied any more as far as the file says."""
    folder = peer("opennmt-2019", "opennmt.py", UPDATES)
    model, _ = imported(folder, "average.pt", {"pieces": "sp.model"})
    assert model.config.tie == "all"


@pytest.mark.parametrize("case", ["marian", "opennmt 3"])
def test_what_follows_an_import(case: str, peer: Peer, tmp_path: Path) -> None:
    """By the commands: imported, compressed to 8 bits, inspected; as read back, exported to CTranslate2."""
    name, script, source, given = CASES[case]
    folder = peer(name, script, UPDATES)
    options = ["--format", "opennmt", "--pieces", folder / "sp.model"] if given else ["--format", "marian"]
    tzip("import", folder / source, tmp_path / "checkpoint", *options, "--max-length", LONGEST + 1)
    assert checkpoint.origin(tmp_path / "checkpoint")["format"] in ("opennmt", "marian")
    tzip("compress", tmp_path / "checkpoint", tmp_path / "small.tzip", "--quantize", "uniform:bits=8", "--scope", "all")
    assert f"imported from {'opennmt' if given else 'marian'}" in tzip("inspect", tmp_path / "small.tzip")
    model, pieces, _ = model_file.restore(tmp_path / "small.tzip")
    lines = read_lines(folder / "test.en")[:100]
    ours = model_file.translate(model, pieces, lines, Search(beam=1))
    exporting.write(tmp_path / "exported", model, pieces)
    translator = inference.Translator(tmp_path / "exported")
    found = translator.translate(lines, inference.Options(beam=1, batch_tokens=1))
    assert sum(a == b for a, b in zip(ours, found, strict=True)) >= 98  # near ties fall either way
    read = importing.build(importing.read(tmp_path / "checkpoint", Options(format="tzip")))
    whole, _ = pipeline.build(read, pieces.model, Variant(), name="whole", seed=1)
    assert len(container.encode(whole)) > 2 * (tmp_path / "small.tzip").stat().st_size


def tzip(*arguments: object) -> str:
    command = [sys.executable, "-m", "tzip", *map(str, arguments)]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def tell(capsys: pytest.CaptureFixture, line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}")
