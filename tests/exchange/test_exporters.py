"""Exported folders read back: Marian's by our own importer, dense safetensors as a checkpoint of ours."""

import json
import unicodedata
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.data.test_lists import ONE, OTHER, SHARED
from tests.exchange.test_exporting import SIZE, SOURCES, untrained
from tests.toys import commands
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import MARIAN, PIECES, marian
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data.lists import Lists, pack
from tzip.data.pieces import BEGIN, END, PAD, Pieces
from tzip.exchange import exporting, importing
from tzip.exchange.exporting import Options
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import checkpoint, search
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Search

TO_MARIAN = Options(to="marian")


def read(folder: Path) -> tuple[Transformer, Pieces]:
    found = importing.read(folder, importing.Options(format="marian"))
    return importing.build(found), Pieces(found.pieces)


@torch.inference_mode()
def apart(one: Transformer, other: Transformer) -> float:
    """The largest difference of the logits of two models whose pieces have the same ids."""
    worst = 0.0
    for source in SOURCES:
        ids = torch.tensor([[*source, END]]), torch.tensor([[BEGIN, *source[::-1], 7]])
        ours, theirs = one(*ids), other(*ids)
        kept = [i for i in range(ours.shape[-1]) if i not in (PAD, BEGIN)]  # which neither search writes
        worst = max(worst, float((ours - theirs)[..., kept].abs().max()))
    return worst


# ── Marian ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
@pytest.mark.parametrize("positions", ["interleaved", "halves"])
def test_a_model_of_ours_computes_the_same_as_marian(
    tmp_path: Path, vocabulary: Pieces, positions: str, tie: str, activation: str
) -> None:
    model = untrained(3, positions=positions, tie=tie, activation=activation, decoder_layers=1, max_length=40)
    exporting.write(tmp_path / "m", model, vocabulary, TO_MARIAN)
    found, again = read(tmp_path / "m")
    assert (found.config.positions, found.config.tie) == ("halves", tie)
    assert found.config.max_length == model.config.max_length
    assert again.spell(range(4, SIZE)) == vocabulary.spell(range(4, SIZE))
    if positions == "halves":
        assert apart(model, found) == 0.0
    assert apart(model, found) < 1e-5
    for beam in (1, 5):
        ours, theirs = (search.search(one, SOURCES, Search(beam=beam)) for one in (model, found))
        assert [best.pieces for (best,) in ours] == [best.pieces for (best,) in theirs]


@pytest.mark.parametrize("positions", ["interleaved", "halves"])
def test_marian_has_a_copy_of_a_layer_for_each_use(tmp_path: Path, vocabulary: Pieces, positions: str) -> None:
    form = {"positions": positions, "encoder_layers": 3, "encoder_unique": 2, "decoder_unique": 1}
    model = untrained(3, **form)
    exporting.write(tmp_path / "m", model, vocabulary, TO_MARIAN)
    found, _ = read(tmp_path / "m")
    assert apart(model, found) < 1e-5
    assert (found.config.encoder_layers, found.config.encoder_unique) == (3, 0)
    again = found.encoder[0].feed_forward.inner.weight, found.encoder[2].feed_forward.inner.weight
    assert torch.equal(*again)
    assert again[0].data_ptr() != again[1].data_ptr()


@pytest.mark.parametrize("tie", ["all", "decoder"])
def test_a_beginning_of_zeros_stays_one(tmp_path: Path, vocabulary: Pieces, tie: str) -> None:
    model = untrained(3, positions="halves", tie=tie, begin="zeros")
    exporting.write(tmp_path / "m", model, vocabulary, TO_MARIAN)
    assert apart(model, read(tmp_path / "m")[0]) == 0.0


@pytest.mark.parametrize("tie", ["decoder", "none"])
def test_two_vocabularies_of_different_sizes(tmp_path: Path, tie: str) -> None:
    vocabulary = Pieces(pack(Lists(ONE, OTHER, SHARED.source, (*SHARED.source[:4], *SHARED.source[:50:-1]))))
    model = untrained(0, **vocabulary.decides(), tie=tie)
    exporting.write(tmp_path / "m", model, vocabulary, TO_MARIAN)
    found, again = read(tmp_path / "m")
    assert apart(model, found) < 1e-5
    assert found.config.targets < found.config.vocabulary
    assert again.model == vocabulary.model


