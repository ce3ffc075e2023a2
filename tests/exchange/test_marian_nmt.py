"""Marian's own folders: written, read back, and refused where model or file is not what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from ctranslate2.converters.marian import MarianConverter, load_vocab

from tests.exchange.test_exporters import apart
from tests.exchange.test_exporting import SIZE, untrained
from tests.toys.small import TEXT
from tzip.data.pieces import END, UNKNOWN, Pieces
from tzip.exchange import exporting, importing, marianfile
from tzip.exchange.exporters import ctranslate2 as ctranslate
from tzip.exchange.exporting import Options
from tzip.exchange.importers import marian_nmt as marian
from tzip.exchange.marianform import names, settings, values
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

NATIVE = {"positions": "marian", "begin": "zeros", "epsilon": 1e-6, "max_length": 200}
SSRU = NATIVE | {"decoder_mixer": "ssru"}
LINES = list(dict.fromkeys(TEXT.splitlines()))


def read(path: Path, **given: str) -> tuple[Transformer, Pieces]:
    imported = importing.read(path, importing.Options(format="marian_nmt", **given))
    return importing.build(imported), Pieces(imported.pieces)


def write(folder: Path, model: Transformer, pieces: Pieces, to: str, **given: str) -> Path:
    exporting.write(folder, model, pieces, Options(to=to, **given))
    return folder


def same(one: Transformer, other: Transformer) -> bool:
    """Whether all weights are, bit for bit, but for the rows of padding and beginning, which Marian has not."""
    state, others = one.state_dict(), other.state_dict()
    assert state.keys() == others.keys()
    return all(torch.equal(kept(name, state[name]), kept(name, others[name])) for name in state)


def kept(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A tensor without what Marian has no place for: of tables, the rows of padding and beginning."""
    tables = ("source_embedding.weight", "target_embedding.weight", "generator.weight", "generator.bias")
    return torch.cat([tensor[1:2], tensor[3:]]) if name in tables else tensor


# ── names ─────────────────────────────────────────────────────────────────────────────────────────


def layer(stack: str, number: int, *blocks: str) -> set[str]:
    """Every name in a layer, as in marian-dev's transformer.h: attention blocks, then the feed-forward one."""
    found = set()
    for block in blocks:
        found |= {f"{stack}_l{number}_{block}_{part}{letter}" for part in "Wb" for letter in "qkvo"}
        found |= {f"{stack}_l{number}_{block}_Wo_ln_{part}" for part in ("scale", "bias")}
    found |= {f"{stack}_l{number}_ffn_{part}{i}" for part in "Wb" for i in (1, 2)}
    return found | {f"{stack}_l{number}_ffn_ffn_ln_{part}" for part in ("scale", "bias")}


RECURRENT = ("W", "Wf", "bf", "ffn_ln_scale", "ffn_ln_bias")


@pytest.mark.parametrize("mixer", ["same", "ssru"])
@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
def test_every_name_of_a_model(tmp_path: Path, vocabulary: Pieces, mixer: str, tie: str) -> None:
    """Those of an encoder's layer are 16, as in transformers' converter, of a decoder's 26, or 21 with SSRU."""
    form = NATIVE | {"decoder_mixer": mixer, "tie": tie, "encoder_layers": 1, "decoder_layers": 2}
    folder = write(tmp_path / "m", untrained(0, **form), vocabulary, "marian_nmt")
    with np.load(folder / "model.npz") as archive:
        shapes = {name: archive[name].shape for name in archive}
    expected = layer("encoder", 1, "self")
    assert len(expected) == 16
    for number in (1, 2):
        if mixer == "same":
            decoder = layer("decoder", number, "self", "context")
        else:
            decoder = layer("decoder", number, "context") | {f"decoder_l{number}_rnn_{part}" for part in RECURRENT}
        assert len(decoder) == (26 if mixer == "same" else 21)
        expected |= decoder
    expected |= {"Wemb"} if tie == "all" else {"encoder_Wemb", "decoder_Wemb"}
    expected |= {"decoder_ff_logit_out_W"} if tie == "none" else set()
    assert shapes.keys() == expected | {"decoder_ff_logit_out_b", "special:model.yml"}
    rows = SIZE - 2
    assert shapes["Wemb" if tie == "all" else "decoder_Wemb"] == (rows, 16)
    assert shapes["decoder_ff_logit_out_b"] == (1, rows)
    assert shapes["encoder_l1_ffn_W1"] == (16, 32)
    assert shapes["encoder_l1_ffn_b1"] == (1, 32)


def test_names_of_layers_that_normalize_before() -> None:
    found = names(Config(norm="pre", encoder_layers=1, decoder_layers=1, decoder_mixer="ssru"))
    assert found["encoder.0.self_attention_norm.weight"] == "encoder_l1_self_Wo_ln_scale_pre"
    assert found["decoder.0.ssru_norm.bias"] == "decoder_l1_rnn_ln_bias_pre"
    assert found["decoder.0.feed_forward_norm.weight"] == "decoder_l1_ffn_ffn_ln_scale_pre"
    assert found["decoder_norm.weight"] == "decoder_top_ln_scale"


