"""`import tzip`: its public names, what it imports, and that it does and says what the command line does."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tzip
from tests.toys import commands
from tests.toys.data import toy_pairs
from tzip.format import container, sizes

PUBLIC = ["Inspection", "Model", "Translation", "compress", "inspect", "load"]
SEARCH = {"beam": 3, "max_ratio": 0.5}
FLAGS = ["--beam", "3", "--max-ratio", "0.5", "--threads", "1"]


def test_the_public_names_are_these() -> None:
    """A name that is added or renamed here is a promise to those who import it."""
    assert tzip.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(tzip))
    assert all(getattr(tzip, name).__doc__ for name in PUBLIC)
    with pytest.raises(AttributeError, match="module 'tzip' has no attribute 'lod'"):
        tzip.lod  # noqa: B018


def test_the_keywords_are_these() -> None:
    def keywords(function: object) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert keywords(tzip.load) == ["path", "threads"]
    assert keywords(tzip.Model.translate) == ["self", "text", "nbest", "scores", "search"]
    places = ["data", "teacher_checkpoint", "soft_targets", "statistics", "state", "methods"]
    assert keywords(tzip.compress) == ["checkpoint", "output", *places, "name", "seed", "threads", "force", "options"]
    assert keywords(tzip.inspect) == ["path"]


def test_importing_takes_neither_torch_nor_numpy_and_inspecting_no_torch(folder: Path) -> None:
    code = (
        "import sys, tzip; heavy = {'torch', 'numpy', 'pydantic'} & set(sys.modules); assert not heavy, heavy;"
        f"tzip.inspect({str(folder / 'small.tzip')!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_types_are_shipped() -> None:
    assert Path(tzip.__file__).with_name("py.typed").is_file()


@pytest.fixture(scope="module")
def model(folder: Path) -> tzip.Model:
    return tzip.load(folder / "small.tzip", threads=1)


def test_it_translates_as_the_command_line(folder: Path, model: tzip.Model) -> None:
    lines = (folder / "text.en").read_text().splitlines()
    said = commands.tzip("translate", folder / "small.tzip", folder / "text.en", *FLAGS).stdout
    assert model.translate(lines, **SEARCH) == said.split("\n")[:-1]
    assert repr(model) == f"tzip.load('{folder}/small.tzip')"


def test_the_result_has_the_form_of_the_text(model: tzip.Model) -> None:
    best = model.translate("a small house", **SEARCH)
    assert isinstance(best, str)
    assert model.translate(["a small house"], **SEARCH) == [best]
    assert model.translate(("a small house", ""), **SEARCH) == [best, ""]
    assert model.translate([]) == []
    beam = model.translate("a small house", nbest=2, scores=True, **SEARCH)
    assert beam[0].text == best
    assert beam[0].score > beam[1].score
    assert model.translate("a small house", scores=True, **SEARCH) == beam[0]
    assert model.translate(["a small house"], nbest=2, **SEARCH) == [[text for text, _ in beam]]
    assert model.translate("a small house", nbest=1, **SEARCH) == [best]
    greedy = model.translate("a small house", scores=True, engine="ctranslate2", beam=1, max_ratio=0.5)
    assert np.isnan(greedy.score)


def test_a_warning_is_one_of_python(model: tzip.Model) -> None:
    with pytest.warns(UserWarning, match="line 1 has .* pieces; only the first") as caught:
        model.translate("a small house " * 40, **SEARCH)
    assert caught[0].filename == __file__


def test_it_compresses_to_the_same_bytes_as_the_command_line(folder: Path, tmp_path: Path) -> None:
    toy_pairs(tmp_path / "toy")
    tuned = {"updates": 2, "batch_tokens": 200, "warmup": 1, "seed": 3, "threads": 1, "name": "x"}
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in tuned.items()]
    method = ["--quantize=uniform:bits=2", "--rest=float16"]
    commands.tzip("compress", folder / "checkpoint", tmp_path / "a", "--data", tmp_path / "toy", *method, *flags)
    same = {"quantize": "uniform:bits=2", "rest": "float16", "data": tmp_path / "toy"}
    report = tzip.compress(folder / "checkpoint", tmp_path / "b", **same, **tuned)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert report.history["updates"] == 2
    assert report == tzip.inspect(tmp_path / "b")


def test_an_inspection_is_what_the_file_holds(folder: Path) -> None:
    path = folder / "small.tzip"
    archive, report = container.read(path), tzip.inspect(str(path))
    assert report.sizes == sizes.sizes(archive, path.stat().st_size)
    assert report.tensors == sizes.table(archive)
    assert (report.path, report.config, report.history) == (path, archive.config, archive.history)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (lambda _: tzip.load("nowhere.tzip"), ["translate", "nowhere.tzip", "text.en"]),
        (lambda _: tzip.load("text.en"), ["translate", "text.en", "text.en"]),
        (lambda _: tzip.inspect("nowhere.tzip"), ["inspect", "nowhere.tzip"]),
        (lambda _: tzip.inspect("text.en"), ["inspect", "text.en"]),
        (lambda _: tzip.compress("nowhere", "x"), ["compress", "nowhere", "x"]),
        (lambda _: tzip.compress("checkpoint", "small.tzip"), ["compress", "checkpoint", "small.tzip"]),
        (
            lambda _: tzip.compress("checkpoint", "x", quantize="kmean"),
            ["compress", "checkpoint", "x", "--quantize", "kmean"],
        ),
        (
            lambda _: tzip.compress("checkpoint", "x", updates=3),
            ["compress", "checkpoint", "x", "--updates", "3"],
        ),
        (
            lambda _: tzip.compress("checkpoint", "x", data="nowhere", quantize="fp16"),
            ["compress", "checkpoint", "x", "--data", "nowhere", "--quantize", "fp16"],
        ),
        (
            lambda model: model.translate("a", precision="int8"),
            ["translate", "small.tzip", "text.en", "--precision", "int8"],
        ),
    ],
)
def test_an_error_is_the_line_of_the_command_line(folder: Path, model, call, arguments, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        call(model)
    assert commands.tzip(*arguments, folder=folder).stderr == f"error: {error.value}\n"
    assert not Path("x").exists()


def test_a_wrong_keyword_names_the_choices(folder: Path, model: tzip.Model) -> None:
    with pytest.raises(ValueError, match=r"^search: no option 'bem'; choose from beam, alpha"):
        model.translate("a", bem=4)
    with pytest.raises(ValueError, match=r"^compress: no option 'quantise'; choose from scope, prune, quantize"):
        tzip.compress(folder / "checkpoint", folder / "x", quantise="kmeans")
    with pytest.raises(TypeError, match="found bytes in it"):
        model.translate([b"a"])
