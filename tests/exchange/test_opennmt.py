"""OpenNMT-py files written by hand, in each form that there was: imported, or refused by name."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.data.test_lists import ONE, OTHER, SPECIAL, listed
from tests.exchange.test_torchfile import Call
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import OPENNMT, PIECES, WORDS, opennmt
from tzip.data.lists import Lists, pack
from tzip.data.pieces import Options as PiecesOptions
from tzip.data.pieces import Pieces, train
from tzip.exchange import importing
from tzip.exchange.importing import Options

SIZE = 4 + len(PIECES)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "one.model").write_bytes(ONE)
    (folder / "other.model").write_bytes(OTHER)
    return folder


@pytest.fixture(scope="module")
def made():
    return foreignmodels.model(SIZE, **OPENNMT)


def read(path: Path, models: Path, **given: Any) -> importing.Imported:
    return importing.read(path, Options(format="opennmt", pieces=str(models / "one.model"), **given))


FORMS = [("2018", False), ("2019", False), ("2019", True), ("pairs", False), ("3", True)]


@pytest.mark.parametrize(("form", "zipped"), FORMS)
def test_what_was_written_is_imported(made, models: Path, form: str, zipped: bool, tmp_path: Path) -> None:
    found = read(opennmt(tmp_path / "m.pt", made, form, zipped), models)
    assert found.config == made.config
    ours = importing.build(found).state_dict()
    assert len(ours) == len(made.state_dict())
    for name, tensor in made.state_dict().items():
        assert torch.equal(ours[name], tensor), name
    pieces = Pieces(found.pieces)
    assert pieces.spell(range(4)) == ["<blank>", "<unk>", "<s>", "</s>"]
    assert pieces.spell(range(4, SIZE)) == PIECES
    assert pieces.decides()["source_end"] is False


def test_two_vocabularies_and_what_is_not_tied(models: Path, tmp_path: Path) -> None:
    """The source's words need no begin and end; ours are rows of zeros, which the model never reads."""
    made = foreignmodels.model(SIZE, tie="none", **OPENNMT)
    targets = ["<unk>", "<blank>", "<s>", "</s>", *PIECES[::-1]]
    found = read(
        opennmt(tmp_path / "m.pt", made, words=(WORDS, targets)), models, target_pieces=str(models / "other.model")
    )
    assert (found.config.vocabulary, found.config.target_vocabulary, found.config.tie) == (SIZE, SIZE, "none")
    pieces = Pieces(found.pieces)
    assert pieces.spell(range(4, SIZE), target=True) == PIECES[::-1]
    assert pieces.encode(["Da."]) != pieces.encode(["Da."], target=True)
    for name, tensor in made.state_dict().items():
        assert torch.equal(importing.build(found).state_dict()[name], tensor), name
    sources = [word for word in WORDS if word not in ("<s>", "</s>")]
    weight = torch.randn(SIZE - 2, 16)
    table = {"encoder.embeddings.make_embedding.emb_luts.0.weight": weight}
    found = read(opennmt(tmp_path / "n.pt", made, words=(sources, targets), **table), models)
    assert Pieces(found.pieces).spell(range(4)) == ["<blank>", "<unk>", "<s>", "</s>"]
    embedding = found.tensors["source_embedding.weight"]
    assert torch.equal(embedding[[1, 0]], weight[:2])
    assert torch.equal(embedding[4:], weight[2:])
    assert not embedding[2:4].any()


def test_what_is_tied_decides_by_its_numbers(models: Path, tmp_path: Path) -> None:
    made = foreignmodels.model(SIZE, tie="decoder", **OPENNMT)
    assert read(opennmt(tmp_path / "m.pt", made), models).config.tie == "decoder"


def test_attention_without_biases(made, models: Path, tmp_path: Path) -> None:
    """add_qkvbias = False, the default of 3.x: ours are 0."""
    path = opennmt(tmp_path / "m.pt", made, "3", add_qkvbias=False)
    with pytest.raises(ValueError, match=r"no place for 'decoder.transformer_layers.0.context_attn.*and 20 more"):
        read(path, models)
    value = torch.load(path, weights_only=False)
    for name in [name for name in value["model"] if "_attn." in name and name.endswith("bias")]:
        del value["model"][name]
    torch.save(value, path)
    found = read(path, models)
    assert not found.tensors["decoder.1.cross_attention.output.bias"].any()
    value["opt"].add_qkvbias = True
    torch.save(value, path)
    with pytest.raises(ValueError, match=r"no tensor 'encoder.transformer.0.self_attn.linear_query.bias'"):
        read(path, models)


