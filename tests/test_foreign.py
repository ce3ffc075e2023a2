"""What all importers share; our own folders, and models whose tensors a mapping file names."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from tests import foreignmodels
from tests.foreignmodels import MARIAN, PIECES, marian
from tests.test_lists import ONE
from tests.test_model import TOY
from tests.test_pickles import Call
from tzip import archive, checkpoint, cli, compress, container, foreign, imports, pieces
from tzip.files import read_json
from tzip.foreign import Options
from tzip.model import Transformer

OURS = {"activation": "gelu", "norm": "pre", "tie": "decoder", "max_length": 30}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model of ours."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text").write_text("a small house stands by the lake\nein Haus\n" * 20, encoding="utf-8")
    pieces.train([folder / "text"], folder / "pieces.model", pieces.Options(size=280))
    return folder / "pieces.model"


@pytest.fixture(scope="module")
def made() -> Transformer:
    return foreignmodels.model(280, **OURS)


def equal(one: Transformer, other: Transformer) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(x, states[1][n]) for n, x in states[0].items()
    )


# ── what all share ────────────────────────────────────────────────────────────────────────────────


def test_formats_are_the_files_of_the_folder() -> None:
    assert imports.formats() == ["mapping", "marian", "opennmt", "tzip"]
    assert imports.uses("opennmt") == ("pieces", "target_pieces")


@pytest.mark.parametrize(("given", "said"), [
    ({}, "format = '' is not one of mapping, marian, opennmt, tzip"),
    ({"format": "fairseq"}, "format = 'fairseq' is not one of"),
    ({"format": "../evil"}, "is not one of"),
    ({"format": "marian", "pieces": "x"}, "pieces: the format marian has no such option"),
    ({"format": "tzip", "prefix": "x"}, "prefix: the format tzip has no such option"),
    ({"format": "tzip"}, "nowhere: no such file or folder"),
    ({"format": "opennmt", "pieces": "away"}, "away: no such file or folder"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        foreign.read("nowhere", Options(**given))


def test_a_member_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/file", b"content")
    with foreign.local(f"{tmp_path / 'a.zip'}::deep/file") as path:
        assert path.read_bytes() == b"content"
        assert path.name == "file"
    assert not path.exists()
    with (
        pytest.raises(ValueError, match="no member 'other'; choose from deep/file"),
        foreign.local(f"{tmp_path / 'a.zip'}::other"),
    ):
        pass


def test_tensors_are_ticked_off() -> None:
    readers = {name: lambda: torch.zeros(2) for name in ("a.0.x", "a.1.x", "a.10.x", "b", "c")}
    tensors = foreign.Tensors(readers, "file")
    with pytest.raises(ValueError, match=r"file: the layers a.\{i\}. are not numbered from 0 on"):
        tensors.count("a.{i}.")
    del tensors.tensors["a.10.x"]
    assert tensors.count("a.{i}.") == 2
    assert tensors.count("b.{i}.") == 0
    tensors.take("a.0.x")
    tensors.constant("b", lambda _: True)
    tensors.constant("not there", lambda _: False)
    with pytest.raises(ValueError, match=r"file: our model has no place for 'a.1.x', 'c'"):
        tensors.finish()
    tensors.finish(ignore=["a.1.x", "c"])
    with pytest.raises(ValueError, match=r"file: no tensor 'd'; it has 'a.0.x', 'a.1.x', 'b', 'c'"):
        tensors.take("d")
    with pytest.raises(ValueError, match=r"file: tensor 'e' is a single number"):
        foreign.Tensors({"e": lambda: torch.tensor(1.0)}, "file").take("e")


def test_names_in_errors_are_few_and_short() -> None:
    said = foreign.some([f"{i}{'x' * 500}" for i in range(1000)])
    assert len(said) < 400
    assert said.endswith("and 996 more")
    assert foreign.some([]) == "none"


def test_files_nested_without_end_are_refused(tmp_path: Path) -> None:
    for name, options in (("config.json", Options(format="marian")), ("m", Options(format="mapping"))):
        (tmp_path / name).write_text("[" * 100_000)
        if name == "m":
            options = replace(options, mapping=str(tmp_path / "m"), pieces=str(tmp_path / "m"))
        with pytest.raises(ValueError, match="nested too deep"):
            foreign.read(tmp_path, options)


# ── our own ───────────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_of_ours(made, vocabulary: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c", made, vocabulary.read_bytes())
    found = foreign.read(tmp_path / "c", Options(format="tzip"))
    assert found.config == made.config
    assert equal(foreign.build(found), made)
    assert found.pieces == vocabulary.read_bytes()
    assert foreign.read(tmp_path / "c", Options(format="tzip", max_length=9)).config.max_length == 9
    with pytest.raises(ValueError, match="import: max_length = 1 is not an integer at least 2"):
        foreign.read(tmp_path / "c", Options(format="tzip", max_length=1))
    with pytest.raises(ValueError, match=r"not a checkpoint: config.json is missing"):
        foreign.read(tmp_path, Options(format="tzip"))


# ── by a mapping ──────────────────────────────────────────────────────────────────────────────────


def mapping(made: Transformer, **given: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A mapping and a file's tensors: q, k, v below one another, feed-forward transposed, q without bias."""
    names: dict[str, Any] = {
        "source_embedding.weight": "src", "target_embedding.weight": "tgt", "generator.bias": "out",
        "encoder_norm.weight": "enc.norm.w", "encoder_norm.bias": "enc.norm.b",
        "decoder_norm.weight": "dec.norm.w", "decoder_norm.bias": "dec.norm.b",
    }  # fmt: skip
    state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    file = {"src": state["source_embedding.weight"], "tgt": state["target_embedding.weight"],
            "out": state["generator.bias"]}  # fmt: skip
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
                names[f"{ours}.bias"] = (
                    None if part == "query" else {"name": f"{short}.{{i}}.{one}.{part}.bias"}
                )
            for i in range(2):
                each = [state[f"{stack}.{i}.{one}.{part}.weight"] for part in ("query", "key", "value")]
                file[f"{short}.{i}.{one}.qkv.weight"] = torch.cat(each)
                for part in ("key", "value"):
                    file[f"{short}.{i}.{one}.{part}.bias"] = state[f"{stack}.{i}.{one}.{part}.bias"]
    config = {key: TOY[key] for key in ("d_model", "d_ff", "heads", "encoder_layers", "decoder_layers")}
    return {"config": config | OURS, "tensors": names} | given, file


