"""The vocabulary and the encoded corpus: nothing is lost between text and numbers, damage is named."""

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys.commands import script
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Encoded, Options, Pieces, encode_pairs, train
from tzip.data.text import normalize


def sentences(count: int, seed: int) -> list[str]:
    """Random words of random syllables: enough structure for a vocabulary."""
    rng = random.Random(seed)
    syllables = [a + b + c for a in "bdfgklmnrst" for b in "aeiouäö" for c in ("", "n", "st", "ch")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=rng.randint(1, 12))).capitalize() + "." for _ in range(count)]


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The data with one or five bytes changed."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 5])):
        result[rng.randrange(len(result))] = rng.randrange(256)
    return bytes(result)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for seed, language in enumerate(("en", "de")):
        (folder / f"train.{language}").write_text("\n".join(sentences(1000, seed)) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pieces(corpus) -> Pieces:
    return train([corpus / "train.en", corpus / "train.de"], corpus / "pieces.model", Options(size=600))


# ── the vocabulary ────────────────────────────────────────────────────────────────────────────────


def test_the_vocabulary_has_the_size_and_the_layout_that_it_should(pieces, corpus):
    assert len(pieces) == 600
    assert pieces.spell(range(4)) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert pieces.spell([4, 259]) == ["<0x00>", "<0xFF>"]
    assert pieces.model == (corpus / "pieces.model").read_bytes()


def test_the_same_text_gives_the_same_bytes_wherever_it_lies(pieces, corpus, tmp_path):
    for language in ("en", "de"):
        (tmp_path / f"moved.{language}").write_bytes((corpus / f"train.{language}").read_bytes())
    paths = [tmp_path / "moved.en", tmp_path / "moved.de"]
    assert train(paths, tmp_path / "again.model", Options(size=600)).model == pieces.model


# Not U+2581, which SentencePiece writes for a space.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="▁")


@settings(deadline=None)
@given(st.lists(st.text(characters), max_size=4))
def test_any_text_survives_encoding(pieces, lines):
    rows = pieces.encode(lines)
    assert all(piece != UNKNOWN for row in rows for piece in row)
    assert pieces.decode(rows) == [normalize(line) for line in lines]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 599), max_size=30), max_size=4))
def test_any_ids_decode_to_one_line_each(pieces, rows):
    decoded = pieces.decode(rows)
    assert len(decoded) == len(rows)
    assert all(len(line.splitlines()) <= 1 for line in decoded)


def test_special_ids_leave_no_trace(pieces):
    row = pieces.encode(["Ein Satz."])[0]
    assert pieces.decode([[BEGIN, *row, END, PAD, PAD]]) == ["Ein Satz."]
    assert pieces.decode([np.array(row, np.uint16)]) == ["Ein Satz."]


@pytest.mark.parametrize("row", [[600], [-1], [1 << 40]])
def test_ids_beyond_the_vocabulary_are_refused(pieces, row):
    with pytest.raises(ValueError, match="but there are 600 pieces"):
        pieces.decode([row])


