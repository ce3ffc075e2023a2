"""A run whose baseline is imported, from members of an archive by URL to scores; and what is refused."""

import copy
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.test_run import load
from tests.data.test_lists import ONE
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import OPENNMT, PIECES, opennmt
from tests.toys.workflow import command, copy_sources, planned
from tzip.config import imports, run, students
from tzip.data.pieces import Encoded, Pieces
from tzip.files import read_json
from tzip.format import container
from tzip.nmt import checkpoint

pytestmark = pytest.mark.xdist_group("imported")

URL = "https://models.example.org/released/model.tar.gz"
RUN = Path("results/imported")
RELEASED = {
    "format": "opennmt",
    "source": {"url": URL, "sha256": None, "member": "averaged-10-epoch.pt"},
    "pieces": {"url": URL, "sha256": None, "member": "sentencepiece.model"},
}
SMALL = {"preset": "tiny", "encoder_layers": 1, "decoder_layers": 1, "d_model": 16, "d_ff": 16, "heads": 2}
IMPORTED = {
    "name": "imported",
    "dataset": "embedded",
    "tests": ["test"],
    "datasets": {"embedded": {"grammar": {"train": 200, "dev": 10, "test": 10, "seed": 1}}},
    "baseline": {"import": RELEASED},
    "model": {"max_length": 30},
    "finetune": {"updates": 2, "batch_tokens": 256},
    "training": {"updates": 3, "batch_tokens": 256},
    "students": {"small": {"model": SMALL, "training": {"teacher": 0.5}}},
    "search": {"beam": 1, "max_ratio": 0.5},
    "scores": {"samples": 40, "trials": 40},
    "rows": ["baseline", "student"],
    "weights": "",
    "variants": {"student": {"from": "small"}},
    "attention": {"sentence": "Da.", "sentences": 4, "rows": ["baseline"]},
}