def write(
    folder: Path, told: Any, file: dict[str, torch.Tensor], vocabulary: Path, zipped: bool = False
) -> Options:
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
def test_a_mapping_names_the_tensors(
    queries_without_bias, vocabulary: Path, zipped: bool, tmp_path: Path
) -> None:
    told, file = mapping(queries_without_bias)
    found = foreign.read(tmp_path / "model", write(tmp_path, told, file, vocabulary, zipped))
    assert found.config == queries_without_bias.config
    assert equal(foreign.build(found), queries_without_bias)
    assert found.pieces == vocabulary.read_bytes()
    assert [path.name for path in found.files] == ["model", "mapping.yaml", "pieces.model"]


def test_pieces_that_are_numbered_otherwise(tmp_path: Path) -> None:
    """A SentencePiece model of another layout: unknown 0, begin 1, end 2, and a piece that pads."""
    (tmp_path / "one.model").write_bytes(ONE)
    made = foreignmodels.model(200, **OURS, source_end=False)
    told, file = mapping(made, special={"unknown": 0, "begin": 1, "end": 2, "pad": 199})
    told["config"]["source_end"] = False
    options = write(tmp_path, told, file, tmp_path / "one.model")
    found = foreign.read(tmp_path / "model", options)
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
        foreign.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))
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
    found = foreign.read(tmp_path / "model", write(tmp_path, told, file, vocabulary, zipped=True))
    assert found.config.tie == tie
    state = foreign.build(found).state_dict()
    for ours, theirs in (("source_embedding", "src"), ("target_embedding", "tgt"), ("generator", "output")):
        assert torch.equal(state[f"{ours}.weight"], file[theirs])


def test_a_tensor_that_no_mapping_names_is_refused(
    queries_without_bias, vocabulary: Path, tmp_path: Path
) -> None:
    told, file = mapping(queries_without_bias)
    options = write(tmp_path, told, file | {"extra": torch.ones(2)}, vocabulary)
    with pytest.raises(ValueError, match="our model has no place for 'extra'"):
        foreign.read(tmp_path / "model", options)


