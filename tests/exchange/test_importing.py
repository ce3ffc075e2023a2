"""What all importers share; our own folders, and the command."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from tests.toys import commands, m2m100
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import MARIAN, OURS, PIECES, equal, marian, opennmt
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.config import imports
from tzip.exchange import importing
from tzip.exchange.importing import Options
from tzip.files import read_json
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer


@pytest.fixture(scope="module")
def made() -> Transformer:
    return foreignmodels.model(280, **OURS)


# ── what all share ────────────────────────────────────────────────────────────────────────────────


def test_formats_are_the_files_of_the_folder() -> None:
    assert imports.formats() == ["m2m100", "mapping", "marian", "marian_nmt", "opennmt", "tzip"]
    assert imports.uses("opennmt") == ("pieces", "target_pieces")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nowhere: no such file or folder"),
        ({"format": "fairseq"}, "format = 'fairseq' is not one of m2m100, mapping, marian, marian_nmt, opennmt, tzip"),
        ({"format": "../evil"}, "is not one of"),
        ({"format": "marian", "pieces": "x"}, "pieces: the format marian has no such option"),
        ({"format": "tzip", "prefix": "x"}, "prefix: the format tzip has no such option"),
        ({"format": "tzip"}, "nowhere: no such file or folder"),
        ({"format": "opennmt", "pieces": "away"}, "away: no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_refused(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        importing.read("nowhere", Options(**given))


def test_a_format_is_recognized(made, vocabulary_file: Path, tmp_path: Path) -> None:
    """Each importer knows its own files; what none knows is described, and options that it needs are asked for."""
    checkpoint.save(tmp_path / "ours", made, vocabulary_file.read_bytes())
    marian(tmp_path / "marian", foreignmodels.model(4 + len(PIECES), **MARIAN))
    opennmt(tmp_path / "opennmt.pt", foreignmodels.model(4 + len(PIECES), **foreignmodels.OPENNMT))
    m2m100.write(tmp_path / "nllb", m2m100.model("nllb"), "nllb")
    pieces = str(tmp_path / "marian" / "source.spm")
    given = {"opennmt.pt": {"pieces": pieces}, "nllb": m2m100.LANGUAGES["nllb"]}
    for name, format in {"ours": "tzip", "marian": "marian", "opennmt.pt": "opennmt", "nllb": "m2m100"}.items():
        imported = importing.read(tmp_path / name, Options(**given.get(name, {})))
        assert imported.origin["format"] == format
        assert equal(
            importing.build(imported),
            importing.build(importing.read(tmp_path / name, Options(format=format, **given.get(name, {})))),
        )
    (tmp_path / "map.yaml").write_text("tensors: {}")
    mapped = Options(mapping=str(tmp_path / "map.yaml"), pieces=pieces)
    with pytest.raises(ValueError, match=r"opennmt\.pt: .* is no tensor"):
        importing.read(tmp_path / "opennmt.pt", mapped)
    with pytest.raises(ValueError, match="pieces: the format opennmt needs it; give a file"):
        importing.read(tmp_path / "opennmt.pt", Options())
    with pytest.raises(ValueError, match="prefix: the format tzip has no such option"):
        importing.read(tmp_path / "ours", Options(prefix="x"))
    (tmp_path / "bart").mkdir()
    choices = "no format recognizes it; format is one of m2m100, mapping, marian, marian_nmt, opennmt, tzip"
    for text, said in (("[]", "a folder with 'config.json'"), ('{"model_type": "bart"}', "model_type = 'bart'")):
        (tmp_path / "bart" / "config.json").write_text(text)
        with pytest.raises(ValueError, match=f"bart: .*{said}: {choices}"):
            importing.read(tmp_path / "bart", Options())
    with pytest.raises(ValueError, match=f"source.spm: a file: {choices}"):
        importing.read(pieces, Options())
    shutil.copytree(tmp_path / "marian", tmp_path / "ours", dirs_exist_ok=True)
    with pytest.raises(ValueError, match="ours: it may be marian or tzip; say which by format"):
        importing.read(tmp_path / "ours", Options())


def test_a_compressed_model_comes_back_as_its_file_has_it(made, vocabulary_file: Path, tmp_path: Path) -> None:
    """From the file or from the folder in which it is published; a damaged one is refused."""
    checkpoint.save(tmp_path / "ours", made, vocabulary_file.read_bytes())
    file = tmp_path / "published" / "model.tzip"
    file.parent.mkdir()
    commands.tzip("compress", str(tmp_path / "ours"), str(file), "--quantize", "uniform:bits=4", "--scope", "all")
    model, pieces, _ = model_file.restore(file)
    for place in (file, file.parent):
        imported = importing.read(place, Options())
        assert imported.origin["format"] == "tzip"
        assert list(imported.origin["files"]) == ["model.tzip"]
        assert imported.pieces == pieces.model
        assert equal(importing.build(imported), model)
    assert not equal(model, made)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"model\.tzip: "):
        importing.read(file, Options())


def test_a_member_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/file", b"content")
    with importing.local(f"{tmp_path / 'a.zip'}::deep/file") as path:
        assert path.read_bytes() == b"content"
        assert path.name == "file"
    assert not path.exists()
    with pytest.raises(ValueError, match="no member 'other'; choose from deep/file"):
        importing.read(f"{tmp_path / 'a.zip'}::other", Options(format="tzip"))


def test_tensors_are_ticked_off() -> None:
    names = ("a.0.x", "a.1.x", "a.10.x", "b", "c")
    tensors = importing.Tensors(dict.fromkeys(names, torch.zeros(2)), "file")
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
        importing.Tensors({"e": torch.tensor(1.0)}, "file").take("e")


def test_a_file_is_not_read_many_times_over(tmp_path: Path) -> None:
    """A thousand names of one tensor, each of which would be a copy in float32."""
    tensor = torch.ones(1000).half()
    torch.save({str(i): tensor for i in range(1000)}, tmp_path / "x.pt")
    tensors = importing.opened(tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x.pt: its tensors are together over 4 times its data; refused"):
        [tensors.take(str(i)) for i in range(5)]


def test_names_in_errors_are_few_and_short() -> None:
    said = importing.some([f"{i}{'x' * 500}" for i in range(1000)])
    assert len(said) < 400
    assert said.endswith("and 996 more")
    assert importing.some([]) == "none"


def test_files_nested_without_end_are_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "config.json")
    Path(file).write_text("[" * 100_000)
    for options in (Options(format="marian"), Options(format="mapping", mapping=file, pieces=file)):
        with pytest.raises(ValueError, match="nested too deep"):
            importing.read(tmp_path, options)


# ── our own ───────────────────────────────────────────────────────────────────────────────────────


def test_a_checkpoint_of_ours(made, vocabulary_file: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c", made, vocabulary_file.read_bytes())
    found = importing.read(tmp_path / "c", Options(format="tzip"))
    assert found.config == made.config
    assert equal(importing.build(found), made)
    assert found.pieces == vocabulary_file.read_bytes()
    assert importing.read(tmp_path / "c", Options(format="tzip", max_length=9)).config.max_length == 9
    with pytest.raises(ValueError, match="import: max_length = 1 is not an integer at least 2"):
        importing.read(tmp_path / "c", Options(format="tzip", max_length=1))
    with pytest.raises(ValueError, match=r"not a checkpoint: config.json is missing"):
        importing.read(tmp_path, Options(format="tzip"))


# ── the command ───────────────────────────────────────────────────────────────────────────────────


def call(*arguments: object) -> str:
    done = commands.tzip(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_compress_and_inspect(tmp_path: Path) -> None:
    """The checkpoint says where the model came from, and so does the compressed file."""
    folder = marian(tmp_path / "opus", foreignmodels.model(4 + len(PIECES), **MARIAN))
    said = call("import", folder, tmp_path / "c", "--max-length", 20)
    assert said.startswith(f"{tmp_path / 'c'}: ")
    assert "2 + 2 layers, 362 pieces" in said
    origin = read_json(tmp_path / "c" / "origin.json")
    assert origin["format"] == "marian"
    assert set(origin["files"]) == {path.name for path in folder.iterdir()}
    call("compress", tmp_path / "c", tmp_path / "x.tzip", "--threads", 1)
    said = call("inspect", tmp_path / "x.tzip")
    assert f"imported from marian:\n  {origin['files']['config.json']}  config.json\n" in said
    call("decompress", tmp_path / "x.tzip", tmp_path / "again")
    assert read_json(tmp_path / "again" / "origin.json") == origin
    one, other = (checkpoint.load(tmp_path / name)[0] for name in ("c", "again"))
    assert equal(one, other)
    assert one.config == other.config
    assert container.read(tmp_path / "x.tzip").history["origin"] == origin
    (tmp_path / "in").write_text("Da.\n")
    assert call("translate", tmp_path / "x.tzip", tmp_path / "in", "--threads", 1).count("\n") == 1


def test_a_refused_import_leaves_nothing(tmp_path: Path) -> None:
    folder = marian(tmp_path / "opus", foreignmodels.model(4 + len(PIECES), **MARIAN), scale_embedding=False)
    done = commands.tzip("import", folder, tmp_path / "c", "--format", "marian")
    assert done.returncode == 1
    assert done.stderr == (f"error: {folder / 'config.json'}: scale_embedding = False; our model has True\n")
    assert [path.name for path in tmp_path.iterdir()] == ["opus"]


def test_a_model_that_was_trained_here_says_nothing_of_its_origin(made, vocabulary_file: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c", made, vocabulary_file.read_bytes())
    assert not (tmp_path / "c" / "origin.json").exists()
    assert checkpoint.origin(tmp_path / "c") is None
    built, _ = pipeline.build(made, vocabulary_file.read_bytes(), Variant(), name="x", seed=1)
    assert set(built.history) == {"name", "seed", "updates", "variant"}
    assert io.BytesIO(container.encode(built)).read(4) == b"tzip"
