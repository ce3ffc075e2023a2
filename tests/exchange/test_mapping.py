"""Models whose tensors a mapping file names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from tests.data.test_lists import ONE
from tests.exchange.test_torchfile import Call
from tests.nmt.test_model import TOY
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import OURS, equal, vocabulary_of_ours
from tzip.data import pieces
from tzip.exchange import importing
from tzip.exchange.importing import Options
from tzip.nmt.model import Transformer


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vocabulary_of_ours(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def made() -> Transformer:
    return foreignmodels.model(280, **OURS)


def mapping(made: Transformer, **given: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A mapping and a file's tensors: q, k, v below one another, feed-forward transposed, q without bias."""
    names: dict[str, Any] = {
        "source_embedding.weight": "src",
        "target_embedding.weight": "tgt",
        "generator.bias": "out",
        "encoder_norm.weight": "enc.norm.w",
        "encoder_norm.bias": "enc.norm.b",
        "decoder_norm.weight": "dec.norm.w",
        "decoder_norm.bias": "dec.norm.b",
    }
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    file = {
        "src": state["source_embedding.weight"],
        "tgt": state["target_embedding.weight"],
        "out": state["generator.bias"],
    }
    for stack, short in (("encoder", "enc"), ("decoder", "dec")):
        file |= {f"{short}.norm.{part[0]}": state[f"{stack}_norm.{part}"] for part in ("weight", "bias")}
        attention = ["self_attention"] + ["cross_attention"] * (stack == "decoder")
        norms = ["feed_forward_norm", *(f"{one}_norm" for one in attention)]
        for module in [
            *norms,
            "feed_forward.inner",
            "feed_forward.outer",
            *(f"{a}.output" for a in attention),
        ]:
            for part in ("weight", "bias"):
                ours, theirs = f"{stack}.{{i}}.{module}.{part}", f"{short}.{{i}}.{module}.{part}"
                flip = module.startswith("feed_forward.") and part == "weight"
                names[ours] = {"name": theirs, "transpose": True} if flip else theirs
                for i in range(2):
                    tensor = state[f"{stack}.{i}.{module}.{part}"]
                    file[theirs.format(i=i)] = tensor.mT.contiguous() if flip else tensor
        for one in attention:
            for at, part in enumerate(("query", "key", "value")):
                whole = f"{short}.{{i}}.{one}.qkv"
                ours = f"{stack}.{{i}}.{one}.{part}"
                names[f"{ours}.weight"] = {"name": f"{whole}.weight", "rows": [16 * at, 16 * at + 16]}
                names[f"{ours}.bias"] = None if part == "query" else {"name": f"{short}.{{i}}.{one}.{part}.bias"}
            for i in range(2):
                each = [state[f"{stack}.{i}.{one}.{part}.weight"] for part in ("query", "key", "value")]
                file[f"{short}.{i}.{one}.qkv.weight"] = torch.cat(each)
                for part in ("key", "value"):
                    file[f"{short}.{i}.{one}.{part}.bias"] = state[f"{stack}.{i}.{one}.{part}.bias"]
    config = {key: TOY[key] for key in ("d_model", "d_ff", "heads", "encoder_layers", "decoder_layers")}
    return {"config": config | OURS, "tensors": names} | given, file


def write(folder: Path, told: Any, file: dict[str, torch.Tensor], vocabulary: Path, zipped: bool = False) -> Options:
    (folder / "mapping.yaml").write_text(yaml.safe_dump(told))
    if zipped:
        torch.save(file, folder / "model")
    else:
        save_file(file, folder / "model")
    return Options(format="mapping", mapping=str(folder / "mapping.yaml"), pieces=str(vocabulary))


@pytest.fixture(scope="module")
def queries_without_bias(made):
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("query.bias"):
                parameter.zero_()
    return made


@pytest.mark.parametrize("zipped", [False, True])
def test_a_mapping_names_the_tensors(queries_without_bias, vocabulary: Path, zipped: bool, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias)
    found = importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary, zipped))
    assert found.config == queries_without_bias.config
    assert equal(importing.build(found), queries_without_bias)
    assert found.pieces == vocabulary.read_bytes()
    assert [path.name for path in found.files] == ["model", "mapping.yaml", "pieces.model"]


def test_pieces_that_are_numbered_otherwise(tmp_path: Path) -> None:
    """A SentencePiece model of another layout: unknown 0, begin 1, end 2, and a piece that pads."""
    (tmp_path / "one.model").write_bytes(ONE)
    made = foreignmodels.model(200, **OURS, source_end=False)
    told, file = mapping(made, special={"unknown": 0, "begin": 1, "end": 2, "pad": 199})
    told["config"]["source_end"] = False
    options = write(tmp_path, told, file, tmp_path / "one.model")
    found = importing.read(tmp_path / "model", options)
    theirs = [199, 0, 1, 2, *range(3, 199)]
    assert torch.equal(found.tensors["source_embedding.weight"], file["src"][theirs])
    assert torch.equal(found.tensors["generator.bias"], file["out"][theirs])
    read = pieces.Pieces(found.pieces)
    assert read.spell([4]) == pieces.sentence_pieces(ONE, "x").id_to_piece([3])
    assert read.decides()["source_end"] is False


