"""A SentencePiece model taken apart and put together is the same model; rounded, it cuts text as before."""

import random

import pytest
import sentencepiece

from tests.data.test_pieces import sentences
from tzip.data.sentencepiece_model import GRID, NORMAL, join, ordered, rounded, split


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> bytes:
    prefix = tmp_path_factory.mktemp("model") / "m"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences(2000, 1)),
        model_prefix=str(prefix),
        vocab_size=700,
        byte_fallback=True,
        user_defined_symbols=["<extra>"],
        minloglevel=2,
    )
    return prefix.with_suffix(".model").read_bytes()


def test_what_is_split_joins_to_the_same_bytes(trained):
    pieces, rest = split(trained)
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained)
    assert join(pieces, rest) == trained
    assert [piece.text for piece in pieces] == [processor.id_to_piece(i) for i in range(700)]
    assert [piece.score for piece in pieces] == [processor.get_score(i) for i in range(700)]
    assert [piece.type != NORMAL for piece in pieces][:5] == [True, True, True, True, True]


def test_rounded_scores_lie_on_the_grid_and_cut_nearly_all_text_as_before(trained):
    model = rounded(trained)
    assert rounded(model) == model
    pieces = [piece for piece in split(model)[0] if piece.type == NORMAL]
    assert pieces == ordered(pieces)
    assert len(split(model)[0]) == 700
    assert all(piece.score == round(piece.score / GRID) * GRID for piece in pieces)
    lines = sentences(500, 2)
    before, after = (sentencepiece.SentencePieceProcessor(model_proto=m).encode(lines) for m in (trained, model))
    assert sum(map(len, after)) < 1.005 * sum(map(len, before))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_cut_short_is_refused(trained, seed):
    piece = len(join(split(trained)[0][:1], b""))
    end = random.Random(seed).randrange(1, piece)
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        split(trained[:end])