def test_from_marian_through_a_small_file_to_marian(tmp_path: Path) -> None:
    """Bit for bit what the file holds, under ids in OPUS-MT's order."""
    made = foreignmodels.model(4 + len(PIECES), **MARIAN)
    marian(tmp_path / "theirs", made)
    model, theirs = read(tmp_path / "theirs")
    variant = Variant(quantize="uniform:bits=8", scope="all")
    origin = {"format": "marian", "files": {"config.json": "0" * 64}}
    small, _ = pipeline.build(model, theirs.model, variant, name="small", seed=1, origin=origin)
    container.write(tmp_path / "small.tzip", small)
    restored, kept_pieces, kept = model_file.restore(tmp_path / "small.tzip")
    exporting.write(tmp_path / "again", restored, kept_pieces, TO_MARIAN, kept.history)
    found, again = read(tmp_path / "again")
    assert apart(restored, found) == 0.0
    assert again.model == theirs.model
    assert checkpoint.origin(tmp_path / "again") == origin
    card = (tmp_path / "again" / "README.md").read_text()
    for said in ("- Compressed by: quantize uniform:bits=8", f"`{'0' * 64}` config.json"):
        assert said in card
    for name in ("vocab.json", "source.spm", "target.spm"):
        ours, theirs = ((tmp_path / folder / name).read_bytes() for folder in ("again", "theirs"))
        assert ours == theirs if name.endswith("spm") else json.loads(ours) == json.loads(theirs)
    told = json.loads((tmp_path / "again" / "config.json").read_text())
    same = json.loads((tmp_path / "theirs" / "config.json").read_text())
    for key in ("vocab_size", "d_model", "activation_function", "pad_token_id", "eos_token_id"):
        assert told[key] == same[key], key
    assert [told[key] for key in ("dropout", "attention_dropout", "activation_dropout")] == [0.1, 0.0, 0.0]
    theirs, ours = (load_file(tmp_path / folder / "model.safetensors") for folder in ("theirs", "again"))
    assert {name: x.shape for name, x in theirs.items()} == {name: x.shape for name, x in ours.items()}


def test_text_is_cut_the_same_if_it_is_nfc(tmp_path: Path, vocabulary: Pieces) -> None:
    exporting.write(tmp_path / "m", untrained(0), vocabulary, TO_MARIAN)
    _, again = read(tmp_path / "m")
    text = ["a small house ☕ stands", "Häuser am See", "", "ein kleines  Haus "]
    assert again.encode(text) == vocabulary.encode(text)
    rows = [[*row, END] for row in vocabulary.encode(text[:3])]
    assert again.decode(rows) == vocabulary.decode(rows) == text[:3]
    assert again.encode([unicodedata.normalize("NFD", text[1])]) != vocabulary.encode([text[1]])


def test_float16_is_half_as_large(tmp_path: Path, vocabulary: Pieces) -> None:
    for kind in ("float32", "float16"):
        exporting.write(tmp_path / kind, untrained(0), vocabulary, Options(to="marian", type=kind))
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("float32", "float16")]
    assert 1.7 < sizes[0] / sizes[1] < 2
    full, half = (load_file(tmp_path / kind / "model.safetensors") for kind in ("float32", "float16"))
    assert all(torch.equal(full[name].half(), half[name]) for name in full)
    assert apart(read(tmp_path / "float32")[0], read(tmp_path / "float16")[0]) < 0.1


WRONG = [
    ({"norm": "pre"}, "norm = pre: Marian knows only post"),
    ({"mixer": "convolution"}, "mixer = convolution: Marian knows only attention"),
    ({"decoder_mixer": "ssru"}, "decoder_mixer = ssru: Marian knows only attention or same"),
    ({"binary_inputs": "linear"}, "binary_inputs = linear: Marian knows only none"),
    ({"source_end": False}, "source_end = False: Marian knows only True"),
    ({"epsilon": 1e-6}, "epsilon = 1e-06: Marian knows only 1e-05"),
    ({"positions": "single"}, "positions = single: Marian knows only halves or interleaved"),
    ({"positions": "marian"}, "positions = marian: Marian knows only halves or interleaved"),
]