def test_a_text_too_small_for_the_vocabulary_names_the_option(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"^pieces: size = 60000 is more than this text can fill; at most \d+$"):
        train([corpus / "train.en"], tmp_path / "x", Options(size=60000))
    (tmp_path / "han").write_text("\n".join(map(chr, range(0x4E00, 0x5200))) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^pieces: size = 300 has no room for .* at least \d+"):
        train([tmp_path / "han"], tmp_path / "x", Options(size=300))
    (tmp_path / "blank").write_text("\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="no text to learn pieces from"):
        train([tmp_path / "blank"], tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_large_text_is_learned_from_in_part(corpus, tmp_path):
    part = train([corpus / "train.en"], tmp_path / "part", Options(size=400, sentences=100)).model
    every = (corpus / "train.en").read_text(encoding="utf-8").split("\n")[:-1][::10]
    (tmp_path / "tenth").write_text("\n".join(every) + "\n", encoding="utf-8")
    assert train([tmp_path / "tenth"], tmp_path / "whole", Options(size=400)).model == part


def test_hostile_models_are_refused_in_one_line(pieces):
    for bad in (b"", b"Hallo", bytes(1000), pieces.model[:-1], pieces.model[: len(pieces.model) // 2]):
        with pytest.raises(ValueError, match=r"^SentencePiece model: "):
            Pieces(bad)
    rng = random.Random(1)
    for _ in range(300):
        with contextlib.suppress(ValueError):  # and nothing else: no other exception, no crash
            usable = Pieces(damaged(rng, pieces.model))
            usable.decode(usable.encode(["Ein Satz.", "漢字"]))


def test_a_model_of_another_layout_is_refused(corpus, tmp_path):
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus / "train.en"), model_prefix=str(tmp_path / "m"), vocab_size=300, minloglevel=2
    )
    with pytest.raises(ValueError, match=r"pad, unk, bos, eos are \(-1, 0, 1, 2\), expected \(0, 1, 2, 3\)"):
        Pieces(tmp_path / "m.model")


# ── the encoded corpus ────────────────────────────────────────────────────────────────────────────


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_an_encoded_corpus_is_what_was_encoded_and_lies_on_disk(pieces, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("tzip.data.pieces.CHUNK", 64)  # several chunks
    done = encode_pairs(pieces, [(corpus / "train.en", corpus / "train.de")], tmp_path / "train", 1000)
    data = Encoded(tmp_path / "train")
    assert len(data) == done["pairs"] == 1000
    assert done["dropped"] == 0
    texts = [(corpus / f"train.{end}").read_text(encoding="utf-8") for end in ("en", "de")]
    two = [pieces.encode(text.split("\n")[:-1]) for text in texts]
    for index, pair in enumerate(zip(*two, strict=True)):
        assert [side.tolist() for side in data.pair(index)] == list(pair)
    assert data.lengths().tolist() == [list(map(len, pair)) for pair in zip(*two, strict=True)]
    assert data.tokens.dtype == np.uint16
    assert data.offsets.dtype == np.int64
    assert isinstance(data.tokens.base, np.memmap)
    assert len(data.tokens) == done["tokens"]
    np.testing.assert_array_equal(np.load(tmp_path / "train.tokens.npy"), data.tokens)


def test_pairs_too_long_are_dropped_and_counted(pieces, tmp_path):
    lines = sentences(200, 7)
    source, target = write(tmp_path / "s", lines), write(tmp_path / "t", lines[::-1])
    lengths = [max(map(len, pieces.encode([a, b]))) + 1 for a, b in zip(lines, lines[::-1], strict=True)]
    limit = sorted(lengths)[100]
    done = encode_pairs(pieces, [(source, target)], tmp_path / "x", limit)
    assert done["pairs"] == sum(length <= limit for length in lengths)
    assert done["pairs"] + done["dropped"] == 200
    assert Encoded(tmp_path / "x").lengths().max() + 1 == limit
    with pytest.raises(ValueError, match=r"none of 200 pairs has at most 1 pieces per side"):
        encode_pairs(pieces, [(source, target)], tmp_path / "y", 1)
    assert not list(tmp_path.glob("y.*"))


def test_parts_are_encoded_one_after_the_other(pieces, tmp_path):
    one, two = write(tmp_path / "one", ["a b", "c"]), write(tmp_path / "two", ["d", "e f"])
    done = encode_pairs(pieces, [(one, two), (one, one)], tmp_path / "x", 100)
    data = Encoded(tmp_path / "x")
    sides = [pieces.decode([side.tolist() for side in data.pair(i)]) for i in range(done["pairs"])]
    assert sides == [["a b", "d"], ["c", "e f"], ["a b", "a b"], ["c", "c"]]


def test_files_that_do_not_belong_together_are_named(pieces, corpus, tmp_path):
    one, two = write(tmp_path / "one", ["a", "b"]), write(tmp_path / "two", ["a"])
    with pytest.raises(ValueError, match=r"one has 2 lines but .*two has 1"):
        encode_pairs(pieces, [(one, two)], tmp_path / "x", 10)
    encode_pairs(pieces, [(one, one)], tmp_path / "x", 10)
    encode_pairs(pieces, [(two, two)], tmp_path / "y", 10)
    (tmp_path / "y.offsets.npy").replace(tmp_path / "x.offsets.npy")
    with pytest.raises(ValueError, match="x: tokens and offsets do not belong together"):
        Encoded(tmp_path / "x")
    whole = (tmp_path / "x.tokens.npy").read_bytes()
    for bad in (b"", b"text", whole[:100], whole[:-1]):
        (tmp_path / "x.tokens.npy").write_bytes(bad)
        with pytest.raises(ValueError, match="x: not an encoded corpus"):
            Encoded(tmp_path / "x")


def test_nothing_is_ever_unpickled(tmp_path):
    np.save(tmp_path / "x.tokens.npy", np.array([{"a": 1}], dtype=object))
    np.save(tmp_path / "x.offsets.npy", np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="not an encoded corpus"):
        Encoded(tmp_path / "x")


def test_the_scripts_do_the_same(pieces, corpus, tmp_path):
    texts = [corpus / "train.en", corpus / "train.de"]
    script("pieces", "--text", *texts, "--size", 600, "--output", tmp_path / "m").check_returncode()
    assert (tmp_path / "m").read_bytes() == pieces.model
    common = ["--pieces", tmp_path / "m", "--source", texts[0], "--target", texts[1], "--output", tmp_path / "x"]
    done = script("encode", *common, "--max-length", 20)
    data = Encoded(tmp_path / "x")
    told = f"{tmp_path / 'x'}: {len(data)} pairs, {len(data.tokens)} pieces; {1000 - len(data)} pairs too long\n"
    assert (done.stdout, done.stderr) == (told, "")
    (tmp_path / "m").write_bytes(b"Hallo")
    done = script("encode", *common, "--max-length", 20)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'm'}: not a usable SentencePiece model")
    assert done.stderr.count("\n") == 1
