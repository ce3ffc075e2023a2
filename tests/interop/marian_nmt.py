"""Exports for Firefox held against its engine: greedy translations, 8 bits, a shortlist.

`make test-interop` runs this file, which `make test` does not.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from sacrebleu import corpus_bleu

from tests.interop.conftest import HERE, SIZES
from tests.interop.equality import tell, tzip
from tests.interop.exported import in_transformers, opened, trained
from tzip.data.grammar import generate
from tzip.data.pieces import END, UNKNOWN
from tzip.exchange import exporting, importing
from tzip.files import read_lines, write_text
from tzip.format import model as model_file
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search

NATIVE = {"positions": "marian", "begin": "zeros", "epsilon": 1e-6}
CASES = {"float32": [], "int8": ["--calibration", "calibration.txt"]}
MANY = 3000  # sentences beyond the corpus
LIMIT = 2.0  # the engine's longest translation is 2 · source + 4 pieces, ours 2 · source + 10; ours end before


@pytest.fixture(scope="module")
def student(corpus: Callable, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A student with a recurrent decoder, trained here, as a file of 8 bits and exported for Firefox; and the texts."""
    folder, texts = tmp_path_factory.mktemp("student"), corpus("texts")
    trained(folder, texts, decoder_mixer="ssru", **NATIVE)
    write_text(folder / "calibration.txt", "".join(f"{line}\n" for line in read_lines(texts / "dev.en")))
    tzip("compress", folder / "checkpoint", folder / "small.tzip", "--quantize", "uniform:bits=8", "--scope", "all")
    data = ["--data", folder / "train"]
    tzip("shortlist", folder / "small.tzip", folder / "list", *data, "--candidates", 20, "--frequent", 50)
    for kind, given in CASES.items():
        more = [folder / name if name == "calibration.txt" else name for name in given]
        options = ["--to", "firefox", "--type", kind, "--shortlist", folder / "list", "--output", folder / kind]
        tzip("export", folder / "small.tzip", *options, *more)
    return folder, texts


@pytest.fixture(scope="module")
def engine(student: tuple[Path, Path], environment: Callable) -> Callable[..., list[str]]:
    """(type, more arguments) → Firefox's translations of the test set."""
    folder, texts = student

    def translate(kind: str, *more: object, source: Path = texts / "test.en") -> list[str]:
        said = in_transformers(
            environment("firefox"), folder, HERE / "peers" / "firefox.py", folder / kind, source, *more
        )
        return json.loads(said)

    return translate


@pytest.fixture(scope="module")
def ours(student: tuple[Path, Path]) -> list[str]:
    folder, texts = student
    return model_file.translate(*opened(folder), read_lines(texts / "test.en"), Search(beam=1, max_ratio=LIMIT))


@pytest.fixture(scope="module")
def many(student: tuple[Path, Path]) -> tuple[Path, list[str], float]:
    """A file of MANY further sentences, their references, our BLEU: differences of 0.3 are noise on 500."""
    used = sum(SIZES.values())
    sources, references = zip(*islice(generate(used + MANY, 1), used, None), strict=True)
    write_text(student[0] / "many.en", "".join(f"{line}\n" for line in sources))
    found = model_file.translate(*opened(student[0]), list(sources), Search(beam=1, max_ratio=LIMIT))
    return student[0] / "many.en", list(references), corpus_bleu(found, [references]).score


def bleu(texts: list[str], folder: Path) -> float:
    return corpus_bleu(texts, [read_lines(folder / "test.de")]).score


def test_firefox_in_float32_translates_as_we_do(
    student: tuple[Path, Path], engine: Callable, ours: list[str], capsys: pytest.CaptureFixture
) -> None:
    found = engine("float32")
    same = sum(a == b for a, b in zip(found, ours, strict=True))
    scores = [bleu(texts, student[1]) for texts in (found, ours)]
    tell(capsys, f"firefox, float32: BLEU {scores[0]:.2f}, ours {scores[1]:.2f}; {same} of {len(ours)} the same")
    assert scores[1] > 20
    assert same >= 0.99 * len(ours)


def test_firefox_in_8_bits_keeps_bleu(
    many: tuple[Path, list[str], float], engine: Callable, capsys: pytest.CaptureFixture
) -> None:
    source, references, own = many
    score = corpus_bleu(engine("int8", source=source), [references]).score
    tell(capsys, f"firefox, int8: BLEU {score:.2f}, ours in float32 {own:.2f}, of {MANY} sentences")
    assert abs(score - own) <= 0.3


def test_firefox_with_two_embeddings(
    student: tuple[Path, Path], many: tuple[Path, list[str], float], engine: Callable, capsys: pytest.CaptureFixture
) -> None:
    """The same model, said to have a matrix per side."""
    folder, (source, references, own) = student[0], many
    model, pieces = opened(folder)
    apart = Transformer(replace(model.config, tie="decoder"))
    apart.load_state_dict(model.state_dict())
    options = exporting.Options(to="firefox", type="int8", calibration=str(folder / "calibration.txt"))
    exporting.write(folder / "apart", apart.eval(), pieces, options)
    score = corpus_bleu(engine("apart", source=source), [references]).score
    tell(capsys, f"firefox, int8, two embeddings: BLEU {score:.2f}, ours in float32 {own:.2f}")
    assert abs(score - own) <= 0.3


def test_firefox_with_a_shortlist(student: tuple[Path, Path], engine: Callable, capsys: pytest.CaptureFixture) -> None:
    """Restricted to what the lexicon suggests, BLEU hardly changes; an empty list changes it a lot."""
    folder, texts = student
    whole, short = engine("int8"), engine("int8", folder / "int8" / "lex.s2t.bin")
    scores = [bleu(found, texts) for found in (short, whole)]
    same = sum(a == b for a, b in zip(short, whole, strict=True))
    tell(capsys, f"firefox, shortlist: BLEU {scores[0]:.2f}, without {scores[1]:.2f}; {same} the same")
    assert abs(scores[0] - scores[1]) <= 1.0
    assert short != whole


@pytest.mark.parametrize("kind", CASES)
def test_what_firefox_reads_is_the_model(kind: str, student: tuple[Path, Path]) -> None:
    """Read back: bit for bit in float32; in 8 bits to half a step of a matrix, whose weights were 8 bits before."""
    folder, _ = student
    model, _ = opened(folder)
    read = importing.read(folder / kind, importing.Options(format="marian_nmt", pieces=""))
    for name, parameter in importing.build(read).named_parameters():
        weight = model.get_parameter(name)
        if weight.shape[0] == model.config.vocabulary:
            weight, parameter = (torch.cat([x[[UNKNOWN]], x[END:]]) for x in (weight, parameter))
        step = weight.abs().max() / 63 if kind == "int8" and weight.dim() == 2 else 0.0
        assert (weight - parameter).abs().max() <= 0.501 * step, name


def test_the_example_of_the_page(student: tuple[Path, Path], environment: Callable, tmp_path: Path) -> None:
    """docs/export.md, whose Python needs Firefox's engine: it prints a translation by the shortlist."""
    folder, _ = student
    page = (HERE.parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    (example,) = (body for body in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "fxtranslate" in body)
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "firefox").symlink_to(folder / "int8")
    said = in_transformers(environment("firefox"), tmp_path, "-c", example)
    assert len(said.split()) > 2
