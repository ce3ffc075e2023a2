"""Marian folders written by hand: what was written is imported, what our model is not is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.toys import foreign as foreignmodels
from tests.toys.foreign import MARIAN, PIECES, marian, marian_ids
from tzip.data.pieces import BEGIN, END, UNKNOWN, Pieces
from tzip.exchange import importing
from tzip.exchange.importing import Options

SIZE = 4 + len(PIECES)


def read(folder: Path, **given: Any) -> importing.Imported:
    return importing.read(folder, Options(format="marian", **given))


@pytest.fixture(scope="module")
def made():
    model = foreignmodels.model(SIZE, **MARIAN)
    with torch.no_grad():  # their padding is what begins a translation: both of our rows are that one
        model.target_embedding.weight[0] = model.target_embedding.weight[2]
        model.generator.bias[0] = model.generator.bias[2]
    return model


@pytest.mark.parametrize("torch_file", [False, True])
def test_what_was_written_is_imported(made, torch_file: bool, tmp_path: Path) -> None:
    found = read(marian(tmp_path / "m", made, torch_file))
    assert found.config == made.config
    ours = importing.build(found).state_dict()
    for name, tensor in made.state_dict().items():
        assert torch.equal(ours[name], tensor), name
    assert len(ours) == len(made.state_dict())


def same(folder: Path, made, dtype: torch.dtype = torch.float32) -> bool:
    """Whether a folder's model is `made`, bit for bit but for the type that it was saved in."""
    imported, expected = importing.build(read(folder)).state_dict(), made.state_dict()
    return all(torch.equal(imported[name], tensor.to(dtype).float()) for name, tensor in expected.items())


def test_settings_that_transformers_ignores_are_ignored(made, tmp_path: Path) -> None:
    ignored = {"normalize_before": True, "add_final_layer_norm": True, "normalize_embedding": True}
    assert same(marian(tmp_path / "m", made, **ignored, static_position_embeddings=False), made)


