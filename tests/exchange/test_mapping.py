"""Models whose tensors a mapping file names."""

import re
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
from tests.toys.foreign import OURS, equal
from tzip.data import pieces
from tzip.exchange import importing
from tzip.exchange.importing import Options
from tzip.nmt.model import Transformer


@pytest.fixture(scope="module")
def made() -> Transformer:
    """A model of ours without biases of queries."""
    model = foreignmodels.model(280, **OURS)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("query.bias"):
                parameter.zero_()
    return model


FILE_NAMES = {"source_embedding.weight": "src", "target_embedding.weight": "tgt", "generator.bias": "out"}
SHARED_INPUT = ("query", "key", "value")


def mapping(made: Transformer, **given: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A mapping and a file's tensors: q, k, v below one another, feed-forward transposed, q without bias."""
    entries: dict[str, Any] = {}
    file: dict[str, torch.Tensor] = {}
    for name, parameter in made.named_parameters():
        ours, tensor = re.sub(r"\.\d+\.", ".{i}.", name), parameter.detach().clone()
        theirs = FILE_NAMES.get(name) or name.replace("encoder", "enc").replace("decoder", "dec")
        module, part = name.split(".")[-2:]
        if (module, part) == ("query", "bias"):
            entries[ours] = None
            continue
        entries[ours] = entry = {"name": re.sub(r"\.\d+\.", ".{i}.", theirs)}
        if module in SHARED_INPUT and part == "weight":
            first = len(tensor) * SHARED_INPUT.index(module)
            theirs = theirs.replace(module, "qkv")
            entry |= {"name": entry["name"].replace(module, "qkv"), "rows": [first, first + len(tensor)]}
            tensor = torch.cat([file.get(theirs, tensor[:0]), tensor])
        elif module in ("inner", "outer") and part == "weight":
            entry["transpose"] = True
            tensor = tensor.mT.contiguous()
        elif part == "weight":
            entries[ours] = entry["name"]
        file[theirs] = tensor
    config = {key: TOY[key] for key in ("d_model", "d_ff", "heads", "encoder_layers", "decoder_layers")}
    return {"config": config | OURS, "tensors": entries} | given, file


def write(folder: Path, told: Any, file: dict[str, torch.Tensor], pieces: Path, zipped: bool = False) -> Options:
    (folder / "mapping.yaml").write_text(yaml.safe_dump(told))
    if zipped:
        torch.save(file, folder / "model")
    else:
        save_file(file, folder / "model")
    return Options(format="mapping", mapping=str(folder / "mapping.yaml"), pieces=str(pieces))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_mapping_names_the_tensors(made, vocabulary_file: Path, zipped: bool, tmp_path: Path) -> None:
    told, file = mapping(made)
    found = importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary_file, zipped))
    assert found.config == made.config
    assert equal(importing.build(found), made)
    assert found.pieces == vocabulary_file.read_bytes()
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
    ({"tensors": {"encoder.9.self_attention.query.bias": None}}, "our model has no 'encoder.9.self_attention"),
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
    made, vocabulary_file: Path, changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    told, file = mapping(made)
    for key, value in changes.items():
        if value is None:
            del told[key]
        elif key in told:
            told[key] |= value
        else:
            told[key] = value
    with pytest.raises(ValueError, match=said) as caught:
        importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary_file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("apart", "tie"), [((), "all"), (("source",), "decoder"), (("source", "output"), "none"), (("output",), "none")]
)
def test_ties_that_a_mapping_does_not_tell_are_found(
    made, vocabulary_file: Path, apart: tuple[str, ...], tie: str, tmp_path: Path
) -> None:
    told, file = mapping(made)
    del told["config"]["tie"]
    told["tensors"]["generator.weight"] = "output"
    file |= {"src": file["tgt"], "output": file["tgt"].clone()}
    file |= {"src" if name == "source" else name: file["tgt"] + 1 + i for i, name in enumerate(apart)}
    found = importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary_file, zipped=True))
    assert found.config.tie == tie
    state = importing.build(found).state_dict()
    for ours, theirs in (("source_embedding", "src"), ("target_embedding", "tgt"), ("generator", "output")):
        assert torch.equal(state[f"{ours}.weight"], file[theirs])


def test_what_a_mapping_ignores_is_left_out(made, vocabulary_file: Path, tmp_path: Path) -> None:
    told, file = mapping(made, ignore=["steps", "enc.{i}.mask"])
    file |= {"steps": torch.ones(1), "enc.0.mask": torch.ones(1), "enc.17.mask": torch.ones(1)}
    importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary_file))
    file["enc.x.mask"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"no place for 'enc.x.mask'"):
        importing.read(tmp_path / "model", write(tmp_path, told, file, vocabulary_file))


def test_hostile_files_of_a_mapping(made, vocabulary_file: Path, tmp_path: Path) -> None:
    told, file = mapping(made)
    options = write(tmp_path, told, file, vocabulary_file)
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