# ── there and back ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("mixer", ["same", "ssru"])
def test_an_archive_gives_back_the_same_model(
    tmp_path: Path, vocabulary: Pieces, mixer: str, norm: str, tie: str
) -> None:
    form = NATIVE | {
        "decoder_mixer": mixer,
        "norm": norm,
        "tie": tie,
        "activation": "silu" if tie == "none" else "relu",
    }
    model = untrained(2, decoder_layers=1, **form)
    folder = write(tmp_path / "m", model, vocabulary, "marian_nmt")
    found, pieces = read(folder)
    assert same(model, found)
    assert apart(model, found) == 0.0
    assert pieces.spell(range(4, SIZE)) == vocabulary.spell(range(4, SIZE))
    assert pieces.encode(LINES) == vocabulary.encode(LINES)
    changed = {"max_length": 5000, "target_vocabulary": found.config.target_vocabulary}
    assert vars(found.config) == vars(model.config) | changed | {"attention_dropout": 0.1, "activation_dropout": 0.1}
    again = write(tmp_path / "again", found, pieces, "marian_nmt")
    for file in folder.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes(), file.name


@pytest.mark.parametrize("tie", ["all", "none"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_ctranslate2s_own_converter_reads_the_same_weights(
    tmp_path: Path, vocabulary: Pieces, norm: str, tie: str
) -> None:
    """Those of our export to CTranslate2, but for rows that Marian has not, and for the converter's own positions."""
    model = untrained(1, norm=norm, tie=tie, **NATIVE)
    folder = write(tmp_path / "m", model, vocabulary, "marian_nmt")
    lists = [folder / name for name in (["vocab.yml"] if tie == "all" else ["src.vocab.yml", "trg.vocab.yml"])]
    converter = MarianConverter(str(folder / "model.npz"), [str(path) for path in lists])
    read, ours = converter._load(), ctranslate.specify(model)
    assert read.decoder.start_from_zero_embedding == ours.decoder.start_from_zero_embedding
    assert load_vocab(lists[0]) == ["</s>", "<unk>", *vocabulary.spell(range(4, SIZE))]
    variables, expected = read.variables(), ours.variables()
    assert variables.keys() == expected.keys()
    for name, value in variables.items():
        wanted = expected[name]
        if np.ndim(wanted) and len(wanted) == SIZE:
            wanted = wanted[[END, UNKNOWN, *range(4, SIZE)]]
        assert "position_encodings" in name or np.array_equal(value, wanted), name


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────

WRONG = [
    ("marian_nmt", {"begin": "embedded"}, "begin = embedded: Marian knows only zeros"),
    ("marian_nmt", {"positions": "halves"}, "positions = halves: Marian knows only marian"),
    ("marian_nmt", {"epsilon": 1e-5}, "epsilon = 1e-05: Marian knows only 1e-06"),
    ("marian_nmt", {"mixer": "convolution"}, "mixer = convolution: Marian knows only attention"),
    ("marian_nmt", {"activation": "gelu"}, "activation = gelu: Marian knows only relu or silu"),
    ("firefox", {"decoder_mixer": "same"}, "decoder_mixer = same: Firefox's engine knows only ssru"),
    ("firefox", {"norm": "pre"}, "norm = pre: Firefox's engine knows only post"),
    ("firefox", {"tie": "none"}, "tie = none: Firefox's engine knows only all or decoder"),
    ("firefox", {"activation": "silu"}, "activation = silu: Firefox's engine knows only relu"),
    ("firefox", {"source_end": False}, "source_end = False: Firefox's engine knows only True"),
]


@pytest.mark.parametrize(("to", "form", "said"), WRONG)
def test_what_an_engine_has_not_is_refused_by_name(
    tmp_path: Path, vocabulary: Pieces, to: str, form: dict, said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        write(tmp_path / "m", untrained(0, **SSRU | form), vocabulary, to)
    assert list(tmp_path.iterdir()) == []


SETTINGS = [
    ({"type": "s2s"}, "type = 's2s'; our model has 'transformer'"),
    ({"transformer-decoder-autoreg": "average-attention"}, "transformer-decoder-autoreg = 'average-attention'"),
    ({"transformer-decoder-autoreg": "rnn", "dec-cell": "gru"}, "dec-cell = 'gru'; our decoder has self-attention, or"),
    ({"transformer-ffn-activation": "gelu"}, "transformer-ffn-activation = 'gelu' is not one of relu, swish"),
    ({"transformer-preprocess": "n"}, "transformer-preprocess = 'n', transformer-postprocess = 'dan'"),
    ({"transformer-tied-layers": [1, 1]}, "transformer-tied-layers = "),
    ({"transformer-train-positions": True}, "transformer-train-positions = 'true'; our model has 'false'"),
    ({"right-left": True}, "right-left = 'true'"),
    ({"transformer-decoder-dim-ffn": 8}, "transformer-decoder-dim-ffn = '8': our stacks have one width"),
    ({"enc-depth": "many"}, "enc-depth = 'many' is no number"),
    ({"enc-depth": 1}, "our model has no place for 'encoder_l2_ffn_W1'"),
    ({"dec-depth": 3}, "no tensor 'decoder_l3_self_Wq'"),
    ({"tied-embeddings-all": {"yes": 1}, "type": {"a": "b"}}, "type = 'something nested'"),
]


@pytest.mark.parametrize(("over", "said"), SETTINGS)
def test_a_model_that_ours_is_not_is_refused(tmp_path: Path, vocabulary: Pieces, over: dict, said: str) -> None:
    model = untrained(0, **NATIVE)
    folder = write(tmp_path / "m", model, vocabulary, "marian_nmt")
    marianfile.save_archive(folder / "model.npz", values(model), settings(model.config) | over)
    with pytest.raises(ValueError, match=said):
        read(folder)


def test_a_model_is_recognized_by_what_is_in_its_file(tmp_path: Path, vocabulary: Pieces) -> None:
    for to, file in (("marian_nmt", "model.npz"), ("firefox", "model.bin")):
        folder = write(tmp_path / to, untrained(0, **SSRU), vocabulary, to)
        assert [marian.recognizes(path, importing.Options()) for path in (folder, folder / file)] == [True, True]
        (folder / file).write_bytes(b"PK" if to == "firefox" else b"")
        assert not marian.recognizes(folder, importing.Options())
    np.savez(tmp_path / "x.npz", a=np.ones(1))
    assert not marian.recognizes(tmp_path / "x.npz", importing.Options())


def test_dropout_and_orders_are_read(tmp_path: Path, vocabulary: Pieces) -> None:
    """`da` and `n`; a bias that is left out; source and target tied without the output, under its newer name."""
    model = untrained(0, tie="none", norm="pre", **NATIVE)
    model.source_embedding.weight = model.target_embedding.weight
    torch.nn.init.zeros_(model.generator.bias)
    folder = write(tmp_path / "m", model, vocabulary, "marian_nmt")
    changed, given = values(model), settings(model.config)
    changed["Wemb"] = changed.pop("encoder_Wemb")
    del changed["decoder_Wemb"], changed["decoder_ff_logit_out_b"]
    changed["decoder_ff_logit_out_Wt"] = changed.pop("decoder_ff_logit_out_W").T
    given |= {"tied-embeddings-src": True, "output-omit-bias": True, "transformer-dropout": 0.3}
    given |= {"transformer-postprocess": "a", "transformer-dropout-ffn": 0.2, "guided-alignment": "align.txt"}
    marianfile.save_archive(folder / "model.npz", changed, given)
    for file in ("src", "trg"):
        (folder / f"{file}.vocab.yml").rename(folder / f"opus.{file}.vocab.yml")
    found, _ = read(folder)
    assert apart(model, found) == 0.0
    assert (found.config.dropout, found.config.activation_dropout, found.config.norm) == (0.3, 0.2, "pre")


def test_vocabularies_that_do_not_fit_are_refused(tmp_path: Path, vocabulary: Pieces) -> None:
    folder = write(tmp_path / "m", untrained(0, **NATIVE), vocabulary, "marian_nmt")
    whole = yaml.safe_load((folder / "vocab.yml").read_text())
    for words, said in [
        ({"a": 0, "b": 2}, "its 2 pieces are not numbered from 0 on without a gap"),
        ([1, 2], "vocab.yml: no vocabulary"),
        ({f"x{i}": i for i in range(9)}, "'</s>' is no piece of it"),
        (dict(list(whole.items())[:-1]), f"has {SIZE - 2} rows for {SIZE - 3} pieces"),
        (whole | {">>deu<<": SIZE - 2}, "it translates into several languages; give prefix, one of >>deu<<"),
    ]:
        (folder / "vocab.yml").write_text(yaml.safe_dump(words, allow_unicode=True))
        with pytest.raises(ValueError, match=said):
            read(folder)
    (folder / "source.spm").unlink()
    (folder / "target.spm").unlink()
    with pytest.raises(ValueError, match=r"no SentencePiece model \(.spm\) that cuts the text; give pieces"):
        read(folder)
    (folder / "other.npz").write_bytes((folder / "model.npz").read_bytes())
    (folder / "model.npz.optimizer.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"it must have one model, .npz or .bin; found: model.npz, other.npz"):
        read(folder)


def test_an_archive_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", a=np.ones(1000, np.float32))
    data = (tmp_path / "m.npz").read_bytes().replace(b"(1000,)", b"(9**9,)")
    (tmp_path / "m.npz").write_bytes(data)
    with pytest.raises(ValueError, match="no model of Marian"):
        marianfile.load(tmp_path / "m.npz")
    np.savez_compressed(tmp_path / "m.npz", a=np.zeros(100_000, np.float32))
    with pytest.raises(ValueError, match=r"'a.npy' has \d+ bytes for shape \[100000\]"):
        marianfile.load(tmp_path / "m.npz")