def test_one_name_of_a_tied_tensor_is_enough(made, tmp_path: Path) -> None:
    """As safetensors.torch.save_model writes it: the other names are metadata."""
    folder = marian(tmp_path / "m", made)
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] = state.pop("model.shared.weight")
    names = ("model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
    save_file(state, folder / "model.safetensors", {"format": "pt"} | dict.fromkeys(names, "lm_head.weight"))
    assert same(folder, made)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_with_tables_of_positions(made, dtype: torch.dtype, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made, torch_file=True)
    state = torch.load(folder / "pytorch_model.bin")
    torch.save({name: tensor.to(dtype) for name, tensor in state.items()}, folder / "pytorch_model.bin")
    assert same(folder, made, dtype)


def test_a_padded_vocabulary_is_imported_without_the_padding(made, tmp_path: Path) -> None:
    size = 64 * (SIZE // 64 + 1)
    folder = marian(tmp_path / "m", made, vocab_size=size, decoder_vocab_size=size)
    state = load_file(folder / "model.safetensors")
    for name in ("model.shared.weight", "final_logits_bias"):
        rows = state[name].mT if name == "final_logits_bias" else state[name]
        rows = torch.cat([rows, torch.randn(size - len(rows), rows.shape[1])])
        state[name] = (rows.mT if name == "final_logits_bias" else rows).contiguous()
    save_file(state, folder / "model.safetensors")
    assert same(folder, made)
    assert read(folder).config.vocabulary == SIZE


@pytest.mark.parametrize("end", ["safetensors", "bin"])
def test_a_model_in_parts(made, end: str, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    whole = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}[end]
    names = {name: f"{whole.split('.')[0]}-{i % 2 + 1:05}-of-00002.{end}" for i, name in enumerate(sorted(state))}
    for part in set(names.values()):
        tensors = {name: state[name] for name in state if names[name] == part}
        (save_file if end == "safetensors" else torch.save)(tensors, folder / part)
    (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert same(folder, made)
    assert {path.name for path in read(folder).files} >= set(names.values())
    (folder / part).unlink()
    with pytest.raises(ValueError, match=f"{part}: missing; {whole}.index.json names it"):
        read(folder)
    (folder / f"{whole}.index.json").write_text(json.dumps({"weight_map": {"x": "../elsewhere"}}))
    with pytest.raises(ValueError, match=r"index\.json: no index: its weight_map must name a file beside it"):
        read(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "source.spm"])
def test_a_pointer_to_a_file_is_named_as_such(made, name: str, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 298763\n")
    with pytest.raises(ValueError, match=f"{name}: a Git LFS pointer, not the file itself"):
        read(folder)


def test_pieces_have_our_numbers_and_theirs_spelling(made, tmp_path: Path) -> None:
    pieces = Pieces(read(marian(tmp_path / "m", made)).pieces)
    assert pieces.spell(range(4)) == ["<pad>", "<unk>", "<s>", "</s>"]
    assert pieces.spell(range(4, SIZE)) == PIECES
    assert (BEGIN, END, UNKNOWN) == (2, 3, 1)
    assert pieces.shared


def test_what_the_files_say_decides(made, tmp_path: Path) -> None:
    given = {"activation_function": "gelu", "dropout": 0.3, "attention_dropout": 0.2}
    found = read(marian(tmp_path / "m", made, **given), max_length=20)
    assert (found.config.activation, found.config.dropout, found.config.max_length) == ("gelu", 0.3, 20)
    assert (found.config.attention_dropout, found.config.activation_dropout) == (0.2, 0.0)
    with pytest.raises(ValueError, match="max_length = 33, but the model knows only 32 positions"):
        read(tmp_path / "m", max_length=33)


WRONG = [
    ({"scale_embedding": False}, "scale_embedding = False; our model has True"),
    ({"model_type": "bart"}, "model_type = 'bart'; our model has 'marian'"),
    ({"activation_function": "gelu_new"}, "activation_function = 'gelu_new' is not one of relu, gelu, swish"),
    ({"decoder_attention_heads": 4}, "encoder_attention_heads and decoder_attention_heads differ"),
    ({"decoder_ffn_dim": 8}, "encoder_ffn_dim and decoder_ffn_dim differ"),
    ({"bad_words_ids": [[5]]}, r"bad_words_ids = \[\[5\]\]; our search bans padding alone"),
    ({"forced_bos_token_id": 5}, "forced_bos_token_id = 5; our search"),
    ({"no_repeat_ngram_size": 3}, "no_repeat_ngram_size = 3; our search"),
    ({"repetition_penalty": 1.2}, "repetition_penalty = 1.2; our search"),
    ({"begin_suppress_tokens": [7]}, r"begin_suppress_tokens = \[7\]; our search"),
    ({"decoder_start_token_id": 9}, "decoder_start_token_id = 9 is '.*'; our translations begin"),
    ({"vocab_size": 9}, "pieces, whose numbers should be 0 to 9 - 1"),
    ({"pad_token_id": 10**6, "bad_words_ids": None}, "pad, eos or decoder_start of config.json, or <unk>"),
    ({"eos_token_id": 1}, "pad, <unk>, eos and decoder_start are not four pieces"),
    ({"decoder_start_token_id": 0}, "pad, <unk>, eos and decoder_start are not four pieces"),
    ({"d_model": "wide"}, "d_model = 'wide' is not an integer"),
    ({"encoder_layers": 3}, r"no tensor 'model.encoder.layers.2.self_attn.q_proj.weight'"),
    ({"encoder_layers": 1}, r"our model has no place for 'model.encoder.layers.1.*and 12 more"),
    ({"max_position_embeddings": 9000}, "max_length = 9000"),
    ({"activation_function": ["relu"]}, "activation_function = a list is not one of"),
    ({"d_model": [[[[1]]]]}, "d_model = a list is not an integer"),
    ({"dropout": 10**400}, "dropout = 1000"),
    ({"encoder_attention_heads": True, "decoder_attention_heads": True}, "heads = True is not an integer"),
    ({"tie_word_embeddings": False}, "no tensor 'lm_head.weight', which config.json says is not tied"),
    ({"more": {"model.encoder.layernorm_embedding.weight": torch.ones(16)}}, "no place for '.*embedding.weight'"),
    ({"more": {"final_logits_bias": torch.zeros(1, 99)}}, r"generator.bias has 99 rows for \d+ pieces"),
    (
        {"more": {"model.encoder.embed_positions.weight": torch.randn(32, 16)}},
        r"_positions.weight' is not the constant",
    ),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_our_model_is_not_is_refused_by_name(made, given: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read(marian(tmp_path / "m", made, **given))
    assert "\n" not in str(caught.value)


def test_search_options_say_nothing_or_are_refused(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made, repetition_penalty=1.0, no_repeat_ngram_size=0, sequence_bias=None)
    assert read(folder).config == made.config
    (folder / "generation_config.json").write_text('{"bad_words_ids": [[7]]}')
    with pytest.raises(ValueError, match=r"generation_config.json: bad_words_ids = \[\[7\]\]"):
        read(folder)


def test_numbers_that_are_none_and_of_other_types_are_refused(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    name = "model.encoder.layers.0.fc1.bias"
    cases = [
        (state[name] / 0, r"encoder\.0\.feed_forward\.inner\.bias: not all of its numbers are"),
        (state[name].int(), f"'{name}' is of type torch.int32"),
        (state[name][:3], "found"),
    ]
    for wrong, said in cases:
        save_file(state | {name: wrong.contiguous()}, folder / "model.safetensors")
        with pytest.raises(ValueError, match=said):
            read(folder)


SHAPES = [
    lambda tensor: tensor.flatten()[0],
    lambda tensor: tensor.flatten()[:0],
    lambda tensor: tensor[None],
    lambda tensor: torch.zeros(3, 0),
]


def test_tensors_of_every_other_shape_are_refused_in_one_line(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    for name, tensor in state.items():
        for shape in SHAPES:
            save_file(state | {name: shape(tensor).clone()}, folder / "model.safetensors")
            with pytest.raises(ValueError, match=r"^[^\n]+$"):
                importing.build(read(folder))


def test_two_vocabularies(made, tmp_path: Path) -> None:
    """share_encoder_decoder_embeddings = false: lists, embeddings and sizes of each side's own."""
    folder = marian(tmp_path / "m", made, share_encoder_decoder_embeddings=False, decoder_vocab_size=13)
    targets = ["</s>", "<unk>", *PIECES[:-11:-1]]
    last = marian_ids()["<pad>"]
    config = json.loads((folder / "config.json").read_text())
    ids = {piece: i for i, piece in enumerate(targets)} | {"<pad>": 12}
    (folder / "target_vocab.json").write_text(json.dumps(ids))
    with pytest.raises(ValueError, match=r"target_vocab.json: pad, eos or decoder_start"):
        read(folder)  # both sides' special pieces must have the numbers of config.json
    ids = {piece: i for i, piece in enumerate([*targets, *PIECES[-11::-1]])} | {"<pad>": last}
    (folder / "target_vocab.json").write_text(json.dumps(ids))
    (folder / "config.json").write_text(json.dumps(config | {"decoder_vocab_size": last + 1}))
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    shared = state.pop("model.shared.weight")
    state["model.encoder.embed_tokens.weight"] = shared
    state["model.decoder.embed_tokens.weight"] = shared + 1
    state["lm_head.weight"] = shared + 1
    save_file(state, folder / "model.safetensors")
    found = read(folder)
    assert (found.config.vocabulary, found.config.target_vocabulary, found.config.tie) == (SIZE, SIZE, "decoder")
    pieces = Pieces(found.pieces)
    assert not pieces.shared
    assert pieces.spell(range(4, 8), target=True) == PIECES[:-5:-1]
    model = importing.build(found)
    assert torch.equal(model.target_embedding.weight, made.target_embedding.weight + 1)
    assert model.generator.weight is model.target_embedding.weight


def test_tables_that_are_not_as_the_configuration_says_are_refused(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    state = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(
        state | {"model.encoder.embed_tokens.weight": state["model.shared.weight"] + 1}, folder / "model.safetensors"
    )
    with pytest.raises(ValueError, match=r"that config.json says are shared are not the same"):
        read(folder)
    del state["model.shared.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"no embeddings, neither model.shared.weight nor"):
        read(folder)


def test_a_model_of_many_languages_needs_a_prefix(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    ids = marian_ids()
    renamed = {">>deu<<" if piece == PIECES[7] else piece: i for piece, i in ids.items()}
    (folder / "vocab.json").write_text(json.dumps(renamed))
    with pytest.raises(ValueError, match="several languages; give prefix, one of >>deu<<"):
        read(folder)
    with pytest.raises(ValueError, match="prefix = '>>fra<<' is no piece of the source"):
        read(folder, prefix=">>fra<<")
    pieces = Pieces(read(folder, prefix=">>deu<<").pieces)
    assert pieces.encode(["Da"])[0][0] == 4 + 7


def test_a_piece_called_like_ours_keeps_its_name(made, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    renamed = {"<s>" if piece == PIECES[3] else piece: i for piece, i in marian_ids().items()}
    (folder / "vocab.json").write_text(json.dumps(renamed))
    assert Pieces(read(folder).pieces).spell([2, 7]) == ["<s>_", "<s>"]


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "source.spm", "target.spm", "model.safetensors"])
def test_missing_and_damaged_files_are_named(made, name: str, tmp_path: Path) -> None:
    folder = marian(tmp_path / "m", made)
    whole = (folder / name).read_bytes()
    for data in (b"", b"[]", b"\xff\xfe", b'{"a": "b"}', whole[: len(whole) // 2]):
        (folder / name).write_bytes(data)
        with pytest.raises(ValueError, match=str(tmp_path)) as caught:
            read(folder)
        assert "\n" not in str(caught.value)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: missing|none of {name}, "):
        read(folder)