def bias(entry: Any) -> dict[str, Any]:
    return {"tensors": {"generator.bias": entry}}


# What changes in the mapping (None: the key goes), what is said of it.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tensors": None}, "it must have 'tensors'"),
    ({"tensor": {}}, "unknown key 'tensor'; choose from config, tensors, ignore, special"),
    ({"ignore": {}}, "ignore must be a list"),
    ({"config": {"width": 3}}, "config: no option 'width'; choose from vocabulary,"),
    ({"config": {"d_model": "wide"}}, "config: d_model = 'wide' is not an integer"),
    ({"config": {"vocabulary": 7}}, "both sides have the 280 pieces"),
    ({"tensors": {"source_embedding.weight": None}}, "our model has no place for 'src'"),
    ({"tensors": {"encoder.{i}.more.weight": "out"}}, "our model has no 'encoder.0.more.weight'"),
    (
        {"tensors": {"encoder.9.self_attention.query.bias": None}},
        "our model has no 'encoder.9.self_attention",
    ),
    ({"tensors": {"encoders.{i}.more.weight": "out"}}, "our model has no layers 'encoders.{i}.more.weight'"),
    ({"tensors": {"generator.weight": "src"}}, "generator.weight is not the same as target_embedding.weight"),
    ({"tensors": {"generator.bias": "away"}}, "no tensor 'away'; it has"),
    (bias(7), "generator.bias: expected a name, or name, transpose, rows, or null"),
    (bias({"name": "out", "rows": [0, 999]}), "rows must be"),
    (bias({"name": "out", "rows": [0, 9]}), "9 rows for 280"),
    (bias({"name": "out", "flip": 1}), "expected a name"),
    (bias({"name": "out", "transpose": True}), r"'out' \[280\] is no matrix to transpose"),
    ({"special": {"pad": 1}}, "each a number of its own"),
    ({"special": {"mask": 9}}, "special must give pad, unknown, begin, end"),
    ({"special": {"pad": 999}}, "0 to 279"),
    ({"special": {"pad": "x"}}, "special must give"),
    ({"special": {"pad": [1]}}, "special must give numbers"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG)
def test_a_mapping_that_is_wrong_is_refused(
    queries_without_bias, vocabulary: Path, changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    told, file = mapping(queries_without_bias)
    for key, value in changes.items():
        if value is None:
            del told[key]
        elif key in told:
            told[key] |= value
        else:
            told[key] = value
    with pytest.raises(ValueError, match=said) as caught:
        importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("apart", "tie"),
    [((), "all"), (("source",), "decoder"), (("source", "output"), "none"), (("output",), "none")],
)
def test_ties_that_a_mapping_does_not_tell_are_found(
    queries_without_bias, vocabulary: Path, apart: tuple[str, ...], tie: str, tmp_path: Path
) -> None:
    told, file = mapping(queries_without_bias)
    del told["config"]["tie"]
    told["tensors"]["generator.weight"] = "output"
    file |= {"src": file["tgt"], "output": file["tgt"].clone()}
    file |= {"src" if name == "source" else name: file["tgt"] + 1 + i for i, name in enumerate(apart)}
    found = importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary, zipped=True))
    assert found.config.tie == tie
    state = importing.build(found).state_dict()
    for ours, theirs in (("source_embedding", "src"), ("target_embedding", "tgt"), ("generator", "output")):
        assert torch.equal(state[f"{ours}.weight"], file[theirs])


def test_a_tensor_that_no_mapping_names_is_refused(queries_without_bias, vocabulary: Path, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias)
    options = write(tmp_path, told, file | {"extra": torch.ones(2)}, vocabulary)
    with pytest.raises(ValueError, match="our model has no place for 'extra'"):
        importing.read(tmp_path / "model", options)


def test_what_a_mapping_ignores_is_left_out(queries_without_bias, vocabulary: Path, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias, ignore=["steps", "enc.{i}.mask"])
    file |= {"steps": torch.ones(1), "enc.0.mask": torch.ones(1), "enc.17.mask": torch.ones(1)}
    importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))
    file["enc.x.mask"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"no place for 'enc.x.mask'"):
        importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))


def test_hostile_files_of_a_mapping(queries_without_bias, vocabulary: Path, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias)
    options = write(tmp_path, told, file, vocabulary)
    torch.save({"src": Call(Path.touch, tmp_path / "trace")}, tmp_path / "model")
    with pytest.raises(ValueError, match="refused, and not run"):
        importing.read(tmp_path / "model", options)
    assert not (tmp_path / "trace").exists()
    (tmp_path / "model").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="neither a safetensors nor a torch file"):
        importing.read(tmp_path / "model", options)
    (tmp_path / "mapping.yaml").write_text("!!python/object/apply:os.mkdir [trace]")
    with pytest.raises(ValueError, match="not YAML: could not determine a constructor"):
        importing.read(tmp_path / "model", options)
    (tmp_path / "mapping.yaml").write_text("tensors: {a: 2026-13-41}")
    with pytest.raises(ValueError, match=r"mapping.yaml: not YAML: month must be in 1..12"):
        importing.read(tmp_path / "model", options)
    with pytest.raises(ValueError, match="mapping: the format mapping needs it"):
        importing.read(tmp_path / "model", replace(options, mapping=""))