def test_what_a_mapping_ignores_is_left_out(queries_without_bias, vocabulary: Path, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias, ignore=["steps", "enc.{i}.mask"])
    file |= {"steps": torch.ones(1), "enc.0.mask": torch.ones(1), "enc.17.mask": torch.ones(1)}
    foreign.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))
    file["enc.x.mask"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"no place for 'enc.x.mask'"):
        foreign.read(tmp_path / "model", write(tmp_path, told, file, vocabulary))


def test_hostile_files_of_a_mapping(queries_without_bias, vocabulary: Path, tmp_path: Path) -> None:
    told, file = mapping(queries_without_bias)
    options = write(tmp_path, told, file, vocabulary)
    torch.save({"src": Call(Path.touch, tmp_path / "trace")}, tmp_path / "model")
    with pytest.raises(ValueError, match="refused, and not run"):
        foreign.read(tmp_path / "model", options)
    assert not (tmp_path / "trace").exists()
    (tmp_path / "model").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="neither a safetensors nor a torch file"):
        foreign.read(tmp_path / "model", options)
    (tmp_path / "mapping.yaml").write_text("!!python/object/apply:os.mkdir [trace]")
    with pytest.raises(ValueError, match="not YAML: could not determine a constructor"):
        foreign.read(tmp_path / "model", options)
    (tmp_path / "mapping.yaml").write_text("tensors: {a: 2026-13-41}")
    with pytest.raises(ValueError, match=r"mapping.yaml: not YAML: month must be in 1..12"):
        foreign.read(tmp_path / "model", options)
    with pytest.raises(ValueError, match="mapping: the format mapping needs it"):
        foreign.read(tmp_path / "model", replace(options, mapping=""))


# ── the command ───────────────────────────────────────────────────────────────────────────────────


def call(monkeypatch, capsys, *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["tzip", *map(str, arguments)])
    cli.main()
    return capsys.readouterr().out


def test_import_compress_and_inspect(monkeypatch, capsys, tmp_path: Path) -> None:
    """The checkpoint says where the model came from, and so does the compressed file."""
    folder = marian(tmp_path / "opus", foreignmodels.model(4 + len(PIECES), **MARIAN))
    said = call(
        monkeypatch, capsys, "import", folder, tmp_path / "c", "--format", "marian", "--max-length", 20
    )
    assert said.startswith(f"{tmp_path / 'c'}: ")
    assert "2 + 2 layers, 362 pieces" in said
    origin = read_json(tmp_path / "c" / "origin.json")
    assert origin["format"] == "marian"
    assert set(origin["files"]) == {path.name for path in folder.iterdir()}
    call(monkeypatch, capsys, "compress", tmp_path / "c", tmp_path / "x.tzip", "--threads", 1)
    said = call(monkeypatch, capsys, "inspect", tmp_path / "x.tzip")
    assert f"imported from marian:\n  {origin['files']['config.json']}  config.json\n" in said
    call(monkeypatch, capsys, "decompress", tmp_path / "x.tzip", tmp_path / "again")
    assert read_json(tmp_path / "again" / "origin.json") == origin
    one, other = (checkpoint.load(tmp_path / name)[0] for name in ("c", "again"))
    assert equal(one, other)
    assert one.config == other.config
    assert container.read(tmp_path / "x.tzip").history["origin"] == origin
    (tmp_path / "in").write_text("Da.\n")
    assert (
        call(monkeypatch, capsys, "translate", tmp_path / "x.tzip", tmp_path / "in", "--threads", 1).count(
            "\n"
        )
        == 1
    )


def test_a_refused_import_leaves_nothing(tmp_path: Path) -> None:
    folder = marian(tmp_path / "opus", foreignmodels.model(4 + len(PIECES), **MARIAN), scale_embedding=False)
    command = [
        sys.executable,
        "-m",
        "tzip.cli",
        "import",
        str(folder),
        str(tmp_path / "c"),
        "--format",
        "marian",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (f"error: {folder / 'config.json'}: scale_embedding = False; our model has True\n")
    assert [path.name for path in tmp_path.iterdir()] == ["opus"]


def test_a_model_that_was_trained_here_says_nothing_of_its_origin(
    made, vocabulary: Path, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "c", made, vocabulary.read_bytes())
    assert not (tmp_path / "c" / "origin.json").exists()
    assert checkpoint.origin(tmp_path / "c") is None
    built, _ = archive.build(made, vocabulary.read_bytes(), compress.Variant(), name="x", seed=1)
    assert set(built.history) == {"name", "seed", "updates", "variant"}
    assert io.BytesIO(container.encode(built)).read(4) == b"tzip"
