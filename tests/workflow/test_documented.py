"""The page "You have a model" followed from its first command to its last, on a small model."""

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
import torch

from tests.data.test_pieces import sentences
from tests.exchange.test_marian_nmt import SSRU
from tests.test_docs import examples, in_order, words
from tests.toys import foreign as foreignmodels
from tests.toys import m2m100, small
from tests.toys.foreign import PIECES
from tests.toys.workflow import command, copy_sources
from tzip import cli
from tzip.data.pieces import Pieces
from tzip.exchange import exporting, importing
from tzip.files import read_json, read_lines, write_text
from tzip.format import model as model_file
from tzip.nmt import checkpoint
from tzip.nmt.options import Search

PAGE = "you-have-a-model.md"
LENGTH = 128  # pieces, as the page's configuration says
SIZES = {"d_model": 64, "d_ff": 256, "heads": 4, "activation": "silu", "positions": "halves"}
LINES = {"train": 60, "dev": 8, "test": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the page begins: a model, and texts whose references are its own."""
    folder = copy_sources(tmp_path_factory.mktemp("model"))
    made = foreignmodels.model(4 + len(PIECES), max_length=LENGTH, **SIZES)
    with torch.no_grad():
        made.generator.bias.normal_(std=2.0)
    foreignmodels.marian(folder / "opus-mt-en-de", made, max_position_embeddings=LENGTH)
    m2m100.write(folder / "nllb-200-distilled-600M", m2m100.model("nllb"), "nllb")
    m2m100.write(folder / "m2m100_418M", m2m100.model("m2m100"))
    vocabulary = small.vocabulary(folder)
    for name, engine in (("opus-2020-02-26", "marian_nmt"), ("firefox-ende", "firefox")):
        native = foreignmodels.model(len(vocabulary), **SSRU)
        exporting.write(folder / name, native, vocabulary, exporting.Options(to=engine))
    read = importing.read(folder / "opus-mt-en-de", importing.Options(format="marian"))
    for seed, (name, count) in enumerate(LINES.items()):
        sources = sentences(count, 10 + seed)
        options = Search(beam=1, max_ratio=0.5)
        found = model_file.translate(importing.build(read), Pieces(read.pieces), sources, options)
        for end, lines in (("en", sources), ("de", found)):
            write_text(folder / "corpora" / f"{name}.{end}", "".join(f"{line or 'x'}\n" for line in lines))
    name = "config/opus-frontier.yaml"
    (folder / name).write_text(examples("yaml")[name], encoding="utf-8")
    return folder


def tzip(line: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command of the page says, which goes to a file if the page says so."""
    monkeypatch.setattr(sys, "argv", words(line))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        cli.main()
    if found := re.search(r" > (\S+)$", line):
        write_text(found[1], said.getvalue())
    return said.getvalue()


def test_the_page_can_be_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    said = {}
    for _, body in in_order(PAGE, ("sh",)):
        for line in body.splitlines():
            ran = tzip(line, monkeypatch) if words(line)[0] == "tzip" else command(folder, *words(line))
            said[line] = ran
    assert len(said) == 28
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.tzip")}
    assert sizes["kmeans4"] < sizes["uniform8"] < sizes["whole"] / 2
    assert "imported from marian" in said["tzip inspect kmeans4.tzip"]
    for translated in ("kmeans4.de", "student.de"):
        assert len(read_lines(translated)) == LINES["test"]
    assert read_json("exported/firefox/origin.json")["format"] == "marian_nmt"
    (chosen,) = [ran for line, ran in said.items() if line.endswith("--at 4x")]
    assert re.match(r"(kmeans|uniform)-b[48]-all: .* BLEU on own ", chosen)
    for name in ("ctranslate2", "marian", "dense"):
        assert read_json(f"exported/{name}/origin.json")["format"] == "marian", name
    assert len(read_lines("nllb.de")) == LINES["test"]
    for name, first in (("nllb", "deu_Latn"), ("m2m", "__de__")):
        model, pieces = checkpoint.load(name)
        assert Pieces(pieces).spell([model.config.target_prefix]) == [first]
    assert read_json("exported/nllb/origin.json")["format"] == "m2m100"
    assert checkpoint.load("exported/dense")[0].config.activation == "silu"
    assert importing.read("exported/marian", importing.Options(format="marian")).config.d_model == SIZES["d_model"]
