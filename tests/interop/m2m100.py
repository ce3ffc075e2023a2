"""M2M-100 and NLLB held against transformers, both directions: pieces, logits, greedy translations, beams.

`make test-interop` runs this file, which `make test` does not.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.interop.equality import Peer, tell
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces
from tzip.exchange import importing
from tzip.exchange.importing import Options
from tzip.files import read_json, read_lines
from tzip.nmt import search
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search

UPDATES = 500
LONGEST = 79  # pieces of the peer's translations, language and end included
SENTENCES = 200
LANGUAGES = {"m2m100": {"en": "en", "de": "de"}, "nllb": {"en": "eng_Latn", "de": "deu_Latn"}}
CASES = [(kind, target) for kind in LANGUAGES for target in ("de", "en")]


@pytest.fixture(scope="session")
def folder(peer: Peer) -> Path:
    return peer("marian", "m2m100.py", UPDATES)


@cache
def imported(folder: Path, kind: str, target: str) -> tuple[Transformer, Pieces]:
    """The model by our own reader, its translations as long as the peer's."""
    source = {"en": "de", "de": "en"}[target]
    languages = {"source_language": LANGUAGES[kind][source], "target_language": LANGUAGES[kind][target]}
    found = importing.read(folder / kind, Options(max_length=LONGEST + 1, **languages))
    assert found.origin["format"] == "m2m100"
    return importing.build(found), Pieces(found.pieces)


def recorded(folder: Path, kind: str, target: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """What the peer did, its pieces by their numbers, and the lines that it translated."""
    record, source = read_json(folder / kind / "record.json"), {"en": "de", "de": "en"}[target]
    return record[target], record["pieces"], read_lines(folder / f"test.{source}")[:SENTENCES]


@pytest.mark.parametrize(("kind", "target"), CASES)
def test_pieces_and_logits(folder: Path, kind: str, target: str, capsys: pytest.CaptureFixture) -> None:
    """The same pieces of 200 sentences on both sides; logits of 50 within 1e-4."""
    model, pieces = imported(folder, kind, target)
    record, names, lines = recorded(folder, kind, target)
    texts = {"source": lines, "target": read_lines(folder / f"test.{target}")[:SENTENCES]}
    rows = {side: pieces.encode(text, target=side == "target") for side, text in texts.items()}
    for side in rows:
        expected = [[names[i] for i in row] for row in record[side]]
        assert [[*pieces.spell(row), "</s>"] for row in rows[side]] == expected
    numbers = {name: i for i, name in enumerate(names)}
    ours = [i for i in range(len(pieces)) if i != BEGIN]
    columns = [numbers[piece] for piece in pieces.spell(ours)]
    worst = 0.0
    with np.load(folder / kind / f"logits-{target}.npz") as logits, torch.inference_mode():
        for number in logits:
            source, decoded = ([*rows[side][int(number)]] for side in ("source", "target"))
            found = model(torch.tensor([[*source, END]]), torch.tensor([[BEGIN, *decoded]]))[0, :, ours]
            worst = max(worst, float((found - torch.from_numpy(logits[number])[:, columns]).abs().max()))
        tell(capsys, f"{kind} to {target}: logits of {len(logits)} sentences within {worst:.1e}")
    assert worst < 1e-4


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize(("kind", "target"), CASES)
def test_translations(folder: Path, kind: str, target: str, beam: int, capsys: pytest.CaptureFixture) -> None:
    """The same pieces, and the same text, of all 200 sentences."""
    model, pieces = imported(folder, kind, target)
    record, names, lines = recorded(folder, kind, target)
    found = search.search(model, pieces.encode(lines), Search(beam=beam, alpha=0.0, max_ratio=1000.0))
    expected = []
    for one in record["greedy" if beam == 1 else "beam"]:
        start, language, *rest = one["ids"]
        code = LANGUAGES[kind][target]
        assert (names[start], names[language]) == ("</s>", f"__{code}__" if kind == "m2m100" else code)
        rest = rest[: rest.index(start)] if start in rest else rest
        expected.append([names[i] for i in rest if names[i] != "<pad>"])
    rows = [pieces.spell(best.pieces) for (best, *_) in found]
    same = sum(a == b for a, b in zip(rows, expected, strict=True))
    different = len({tuple(row) for row in rows})
    tell(capsys, f"{kind} to {target}, beam {beam}: {same} of {len(lines)} identical, {different} of them different")
    assert same == len(lines)
    assert different > 10
    texts = pieces.decode([list(best.pieces) for (best, *_) in found])
    special = {name for name in names if name.startswith("__") or name.endswith("_Latn") or name.startswith("<")}
    plain = [i for i, row in enumerate(rows) if not special & set(row)]
    assert len(plain) > len(rows) / 2 or kind == "nllb"  # random weights write anything
    theirs = [one["text"] for one in record["greedy" if beam == 1 else "beam"]]
    first = f"__{LANGUAGES[kind][target]}__"  # transformers 5.23 leaves M2M-100's in the text
    assert [texts[i] for i in plain] == [theirs[i].removeprefix(first).strip() for i in plain]


def test_a_line_names_its_language(folder: Path) -> None:
    """As MarianTokenizer has it: the piece of the language, and the text without it."""
    record = read_json(folder / "many" / "record.json")
    found = importing.read(folder / "many", Options(prefix=">>deu<<"))
    pieces = Pieces(found.pieces)
    ours = [[*pieces.spell(row), "</s>"] for row in pieces.encode(record["lines"])]
    named = [line.startswith(">>") for line in record["lines"]]
    assert sum(named) == 3
    for line, row, expected in zip(named, ours, record["pieces"], strict=True):
        known = [piece if piece in found_pieces(pieces) else "<unk>" for piece in expected]
        assert row == (known if line else [">>deu<<", *known])
    assert pieces.spell([PAD, UNKNOWN]) == ["<pad>", "<unk>"]


def found_pieces(pieces: Pieces) -> set[str]:
    return set(pieces.spell(range(len(pieces))))
