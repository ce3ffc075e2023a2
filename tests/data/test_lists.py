"""Vocabularies with lists: what was packed comes back, each side is cut by its model, damage is named."""

import contextlib
import io
import json
import random
from dataclasses import replace

import pytest
import sentencepiece

from tests.data.test_pieces import damaged, sentences
from tzip.data import lists
from tzip.data.lists import Lists, pack, unpack
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")


def model(seed: int, size: int = 200) -> bytes:
    """A SentencePiece model as others train them: unk 0, s 1, /s 2, no pad, no bytes, NFKC."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences(300, seed)), model_writer=out, vocab_size=size, minloglevel=2
    )
    return out.getvalue()


def listed(data: bytes) -> list[str]:
    opened = sentencepiece.SentencePieceProcessor(model_proto=data)
    return [opened.id_to_piece(i) for i in range(3, len(opened))]


ONE, OTHER = model(0), model(1)
SHARED = Lists(ONE, OTHER, (*SPECIAL, *dict.fromkeys(listed(OTHER)[::-1] + listed(ONE))))
APART = Lists(ONE, OTHER, (*SPECIAL, *listed(ONE)), (*SPECIAL, *listed(OTHER)[::-1]), source_end=False)


@pytest.mark.parametrize("given", [SHARED, APART, replace(SHARED, target_model=b"", prefix="▁")])
def test_what_was_packed_comes_back(given: Lists) -> None:
    assert unpack(pack(given)) == given
    assert pack(unpack(pack(given))) == pack(given)


def test_each_side_is_cut_by_its_model_and_numbered_by_its_list() -> None:
    text = sentences(20, 7)
    pieces = Pieces(pack(APART))
    assert (len(pieces), pieces.targets, pieces.shared) == (len(APART.source), len(APART.target), False)
    for target, data, side in ((False, ONE, APART.source), (True, OTHER, APART.target)):
        cut = sentencepiece.SentencePieceProcessor(model_proto=data).encode(text, out_type=str)
        expected = [[side.index(p) if p in side else UNKNOWN for p in row] for row in cut]
        assert pieces.encode(text, target=target) == expected
        spelled = [[p if p in side else "<unk>" for p in row] for row in cut]
        assert [pieces.spell(row, target=target) for row in expected] == spelled
    known = [[p for p in row if p in side] for row in cut]  # of the target
    decoded = [sentencepiece.SentencePieceProcessor(model_proto=data).decode(row) for row in known]
    assert pieces.decode([[BEGIN, *row, END, PAD] for row in expected]) == decoded


def test_one_list_for_both_sides() -> None:
    pieces = Pieces(pack(SHARED))
    assert pieces.shared
    assert pieces.targets == len(pieces) == len(SHARED.source)
    assert pieces.copies() == list(range(len(pieces)))
    form = {"vocabulary": len(pieces), "target_vocabulary": 0, "source_end": True, "target_prefix": 0}
    assert pieces.decides() == form
    assert pieces.encode(["漢"])[0][-1] == UNKNOWN
    assert pieces.decode([[UNKNOWN]]) == [""]


def test_pieces_spelled_alike_on_both_sides_are_copies() -> None:
    pieces = Pieces(pack(APART))
    copies = pieces.copies()
    assert copies[:4] == [None] * 4
    common = set(APART.source[4:]) & set(APART.target[4:])
    assert len(common) > 5
    for i, piece in enumerate(APART.source[4:], 4):
        assert copies[i] == (APART.target.index(piece) if piece in common else None)


def test_a_prefix_comes_before_every_source() -> None:
    given = replace(SHARED, source=(*SHARED.source, ">>de<<"), prefix=">>de<<")
    ours, plain = Pieces(pack(given)), Pieces(pack(SHARED))
    (row,), (bare,) = ours.encode(["Da."]), plain.encode(["Da."])
    assert row == [len(given.source) - 1, *bare]
    assert ours.encode(["Da."], target=True) == plain.encode(["Da."], target=True)
    with pytest.raises(ValueError, match="prefix = '>>fr<<' is no piece of the source"):
        replace(given, prefix=">>fr<<")


def test_a_prefix_comes_before_every_target() -> None:
    given = replace(APART, target=(*APART.target, "deu_Latn"), target_prefix="deu_Latn")
    ours, plain = Pieces(pack(given)), Pieces(pack(APART))
    last = len(given.target) - 1
    assert ours.encode(["Da.", " "], target=True) == [[last, *plain.encode(["Da."], target=True)[0]], []]
    assert ours.encode(["Da."]) == plain.encode(["Da."])
    assert ours.decides()["target_prefix"] == last
    assert unpack(pack(given)) == given
    assert b"target_prefix" not in pack(APART)  # a reader of before knows what it is not told of
    with pytest.raises(ValueError, match="target_prefix = 'fra_Latn' is no piece of the target"):
        replace(given, target_prefix="fra_Latn")


def test_a_line_names_the_language_of_its_translation() -> None:
    """As a source of MarianTokenizer does; tests/interop compares the two."""
    codes = (">>deu<<", ">>fra<<")
    ours = Pieces(pack(replace(SHARED, source=(*SHARED.source, *codes), prefix=">>deu<<")))
    first = len(SHARED.source)
    (bare,) = Pieces(pack(SHARED)).encode(["Da."])
    rows = ours.encode(["Da.", ">>fra<< Da.", ">>fra<<Da.", "  >>deu<<  Da.", ">>fra<< ", ">>fra<<"])
    assert rows == [[first, *bare], *[[first + 1, *bare]] * 2, [first, *bare], [], []]
    assert ours.encode([">>nld<< Da."])[0][1:] == Pieces(pack(SHARED)).encode([">>nld<< Da."])[0]
    assert ours.encode([">>fra<< Da."], target=True) == Pieces(pack(SHARED)).encode([">>fra<< Da."])


def test_ids_beyond_the_target_are_refused() -> None:
    pieces = Pieces(pack(APART))
    with pytest.raises(ValueError, match=f"but there are {pieces.targets} pieces"):
        pieces.decode([[pieces.targets]])


def told(**given: object) -> bytes:
    plain = {"source": ["a", "b", "c", "d"], "target": [], "source_end": True, "prefix": ""}
    return json.dumps(plain | given).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "its text must have source"),
        (b"{", "its text is not JSON"),
        (b"[" * 100_000, "its text is not JSON"),
        (b"\xff", "its text is not JSON"),
        (told(source=["a"] * 4), "listed twice"),
        (told(source=["a"]), "1 pieces of the source; 4 to"),
        (told(source=[1, 2, 3, 4]), "no text"),
        (told(source_end=1), "its text must have"),
        (told(prefix="x"), "prefix = 'x' is no piece of the source"),
        (told(target_prefix="x"), "target_prefix = 'x' is no piece of the target"),
        (told(target_prefix=1), "its text must have"),
    ],
)
def test_hostile_lists_are_refused_in_one_line(text: bytes, said: str) -> None:
    data = lists.MAGIC + lists.SIZES.pack(len(text), len(ONE), 0) + text + ONE
    with pytest.raises(ValueError, match=said) as caught:
        Pieces(data)
    assert "\n" not in str(caught.value)


def test_damage_is_refused_in_one_line() -> None:
    whole = pack(APART)
    for cut in (len(lists.MAGIC), 20, 30, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match=r"^SentencePiece model: "):
            Pieces(whole[:cut])
    rng = random.Random(1)
    for _ in range(300):
        with contextlib.suppress(ValueError):  # and nothing else
            usable = Pieces(damaged(rng, whole))
            usable.decode(usable.encode(["Ein Satz.", "漢字"], target=True))