WRONG = [
    ({"encoder_type": "rnn"}, "opt: encoder_type = 'rnn'; our model has 'transformer'"),
    ({"decoder_type": "transformer_lm"}, "decoder_type = 'transformer_lm'"),
    ({"model_type": "img"}, "model_type = 'img'"),
    ({"self_attn_type": "average"}, "self_attn_type = 'average'"),
    ({"max_relative_positions": 20}, "max_relative_positions = 20; our model has 0"),
    ({"position_encoding": False}, "position_encoding = False; ours is True"),
    ({"position_encoding": ...}, "position_encoding = None; ours is True"),
    ({"position_encoding_type": "SinusoidalConcat"}, "position_encoding_type = 'SinusoidalConcat'"),
    ({"copy_attn": True}, "copy_attn = True; our model has False"),
    ({"context_gate": "both"}, "context_gate = 'both'; our model has None"),
    ({"generator_function": "sparsemax"}, "generator_function = 'sparsemax'"),
    ({"pos_ffn_activation_fn": "gated-gelu"}, "pos_ffn_activation_fn = 'gated-gelu'"),
    ({"layer_norm": "rms"}, "layer_norm = 'rms'"),
    ({"parallel_residual": True}, "parallel_residual = True"),
    ({"transforms": ["bpe"]}, "the text was transformed by 'bpe'; only SentencePiece is read"),
    ({"transforms": ["sentencepiece", "prefix"]}, "the text was transformed by 'prefix'"),
    ({"transforms": 5}, "the text was transformed by 5"),
    ({"heads": ...}, "it has no 'heads'"),
    ({"heads": 3}, "d_model = 16 is not even and a multiple of heads = 3"),
    ({"dropout": "much"}, "dropout = 'much' is not a number"),
    ({"decoder.transformer_layers.0.mask": torch.zeros(1, 4, 4)}, r"layers.0.mask' is not the"),
    ({"encoder.embeddings.make_embedding.pe.pe": torch.zeros(40, 1, 16)}, r"pe.pe' is not the constant"),
    ({"encoder.embeddings.make_embedding.pe.pe": torch.zeros(1 << 44, 1, 0)}, r"pe.pe' .* has no numbers"),
    ({"decoder.transformer_layers.0.mask": torch.zeros(0, 3, 3)}, r"mask' \[0, 3, 3\] has no numbers"),
    ({"encoder.transformer.0.self_attn.linear_query.weight": torch.zeros(1 << 40, 0)}, "has no numbers"),
    ({"encoder.embeddings.make_embedding.emb_luts.1.weight": torch.ones(3)}, "no place for .*emb_luts"),
    ({"encoder.embeddings.make_embedding.emb_luts.0.weight": torch.ones(3, 16)}, "has 3 rows for"),
    ({"encoder.transformer.3.layer_norm.weight": torch.ones(16)}, "not numbered from 0 on without a gap"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_our_model_is_not_is_refused_by_name(made, models: Path, given: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read(opennmt(tmp_path / "m.pt", made, **given), models)
    assert "\n" not in str(caught.value)


def test_a_file_without_its_sentencepiece_model(made, tmp_path: Path) -> None:
    path = opennmt(tmp_path / "m.pt", made)
    with pytest.raises(ValueError, match="pieces: the format opennmt needs it; give a file"):
        importing.read(path, Options(format="opennmt"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((WORDS, [*WORDS[:-1], WORDS[5]]), "a word of the target is listed twice"),
        (([word for word in WORDS if word != "<unk>"], WORDS), "'<unk>' is no word of the source"),
        ((WORDS, [word for word in WORDS if word != "</s>"]), "'</s>' is no word of the target"),
        ((WORDS, [*WORDS[:-1], 7]), "no list of the words of 'tgt'"),
        ((WORDS, []), "no list of the words of 'tgt'"),
    ],
)
def test_vocabularies_that_are_none_are_refused(made, models: Path, words, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read(opennmt(tmp_path / "m.pt", made, "3", words=words), models)


def test_features_and_missing_parts_are_refused(made, models: Path, tmp_path: Path) -> None:
    path = opennmt(tmp_path / "m.pt", made, "3")
    value = torch.load(path, weights_only=False)
    vocab = value["vocab"]
    cases = [
        ({"vocab": vocab | {"src_feats": {"f": ["a"]}}}, "features beside its words"),
        ({"vocab": vocab | {"src_feat_0": ["a"]}}, "features beside its words"),
        ({"vocab": vocab | {"decoder_start_token": "</s>"}}, "decoder_start_token"),
        ({"vocab": vocab | {"src_feats": torch.ones(2)}}, "features beside its words"),
        ({"opt": {"heads": 2, "transforms": torch.ones(2)}}, "opt: 'transforms' is a tensor"),
        ({"vocab": 7}, "neither a dictionary nor a list"),
        ({"opt": {}}, "no 'heads'"),
        ({"model": []}, "model is no dictionary"),
        ({"model": {"x": 7}}, "'x' is no tensor"),
    ]
    for changed, said in cases:
        torch.save(value | changed, path)
        with pytest.raises(ValueError, match=said):
            read(path, models)
    for key in ("model", "generator", "opt", "vocab"):
        torch.save({name: part for name, part in value.items() if name != key}, path)
        with pytest.raises(ValueError, match=f"no checkpoint of OpenNMT-py: it has no '{key}'"):
            read(path, models)


@pytest.mark.parametrize("place", ["opt", "vocab", "optim"])
@pytest.mark.parametrize("zipped", [False, True])
def test_an_exploit_in_a_checkpoint_is_not_run(made, models: Path, place: str, zipped: bool, tmp_path: Path) -> None:
    path = opennmt(tmp_path / "m.pt", made, "3")
    value = torch.load(path, weights_only=False)
    value[place] = {"deep": [Call(Path.touch, tmp_path / "trace"), value[place]]}
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match="refused, and not run"):
        read(path, models)
    torch.load(path, weights_only=False)
    assert (tmp_path / "trace").exists()  # it was a real one


def test_options_of_a_stand_in_that_lie(made, models: Path, tmp_path: Path) -> None:
    """Deep and odd values where plain ones are expected end in one line."""
    path = opennmt(tmp_path / "m.pt", made, "3")
    value = torch.load(path, weights_only=False)
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    cases = [("encoder_type", deep, "encoder_type = a list"), ("dropout", deep, "dropout = a list")]
    cases += [("norm_eps", deep, "epsilon = a list"), ("transforms", [deep], "was transformed by a list")]
    cases += [
        ("heads", 1 << 70, "heads = "),
        ("norm_eps", float("nan"), "epsilon = nan"),
        ("copy_attn", 0, "copy_attn = 0"),
    ]
    limit = sys.getrecursionlimit()
    for key, wrong, said in cases:
        options = argparse.Namespace(**vars(value["opt"]) | {key: wrong})
        sys.setrecursionlimit(50_000)  # of the pickler, not of the reader
        torch.save(value | {"opt": options}, path)
        sys.setrecursionlimit(limit)
        with pytest.raises(ValueError, match=said) as caught:
            read(path, models)
        assert len(str(caught.value)) < 500


def test_a_sentencepiece_model_of_another_corpus_is_refused_with_both_counts(
    made, models: Path, tmp_path: Path
) -> None:
    lines = [f"{i * i} {i + 7} {3 * i}" for i in range(400)]
    (tmp_path / "text").write_text("\n".join(lines), encoding="utf-8")
    train([tmp_path / "text"], tmp_path / "one.model", PiecesOptions(size=320))
    said = (
        rf"the source's SentencePiece model does not belong to it: only \d+ of its \d+ pieces are among the {SIZE} that"
    )
    with pytest.raises(ValueError, match=said):
        read(opennmt(tmp_path / "m.pt", made), tmp_path)


def test_a_list_of_few_of_a_sentencepiece_models_pieces_is_its_own() -> None:
    """OpenNMT-py lists what it saw in the training text: the rest of the SentencePiece model is unknown."""
    importing.check_pieces(Pieces(pack(Lists(ONE, b"", (*SPECIAL, *listed(ONE)[::4])))))
