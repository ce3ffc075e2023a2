"""M2M-100 and NLLB folders written by hand: what was written is imported, what our model is not is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.data.test_pieces import sentences
from tests.toys import m2m100
from tests.toys.m2m100 import LANGUAGES
from tzip.data.pieces import END, PAD, UNKNOWN, Pieces
from tzip.exchange import exporting, importing, inference
from tzip.exchange.importing import Options
from tzip.format import model as model_file
from tzip.nmt import search
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Search

KINDS = ("m2m100", "nllb")


def read(folder: Path, kind: str = "m2m100", **given: Any) -> importing.Imported:
    return importing.read(folder, Options(**{"format": "m2m100"} | LANGUAGES[kind] | given))


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return {kind: m2m100.model(kind) for kind in KINDS}


def same(imported: importing.Imported, made: Any, dtype: torch.dtype = torch.float32) -> bool:
    """Whether a model is `made`, bit for bit but for the type that it was saved in."""
    ours = importing.build(imported).state_dict()
    return all(torch.equal(ours[name], tensor.to(dtype).float()) for name, tensor in made.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_imported(kind: str, made, tmp_path: Path) -> None:
    found = read(m2m100.write(tmp_path / "m", made[kind], kind), kind)
    assert found.config == made[kind].config
    assert same(found, made[kind])
    numbered = {"m2m100": {"vocab.json", "tokenizer_config.json"}, "nllb": {"tokenizer.json"}}[kind]
    files = {"config.json", "model.safetensors", "sentencepiece.bpe.model", *numbered}
    assert set(found.origin["files"]) == files


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_have_our_numbers_and_their_spelling(kind: str, made, tmp_path: Path) -> None:
    pieces = Pieces(read(m2m100.write(tmp_path / "m", made[kind], kind), kind).pieces)
    assert pieces.spell(range(5)) == ["<pad>", "<unk>", "<s>_", "</s>", "<s>"]
    assert pieces.spell(range(5, len(pieces))) == m2m100.names(kind)[4:]
    source, target = (pieces.encode(["Da."], target=side)[0] for side in (False, True))
    assert (
        pieces.spell(source[:1] + target[:1])
        == {
            "m2m100": ["__en__", "__de__"],
            "nllb": ["eng_Latn", "deu_Latn"],
        }[kind]
    )
    assert source[1:] == target[1:]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_in_parts_with_tables_of_positions(made, dtype: torch.dtype, tmp_path: Path) -> None:
    """As published years ago: a torch file in parts, the shared table four times, positions of 42 rows."""
    folder = m2m100.write(tmp_path / "m", made["nllb"], "nllb")
    state = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    table = torch.cat([torch.zeros(2, 16), sinusoids(40, 16, "fairseq")]).to(dtype)
    state |= {f"model.{stack}.embed_positions.weights": table for stack in ("encoder", "decoder")}
    shared = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
    state |= dict.fromkeys(shared, state["model.shared.weight"])
    parts = {name: f"pytorch_model-0000{i % 2 + 1}-of-00002.bin" for i, name in enumerate(sorted(state))}
    for part in set(parts.values()):
        torch.save({name: state[name] for name in state if parts[name] == part}, folder / part)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": parts}))
    assert same(read(folder, "nllb"), made["nllb"], dtype)


def test_a_padded_vocabulary_is_imported_without_the_padding(made, tmp_path: Path) -> None:
    """As published: M2M-100 has eight rows of made-up words, NLLB two."""
    size = 8 + len(m2m100.names("m2m100"))
    shared = m2m100.state(made["m2m100"])["model.shared.weight"]
    more = {"model.shared.weight": torch.cat([shared, torch.randn(8, shared.shape[1])])}
    assert same(read(m2m100.write(tmp_path / "m", made["m2m100"], more=more, vocab_size=size)), made["m2m100"])


def test_matrices_that_are_not_tied(made, tmp_path: Path) -> None:
    shared = m2m100.state(made["m2m100"])["model.shared.weight"]
    names = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
    more = {name: shared + i for i, name in enumerate(names)}
    folder = m2m100.write(tmp_path / "m", made["m2m100"], more=more, tie_word_embeddings=False)
    found = read(folder)
    assert found.config.tie == "none"
    assert torch.equal(found.tensors["generator.weight"], found.tensors["source_embedding.weight"] + 2)
    assert torch.equal(found.tensors["source_embedding.weight"], made["m2m100"].source_embedding.weight)
    state = load_file(folder / "model.safetensors")
    save_file({name: state[name] for name in state if name != names[2]}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"no tensor 'lm_head.weight', which config.json says is not tied"):
        read(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_begins_with_its_language(kind: str, made, tmp_path: Path) -> None:
    """The decoder reads the end and the language; both searches find the same, and leave the language out."""
    found = read(m2m100.write(tmp_path / "m", made[kind], kind), kind)
    model, pieces = importing.build(found), Pieces(found.pieces)
    with torch.no_grad():
        model.generator.bias.normal_(std=1.5, generator=torch.Generator().manual_seed(3))
    lines = [line[:25] for line in sentences(12, 4)]
    rows = pieces.encode(lines)
    ours = search.search(model, rows, Search(beam=1))
    for row, (best,) in zip(rows[:4], ours, strict=False):
        target = [END, pieces.encode(["Da."], target=True)[0][0]]  # the end's row is that of begin
        with torch.inference_mode():
            for piece in best.pieces:
                logits = model(torch.tensor([[*row, END]]), torch.tensor([target]))[0, -1]
                logits[[PAD, 2]] = -torch.inf
                assert int(logits.argmax()) == piece
                target.append(piece)
    exporting.write(tmp_path / "exported", model, pieces)
    translator = inference.Translator(tmp_path / "exported")
    for options in ({"beam": 1}, {"beam": 4, "nbest": 2}, {"beam": 3, "alpha": 2.0}):
        ours = search.search(model, rows, Search(**options))
        theirs = translator.search(rows, inference.Options(**options))
        assert [[one.pieces for one in line] for line in theirs] == [[one.pieces for one in line] for line in ours]
        scores = [[one.score for line in lines for one in line] for lines in (ours, theirs)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert max(len(best.pieces) for (best,) in search.search(model, rows, Search(beam=1, max_ratio=99))) <= 38
    texts = model_file.translate(model, pieces, lines, Search(beam=1))
    assert texts == pieces.decode([list(best.pieces) for (best, *_) in search.search(model, rows, Search(beam=1))])


def test_marian_has_no_first_piece(made, tmp_path: Path) -> None:
    found = read(m2m100.write(tmp_path / "m", made["m2m100"]))
    with pytest.raises(ValueError, match="norm = pre: Marian knows only post"):
        exporting.write(tmp_path / "x", importing.build(found), Pieces(found.pieces), exporting.Options(to="marian"))


WRONG = [
    ({"model_type": "nllb-moe"}, "model_type = 'nllb-moe'; our model has 'm2m_100'"),
    ({"scale_embedding": False}, "scale_embedding = False; our model has True"),
    ({"pad_token_id": 0}, "pad_token_id = 0; our model has 1"),
    ({"eos_token_id": [2, 3]}, "pad, eos or decoder_start of config.json, or <unk>, is none of its pieces"),
    ({"eos_token_id": 3}, "pad, <unk> and eos are not three pieces"),
    ({"decoder_start_token_id": 10**6}, "pad, eos or decoder_start of config.json"),
    ({"activation_function": "gelu_new"}, "activation_function = 'gelu_new' is not one of relu, gelu, swish"),
    ({"forced_bos_token_id": 5}, "forced_bos_token_id = 5; our search"),
    ({"no_repeat_ngram_size": 3}, "no_repeat_ngram_size = 3; our search"),
    ({"vocab_size": 9}, "pieces, whose numbers should be 0 to 9 - 1"),
    ({"vocab_size": 4 + len(m2m100.PIECES)}, "0 of languages, for"),
    ({"decoder_layers": 1}, r"our model has no place for 'model.decoder.layers.1"),
    ({"more": {"final_logits_bias": torch.zeros(1, 9)}}, "no place for 'final_logits_bias'"),
    ({"more": {"model.encoder.embed_positions.weights": torch.randn(42, 16)}}, "is not the constant"),
    ({"more": {"model.shared.weight": torch.zeros(7, 16)}}, r"_embedding.weight has 7 rows for \d+ pieces"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_our_model_is_not_is_refused_by_name(made, given: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read(m2m100.write(tmp_path / "m", made["m2m100"], **given))
    assert "\n" not in str(caught.value)


def test_languages_are_named(made, tmp_path: Path) -> None:
    folder = m2m100.write(tmp_path / "m", made["m2m100"])
    with pytest.raises(ValueError, match=r"^source_language: give the language, one of af, am, .*, zu$"):
        read(folder, source_language="")
    with pytest.raises(ValueError, match=r"^target_language = 'deu_Latn' is not one of af, am, "):
        read(folder, target_language="deu_Latn")
    forced = m2m100.names("m2m100").index("__de__")
    (folder / "generation_config.json").write_text(json.dumps({"forced_bos_token_id": forced, "num_beams": 5}))
    assert read(folder).config == made["m2m100"].config
    with pytest.raises(ValueError, match=rf"generation_config\.json: forced_bos_token_id = {forced}; our search"):
        read(folder, target_language="en")
    (folder / "tokenizer_config.json").write_text('{"language_codes": "m2m"}')
    with pytest.raises(ValueError, match=r"language_codes = 'm2m' is not one of m2m100, wmt21"):
        read(folder)


def test_where_nllb_lists_its_languages(made, tmp_path: Path) -> None:
    """In tokenizer.json by their numbers, in older folders in the order of a list."""
    folder = m2m100.write(tmp_path / "m", made["nllb"], "nllb")
    whole = (folder / "tokenizer.json").read_text()
    assert "special_tokens_map.json" not in read(folder, "nllb").origin["files"]
    (folder / "tokenizer.json").unlink()
    found = read(folder, "nllb")
    assert same(found, made["nllb"])
    assert "special_tokens_map.json" in found.origin["files"]
    (folder / "special_tokens_map.json").unlink()
    with pytest.raises(ValueError, match=r"nothing lists its languages: neither tokenizer.json nor special_tokens_map"):
        read(folder, "nllb")
    value = json.loads(whole)
    cases = [
        ({"added_tokens": []}, "'deu_Latn'|3 pieces|0 of languages"),
        ({"added_tokens": [{"id": "x"}]}, "an entry without a number 'id' and a text 'content'"),
        ({"added_tokens": [{"id": 10**9, "content": "deu_Latn"}]}, r"the numbers of its 1 other pieces do not follow"),
        ({"model": {"vocab": value["model"]["vocab"] | {"x": "303"}}}, r"the numbers of its \d+ other pieces"),
        ({"model": {"vocab": []}}, "no tokenizer of NLLB"),
        ({"model": {"vocab": {"▁": 4}}}, r"does not have the number \d+, as by sentencepiece.bpe.model"),
    ]
    for change, said in cases:
        (folder / "tokenizer.json").write_text(json.dumps(value | change))
        with pytest.raises(ValueError, match=said):
            read(folder, "nllb")
    (folder / "tokenizer.json").write_text(whole)
    (folder / "tokenizer_config.json").write_text('{"legacy_behaviour": true}')
    with pytest.raises(ValueError, match="legacy_behaviour = True: its sources end in their language"):
        read(folder, "nllb")
    (folder / "tokenizer_config.json").unlink()
    (folder / "sentencepiece.bpe.model").unlink()
    with pytest.raises(ValueError, match=r"sentencepiece.bpe.model is missing; tokenizer.json alone is not read"):
        read(folder, "nllb")


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_damaged_files_are_named(kind: str, made, tmp_path: Path) -> None:
    folder = m2m100.write(tmp_path / "m", made[kind], kind)
    second = "vocab.json" if kind == "m2m100" else "tokenizer.json"
    for name in ("config.json", second, "sentencepiece.bpe.model", "model.safetensors", "tokenizer_config.json"):
        whole = (folder / name).read_bytes()
        wrong = (b"", b"\xff\xfe", whole[: len(whole) // 2])
        for data in wrong if name == "tokenizer_config.json" else (*wrong, b"[]", b'{"a": "b"}'):
            (folder / name).write_bytes(data)
            with pytest.raises(ValueError, match=str(tmp_path)) as caught:
                read(folder, kind)
            assert "\n" not in str(caught.value)
        (folder / name).write_bytes(whole)
    assert UNKNOWN == 1
    assert same(read(folder, kind), made[kind])