@pytest.mark.parametrize(("form", "said"), WRONG)
def test_what_marian_has_not_is_refused_by_name(tmp_path: Path, vocabulary: Pieces, form: dict, said: str) -> None:
    model = Transformer(Config(**{"vocabulary": SIZE, "d_model": 16, "d_ff": 16, "heads": 2} | form))
    with pytest.raises(ValueError, match=f"^{said}$"):
        exporting.write(tmp_path / "m", model, vocabulary, TO_MARIAN)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_that_marians_tokenizer_has_not_is_refused(tmp_path: Path) -> None:
    known = [piece for piece in PIECES if piece != "a"]
    names, target = ("<pad>", "<unk>", "<s>", "</s>"), ("<pad>", "<unk>", "<s>", "</s>", "▁", "a")
    for special, prefix, said in [
        (names, PIECES[0], f"^prefix = {PIECES[0]}: MarianTokenizer knows only those like >>deu<<$"),
        (("<pad>", "a", "<s>", "</s>"), "", "a piece is called like one of </s>, a, <pad>, the source's"),
    ]:
        lists = Lists(ONE, b"", (*special, *known), target, prefix=prefix)
        model = untrained(0, vocabulary=len(lists.source), target_vocabulary=6, tie="decoder")
        with pytest.raises(ValueError, match=said):
            exporting.write(tmp_path / "m", model, Pieces(pack(lists)), TO_MARIAN)
        assert list(tmp_path.iterdir()) == []


# ── safetensors ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small(tmp_path: Path, vocabulary: Pieces) -> Path:
    """A pruned model of convolutions with binary inputs, at 4 bits, said to be imported."""
    form = {"mixer": "convolution", "kernel": 3, "norm": "pre", "tie": "decoder", "binary_inputs": "attention"}
    variant = Variant(quantize="kmeans:bits=4", prune="magnitude:end=0.5", scope="all")
    model, origin = untrained(0, **form), {"format": "tzip", "files": {}}
    made, _ = pipeline.build(model, vocabulary.model, variant, name="small", seed=1, origin=origin)
    container.write(tmp_path / "small.tzip", made)
    return tmp_path / "small.tzip"


def test_dense_weights_are_those_of_the_file(small: Path, tmp_path: Path) -> None:
    commands.tzip("export", small, "--to", "safetensors", "--output", tmp_path / "dense")
    kept, dense = container.read(small), load_file(tmp_path / "dense" / "model.safetensors")
    assert set(dense) == set(kept.codes)
    assert all(torch.equal(dense[name], torch.from_numpy(code.decode())) for name, code in kept.codes.items())
    model, kept_pieces = checkpoint.load(tmp_path / "dense")
    restored, vocabulary, _ = model_file.restore(small)
    assert model.config == restored.config
    assert kept_pieces == vocabulary.model
    assert checkpoint.origin(tmp_path / "dense") == {"format": "tzip", "files": {}}
    options = Search(beam=2)
    assert search.search(model, SOURCES, options) == search.search(restored, SOURCES, options)


def test_what_was_exported_is_compressed_again(small: Path, tmp_path: Path) -> None:
    for kind in ("float32", "float16"):
        folder, again = tmp_path / kind, tmp_path / f"{kind}.tzip"
        commands.tzip("export", small, "--to", "safetensors", "--type", kind, "--output", folder)
        commands.tzip("compress", folder, again)
        found, (model, _, read) = checkpoint.load(folder)[0], model_file.restore(again)
        assert read.history["origin"] == {"format": "tzip", "files": {}}
        assert all(map(torch.equal, model.parameters(), found.parameters()))
    files = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("float32", "float16")]
    assert 1.7 < files[0] / files[1] < 2


def test_what_float16_does_not_reach_is_named(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(0)
    with torch.no_grad():
        model.decoder[0].feed_forward.outer.bias[3] = -1e5
    for to, name in (("marian", "model.decoder.layers.0.fc2"), ("safetensors", "decoder.0.feed_forward.outer")):
        with pytest.raises(ValueError, match=f"type = float16: tensor {name}.bias has numbers that are beyond"):
            exporting.write(tmp_path / "m", model, vocabulary, Options(to=to, type="float16"))
    assert list(tmp_path.iterdir()) == []
