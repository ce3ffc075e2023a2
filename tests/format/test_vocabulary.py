"""A vocabulary in alphabetical order: the very bytes of the SentencePiece model come back, or it stays as it is."""

import struct

import pytest

from tests.data.test_pieces import sentences
from tests.format.test_container import sorted_pieces
from tzip.data import lists, pieces
from tzip.data.sentencepiece_model import Piece, join, ordered, split
from tzip.format import container, vocabulary


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text").write_text("\n".join(sentences(2000, 1)), encoding="utf-8")
    return pieces.train([folder / "text"], folder / "pieces.model", pieces.Options(size=700)).model


def test_a_learned_vocabulary_comes_back_byte_for_byte_from_fewer(learned):
    packed = vocabulary.pack(learned)
    assert packed.startswith(vocabulary.MAGIC)
    assert vocabulary.unpack(packed, len(learned)) == learned
    assert container.vocabulary_bytes(learned) < 0.75 * len(container._pack(learned))


def test_a_model_larger_than_allowed_is_not_made(learned):
    with pytest.raises(ValueError, match=f"vocabulary: more than {len(learned) - 1} bytes"):
        vocabulary.unpack(vocabulary.pack(learned), len(learned) - 1)


def changed(model: bytes, *more: Piece, order: bool = True) -> bytes:
    found, tail = split(model)
    special, normal = found[:4], [*found[4:], *more]
    return join([*special, *(ordered(normal) if order else normal)], tail)


MODEL = sorted_pieces(3, 40)
AS_IT_IS = {
    "nothing": b"",
    "no model": b"no model at all",
    "a part of one": MODEL[: len(join(split(MODEL)[0][:9], b"")) + 3],
    "a score off the grid": changed(MODEL, Piece("x", -3.25)),
    "a score too low": changed(MODEL, Piece("x", -128.0)),
    "a score above 0": changed(MODEL, Piece("x", 0.5)),
    "a score of -0": changed(MODEL, Piece("x", -0.0)),
    "a score that is no number": changed(MODEL, Piece("x", float("nan"))),
    "another order": changed(MODEL, Piece("x", -3.0), order=False),
    "a line feed in a piece": changed(MODEL, Piece("x\ny", -3.0)),
    "a special piece behind": changed(MODEL, Piece("x", -100.0, 4), order=False),
    "lists": lists.pack(lists.Lists(MODEL, b"", ("<pad>", "<unk>", "<s>", "</s>", "x"))),
}


@pytest.mark.parametrize("case", AS_IT_IS)
def test_what_would_not_come_back_stays_as_it_is(case):
    assert vocabulary.pack(AS_IT_IS[case]) == AS_IT_IS[case]
    assert vocabulary.unpack(AS_IT_IS[case], 0) == AS_IT_IS[case]


@pytest.mark.parametrize(
    "more",
    [
        (),
        (Piece("y" * 300, -3.0), Piece("y" * 300 + "z", -4.5), Piece("y" * 400, 0.0)),
        (Piece("\u1e9e\U0001f600", -127.5), Piece("\u1e9e\U0001f601", -127.5), Piece("", -1.0)),
    ],
)
def test_pieces_of_any_length_and_script_come_back(more):
    model = changed(MODEL, *more)
    assert vocabulary.pack(model).startswith(vocabulary.MAGIC)
    assert vocabulary.unpack(vocabulary.pack(model), len(model)) == model


def test_a_vocabulary_that_begins_like_a_packed_one_is_refused():
    with pytest.raises(ValueError, match="begins like one in another form"):
        container.encode(container.Archive({}, {}, vocabulary.MAGIC + struct.pack("<3I", 0, 0, 0), {}))
