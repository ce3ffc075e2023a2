"""Exported models held against transformers, which opens them: logits, greedy translations, beams.

`make test-interop` runs this file, which `make test` does not.
"""

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu import corpus_bleu

from tests.interop.conftest import HERE
from tests.interop.equality import LONGEST, UPDATES, Peer, compare_logits, imported, tell, tzip
from tzip.data.pieces import Encoded, Options, Pieces, encode_pairs
from tzip.data.pieces import train as train_pieces
from tzip.files import read_json, read_lines
from tzip.format import model as model_file
from tzip.nmt import checkpoint, search, train
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Search, Training

CASES = ("from marian", "trained here", "trained here, embeddings apart")
SIZES = {"d_model": 64, "d_ff": 128, "heads": 4, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
TRAINING = Training(updates=600, batch_tokens=1500, learning_rate=0.005, warmup=100)
Made = Callable[[str], tuple[Path, Path]]


def trained(folder: Path, texts: Path, updates: int = TRAINING.updates, **form: Any) -> None:
    """A checkpoint of ours, trained here: sines and cosines by turns, rare letters in bytes."""
    text = [texts / f"train.{end}" for end in ("en", "de")]
    pieces = train_pieces(text, folder / "pieces.model", Options(size=1200))
    encode_pairs(pieces, [tuple(map(str, text))], folder / "train", 60)
    torch.manual_seed(1)
    model = Transformer(Config(vocabulary=len(pieces), max_length=LONGEST + 1, **SIZES, **form))
    data, log = Encoded(folder / "train"), folder / "log.jsonl"
    train.train(model, data, replace(TRAINING, updates=updates), seed=1, folder=folder / "state", log=log)
    checkpoint.save(folder / "checkpoint", model.eval(), pieces.model)


@pytest.fixture(scope="module")
def made(peer: Peer, corpus: Callable, environment: Callable, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """case → where its small.tzip and what transformers recorded of it lie, and the texts' folder."""
    done: dict[str, tuple[Path, Path]] = {}

    def make(case: str) -> tuple[Path, Path]:
        if case in done:
            return done[case]
        python, folder = environment("marian"), tmp_path_factory.mktemp("exported")
        if case == "from marian":
            texts = peer("marian", "marian.py", UPDATES)
            model, pieces = imported(texts, "model", {})
            checkpoint.save(folder / "checkpoint", model, pieces.model)
        else:
            texts = corpus("texts")
            trained(folder, texts, **({"tie": "none", "activation": "gelu"} if "apart" in case else {}))
        tzip("compress", folder / "checkpoint", folder / "small.tzip", "--quantize", "uniform:bits=8", "--scope", "all")
        tzip("export", folder / "small.tzip", "--to", "marian", "--output", folder / "marian")
        in_transformers(python, folder, HERE / "peers" / "exported.py", folder / "marian", texts, folder)
        done[case] = folder, texts
        return done[case]

    return make


def in_transformers(python: Path, folder: Path, *arguments: object) -> str:
    """What the peer's Python says, in a folder."""
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=plain, text=True, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def opened(folder: Path) -> tuple[Transformer, Pieces]:
    """The model as it is read back from the compressed file."""
    return model_file.restore(folder / "small.tzip")[:2]


@pytest.mark.parametrize("case", CASES)
def test_logits(case: str, made: Made, capsys: pytest.CaptureFixture) -> None:
    """Within 1e-4 on 50 sentences; the pieces of all are the same."""
    folder, texts = made(case)
    model, pieces = opened(folder)
    record, rows = read_json(folder / "record.json"), {}
    for side, end in (("source", "en"), ("target", "de")):
        rows[side] = pieces.encode(read_lines(texts / f"test.{end}"), target=side == "target")
        assert [pieces.spell(row, target=side == "target") for row in rows[side]] == record[side]
    compare_logits(case, model, pieces, rows, record["pieces"], folder / "logits.npz", capsys)


@pytest.mark.parametrize("case", CASES)
def test_greedy_translations(case: str, made: Made, capsys: pytest.CaptureFixture) -> None:
    """The same pieces and the same text, for all 500 sentences, by the limits that the folder states."""
    folder, texts = made(case)
    model, pieces = opened(folder)
    record, lines = read_json(folder / "record.json"), read_lines(texts / "test.en")
    found = search.search(model, pieces.encode(lines), Search(beam=1, max_ratio=1000.0))
    rows = [pieces.spell(best.pieces, target=True) for (best,) in found]
    same = sum(row == one["pieces"] for row, one in zip(rows, record["greedy"], strict=True))
    tell(capsys, f"{case}: {same} of {len(lines)} greedy translations identical")
    assert same == len(lines)
    ours = pieces.decode([list(best.pieces) for (best,) in found])
    known = [i for i, row in enumerate(rows) if "<unk>" not in row]
    assert len(known) > 0.9 * len(rows)
    assert [ours[i] for i in known] == [record["greedy"][i]["text"] for i in known]


@pytest.mark.parametrize("case", CASES)
def test_beams(case: str, made: Made, capsys: pytest.CaptureFixture) -> None:
    """Without a penalty of length, BLEU within 0.1; by the settings of each, told and within 1."""
    folder, texts = made(case)
    model, pieces = opened(folder)
    record, lines = read_json(folder / "record.json"), read_lines(texts / "test.en")
    references = [read_lines(texts / "test.de")]
    for kind, alpha, most in (("beam", 0.0, 0.1), ("own", Search.alpha, 1.0)):
        found = model_file.translate(model, pieces, lines, Search(alpha=alpha, max_ratio=1000.0))
        peer = [one["text"] for one in record[kind]]
        same = sum(a == b for a, b in zip(found, peer, strict=True))
        scores = [corpus_bleu(texts, references).score for texts in (found, peer)]
        tell(capsys, f"{case}, {kind}: BLEU {scores[0]:.2f}, peer {scores[1]:.2f}; {same} the same")
        assert scores[0] > 5
        assert abs(scores[0] - scores[1]) <= most


def test_the_example_of_the_page(made: Made, environment: Callable, tmp_path: Path) -> None:
    """docs/you-have-a-model.md, whose Python needs transformers: it prints what our own search finds."""
    folder, _ = made("from marian")
    page = (HERE.parents[1] / "docs" / "you-have-a-model.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "marian").symlink_to(folder / "marian")
    said = in_transformers(environment("marian"), tmp_path, "-c", example)
    (sentence,) = re.findall(r'tokenizer\(\["(.*)"\]', example)
    assert said.strip() == str(model_file.translate(*opened(folder), [sentence], Search()))