@pytest.fixture(scope="module")
def made():
    return foreignmodels.model(4 + len(PIECES), **OPENNMT)


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, a mirror with the released archive, and the configuration."""
    folder = copy_sources(tmp_path_factory.mktemp("imported"))
    place = folder / "mirror" / "models.example.org" / "released"
    place.mkdir(parents=True)
    opennmt(place / "averaged-10-epoch.pt", made, "2018")
    (place / "sentencepiece.model").write_bytes(ONE)
    with tarfile.open(place / "model.tar.gz", "w:gz") as archive:
        for name in ("averaged-10-epoch.pt", "sentencepiece.model"):
            archive.add(place / name, name)
    (folder / "imported.yaml").write_text(yaml.safe_dump(IMPORTED | {"mirror": "mirror"}))
    return folder


def snakemake(folder: Path, *arguments: str, ok: bool = True) -> str:
    return command(folder, "snakemake", "--cores", "2", "--configfile", "imported.yaml", *arguments, ok=ok)


def test_an_imported_baseline_is_compressed_translated_and_scored(folder: Path, made) -> None:
    rows = [RUN / "seed-1" / row for row in IMPORTED["rows"]]
    targets = [f"{row}/test.score.json" for row in rows] + [f"{rows[0]}/attention.json"]
    targets.append(str(RUN / "config.json"))
    jobs = {rule for rule, _ in planned(snakemake(folder, "--dry-run", "--", *targets))}
    assert {"download", "import_pieces", "import_baseline", "student"} <= jobs
    assert not {"train", "pieces"} & jobs
    snakemake(folder, "--", *targets)
    model, pieces = checkpoint.load(folder / RUN / "seed-1" / "checkpoint")
    assert model.config.max_length == 30
    assert all((a == b).all() for a, b in zip(model.parameters(), made.parameters(), strict=True))
    assert (folder / RUN / "data" / "pieces.model").read_bytes() == pieces
    assert Encoded(folder / RUN / "data" / "train").tokens.max() < len(Pieces(pieces))
    files = {row.name: container.read(folder / row / "model.tzip") for row in rows}
    origin = read_json(folder / RUN / "seed-1" / "checkpoint" / "origin.json")
    assert set(origin["files"]) == {"averaged-10-epoch.pt", "sentencepiece.model"}
    assert [files[row].history.get("origin") for row in IMPORTED["rows"]] == [origin, None]
    assert {file.config["source_end"] for file in files.values()} == {False}
    assert {file.vocabulary for file in files.values()} == {pieces}
    assert "seconds" in read_json(folder / RUN / "seed-1" / "training.json")
    said = snakemake(folder, "--dry-run", "--", *targets)
    assert "Nothing to be done" in said
    assert "imported: opennmt" in command(folder, "tzip", "status", str(RUN))


def test_another_source_imports_again(folder: Path) -> None:
    changed = copy.deepcopy(IMPORTED) | {"mirror": "mirror"}
    changed["baseline"]["import"]["source"]["member"] = "sentencepiece.model"
    (folder / "other.yaml").write_text(yaml.safe_dump(changed))
    target = str(RUN / "seed-1" / "training.json")
    said = command(folder, "snakemake", "--cores", "1", "--configfile", "other.yaml", "--dry-run", "--", target)
    assert {rule for rule, _ in planned(said)} == {"import_baseline"}


# ── configuration ─────────────────────────────────────────────────────────────────────────────────


def checked(**over: Any) -> dict[str, Any]:
    given = load() | {"model": {}, **over}
    found = run.check(given)
    students.check(found)
    return found


def imported(**changes: Any) -> dict[str, Any]:
    found = {**RELEASED, **changes}
    return {"import": {key: value for key, value in found.items() if value is not None}}


FOLDER = [{"url": f"https://hub.example/org/m/resolve/abc/{name}"} for name in ("config.json", "source.spm")]
WRONG = [
    ({"import": {"source": "x"}}, "key 'format' is missing in baseline.import"),
    ({"import": {"format": "marian"}}, "key 'source' is missing in baseline.import"),
    ({"imports": {}}, "unknown key 'imports' in baseline; did you mean 'import'?"),
    (imported(formt="x"), "unknown key 'formt' in baseline.import; did you mean 'format'?"),
    (
        imported(format="fairseq"),
        "baseline.import.format = 'fairseq' is not one of m2m100, mapping, marian, marian_nmt, opennmt",
    ),
    (imported(prefix=">>de<<"), "baseline.import.prefix: the format opennmt has no such option"),
    (imported(pieces=None), "baseline.import.pieces: the format opennmt needs it; give a file"),
    (imported(source={"member": "x"}), "baseline.import.source: a file is given by url or by path"),
    (imported(source={"path": "x", "column": 2}), "baseline.import.source: a file is given by url or by"),
    (imported(source={"paht": "x"}), "unknown key 'paht' in baseline.import.source"),
    (imported(source=7), "baseline.import.source = 7 is not of type string or object or array"),
    (imported(source=[*FOLDER, {"url": "https://hub.example/b"}]), "several files must lie in one folder"),
]


@pytest.mark.parametrize(("baseline", "said"), WRONG)
def test_an_import_that_is_wrong_names_the_key(baseline: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(baseline=baseline)


def test_the_form_of_an_imported_model_is_no_choice() -> None:
    found = checked(baseline=imported(), model={"max_length": 99})
    assert found["model"] == {"max_length": 99}
    assert checked(baseline=imported())["model"] == {}
    with pytest.raises(ValueError, match=r"model.d_model: the baseline is imported as it is; only max_length"):
        checked(baseline=imported(), model={"d_model": 64})


def test_what_is_downloaded_and_how_the_command_names_it() -> None:
    found = checked(baseline=imported())
    place = "models.example.org/released/model.tar.gz"
    assert list(imports.downloads(found)) == [place]
    assert imports.inputs(found, "store") == [f"store/{place}"]
    assert imports.flags(found, "store", 1) == (
        f"store/{place}::averaged-10-epoch.pt --format opennmt --pieces store/{place}::sentencepiece.model"
    )
    found = checked(baseline={"import": {"format": "marian", "source": FOLDER, "prefix": ">>de<<"}})
    assert imports.flags(found, "store", 1) == ("store/hub.example/org/m/resolve/abc --format marian --prefix '>>de<<'")
    assert len(imports.inputs(found, "store")) == len(imports.downloads(found)) == 2


def test_each_seed_may_have_a_model_of_its_own(tmp_path: Path) -> None:
    for seed in (1, 3):
        (tmp_path / f"seed-{seed}.tzip").write_bytes(bytes([seed]))
    section = {"format": "tzip", "source": str(tmp_path / "seed-{seed}.tzip")}
    found = checked(baseline={"import": section}, seeds=[1, 3])
    assert imports.inputs(found, "store") == [str(tmp_path / f"seed-{seed}.tzip") for seed in (1, 3)]
    assert imports.flags(found, "store", 3) == f"{tmp_path}/seed-3.tzip --format tzip"
    imports.check_data(found, "store", "")
    assert imports.note(found).endswith("tzip, seed-*.tzip")
    (tmp_path / "seed-3.tzip").unlink()
    with pytest.raises(ValueError, match=r"baseline\.import\.source of seed 3\.path: no file '.*seed-3\.tzip'"):
        imports.check_data(found, "store", "")


def test_a_local_model_is_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    found = checked(baseline={"import": {"format": "marian", "source": str(tmp_path / "model")}})
    (tmp_path / "model" / "README.md").touch()  # a model's card; an edit of it imports nothing again
    assert imports.inputs(found, "store") == [str(tmp_path / "model" / "config.json")]
    imports.check_data(found, "store", "")
    found = checked(baseline=imported(source=str(tmp_path / "away"), pieces=str(tmp_path / "model/config.json")))
    with pytest.raises(ValueError, match=r"baseline.import.source.path: no file '.*away'"):
        imports.check_data(found, "store", "")
    with pytest.raises(ValueError, match=r"baseline.import.source.url in mirror: no file"):
        imports.check_data(checked(baseline=imported()), "store", str(tmp_path))


def test_what_is_said_of_an_imported_baseline() -> None:
    assert "the baseline is imported, not trained here: opennmt, averaged-10-epoch.pt" in run.note_flag(
        checked(baseline=imported())
    )
    assert "imported" not in run.note_flag(checked())
    assert "baseline" in run.recorded(checked(baseline=imported()))
    assert '"baseline": {}' not in run.recorded(checked())
