"""Configurations: which are right, what each mistake is told, and what follows from data sets and variants."""

import copy
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.toys.configuration import DEFAULT, ROOT, changed, load, refused
from tzip.compression import registry
from tzip.config import BASELINE, datasets, run, students

FILES = sorted(path.name for path in (ROOT / "config").glob("*.yaml") if path.name != "datasets.yaml")


@pytest.mark.parametrize("file", FILES)
def test_every_configuration_of_the_repository_is_right(file: str) -> None:
    below = ["mixed.yaml"] if file == "mixed-base.yaml" else []
    checked = run.check(load(*below, file))
    students.check(checked)
    assert BASELINE in checked["rows"]
    if file in ("multi30k-baseline.yaml", "multi30k-taught.yaml"):  # nothing of them is fine-tuned
        assert not any(students.is_tuned(checked, row) for row in checked["rows"])
        return
    control = checked["variants"][checked["control"]]
    assert checked["control"] in checked["rows"]
    assert control["quantize"]["method"] == "fp16"
    assert (checked["finetune"] | control["finetune"]).get("updates", 1) > 0
    own = ("methods", "multi30k-frontier", "multi30k-pruned", "multi30k-longer", "firefox")  # have rows of their own
    if file.removesuffix(".yaml") not in own:
        assert set(DEFAULT["rows"]) <= set(checked["rows"])


def test_the_run_of_all_methods_has_them_all() -> None:
    """Every quantizer and pruner, both kinds of student, a budget, a taught variant and all selections."""
    checked = run.check(load("methods.yaml"))
    variants = [checked["variants"][row] for row in checked["rows"]]
    for step, kind in (("quantize", "quantizers"), ("prune", "pruners")):
        assert {one[step]["method"] for one in variants if step in one} == set(registry.names(kind))
    assert {"budget", "from", "prune", "quantize"} <= {key for one in variants for key in one}
    assert any(one["finetune"].get("teacher") for one in variants)
    selected = {one["prune"].get("select", "uniform") for one in variants if "prune" in one}
    assert selected == {"uniform", "blind", "distribution"}


def test_defaults_are_filled_in_at_every_depth_and_the_given_is_kept() -> None:
    given = copy.deepcopy(DEFAULT)
    for key in ("seeds", "attention", "threads"):
        given.pop(key, None)
    given["threads"] = {"train": 7}
    checked = run.check(given)
    assert checked["seeds"] == [1]
    assert checked["threads"] == {"train": 7, "compress": 1, "translate": 1}
    assert checked["attention"]["rows"] == ["baseline"]
    assert checked["variants"]["baseline"] == {"finetune": {}}
    assert "finetune" not in given["variants"]["baseline"]  # the input is left alone


def test_numbers_of_the_command_line_are_numbers() -> None:
    """Snakemake's --config seeds=[1,2] gives a list of texts."""
    given = changed("seeds", ["1", "2"]) | {"threads": {"train": "2"}, "training": {"updates": "7"}}
    checked = run.check(given)
    assert checked["seeds"] == [1, 2]
    assert checked["threads"]["train"] == 2


def own(**dataset: object) -> dict:
    """The default configuration with a data set `own` of these keys; its test set is called `test`."""
    return changed("datasets/own", {"languages": ["en", "de"]} | dataset) | {"dataset": "own"}


def pair(name: str, **more: object) -> dict:
    return {side: {"path": f"{name}.{side}"} | more for side in ("source", "target")}


URL = "https://example.org/a%20b/text.zip"
SHA256 = hashlib.sha256(b"text").hexdigest()
REMOTE = {"url": URL, "sha256": SHA256}
LOCAL = own(train=[pair("train")], dev=[pair("dev")], test={"test": pair("test")})

WRONG_DATA = [
    ({"train": [pair("train")]}, "datasets.own: no development set; give dev, or split.dev"),
    ({"train": [pair("train", url=URL)], "dev": [pair("dev")]}, "datasets.own: a file is given by url or"),
    ({"train": [pair("train", sha265=SHA256)]}, "unknown key 'sha265' in datasets.own.train.0.source; did"),
    ({"train": [pair("train", sha256="1234")]}, "datasets.own.train.0.source.sha256 = '1234' is not 64 hex"),
    ({"train": [pair("train", column=0)]}, "datasets.own.train.0.source.column: 0 is less than"),
    ({"train": [{"source": {"path": "a"}}]}, "key 'target' is missing in datasets.own.train.0"),
    ({"train": [{"source": REMOTE | {"url": "ftp://x/y"}, "target": REMOTE}]}, "datasets.own.train.0.source.url"),
    ({"languages": ["en", "en"]}, "datasets.own.languages names 'en' twice"),
    ({"grammar": {"train": 1, "dev": 1, "seed": 1}}, "key 'test' is missing in datasets.own.grammar"),
    ({"train": [pair("train")], "split": {"devs": 1}}, "unknown key 'devs' in datasets.own.split; did you mean"),
    ({"trian": []}, "unknown key 'trian' in datasets.own; did you mean 'train'?"),
]
WRONG = [
    ("trainign", {}, "unknown key 'trainign' in the configuration; did you mean 'training'? choose from name,"),
    ("training/updats", 5, "unknown key 'updats' in training; did you mean 'updates'? choose from updates,"),
    ("finetune/lr", 5, "unknown key 'lr' in finetune; choose from updates,"),
    ("search/beams", 5, "unknown key 'beams' in search; did you mean 'beam'? choose from beam,"),
    ("teacher/beams", 5, "unknown key 'beams' in teacher; did you mean 'beam'? choose from beam,"),
    ("students/tiny", {"date": "both"}, "unknown key 'date' in students.tiny; did you mean 'data'? choose"),
    ("students/tiny", {"data": "some"}, "students.tiny.data = 'some' is not one of train, teacher, both"),
    ("pieces/vocab", 5, "unknown key 'vocab' in pieces; choose from "),
    ("scores/sample", 5, "unknown key 'sample' in scores; did you mean 'samples'? choose from samples,"),
    ("model/width", 5, "unknown key 'width' in model; choose from preset, d_model,"),
    ("model/vocabulary", 5, "unknown key 'vocabulary' in model; choose from preset, d_model,"),
    ("model/preset", "huge", "model.preset = 'huge' is not one of tiny, small, base"),
    ("model/heads", 3, "model: d_model = 128 is not even and a multiple of heads = 3"),
    ("model/norm", "none", "model: norm = 'none' is not one of post, pre"),
    ("training/schedule", "nome", "training: schedule = 'nome' is not one of noam,"),
    ("training/updates", -1, "training: updates = -1 is not an integer at least 0"),
    ("training/updates", "many", "training: updates = 'many' is not an integer at least 0"),
    ("search/beam", 0, "search: beam = 0 is not an integer at least 1"),
    ("threads/trian", 1, "unknown key 'trian' in threads; did you mean 'train'? choose from train,"),
    ("threads/train", 0, "threads.train: 0 is less than the minimum of 1"),
    ("attention/row", [], "unknown key 'row' in attention; did you mean 'rows'? choose from sentence,"),
    ("attention/rows", ["kmeans-3bit"], "attention.rows = 'kmeans-3bit' is not defined; did you mean"),
    ("weights", "kmeans-3bit", "weights = 'kmeans-3bit' is not a row of kmeans; did you mean"),
    ("weights", "bs-fixed", "weights = 'bs-fixed' is not a row of kmeans; choose from"),
    ("speed", [{"row": "kmeans-3bit"}], "speed.row = 'kmeans-3bit' is not defined; did you mean"),
    ("speed", [{"row": "baseline", "type": "int4"}], "speed.0.type = 'int4' is not one of float32, int16, int8"),
    ("speed", [{"row": "baseline", "beams": 4}], "unknown key 'beams' in speed.0; did you mean 'beam'?"),
    ("speed", [{"type": "int8"}], "key 'row' is missing in speed.0"),
    ("speed", [{"row": "baseline"}, {"row": "baseline", "beam": 5}], "speed names {'type': 'float32', 'beam': 5,"),
    ("shortlist/best", 5, "unknown key 'best' in shortlist; choose from candidates,"),
    ("name", "../elsewhere", "name = '../elsewhere' is not a folder's name"),
    ("seeds", [], "seeds: [] "),
    ("seeds", ["one"], "seeds.0 = 'one' is not of type integer"),
    ("seeds", [1, 1], "seeds names 1 twice"),
    ("dataset", "multi30", "dataset = 'multi30' is not defined; did you mean 'multi30k'? choose from"),
    ("tests", ["test2016"], "tests = 'test2016' is not defined; did you mean"),
    ("rows", ["baseline", "kmeans-44bit"], "rows = 'kmeans-44bit' is not defined; did you mean"),
    ("rows", ["fp16"], "rows: 'baseline' is missing"),
    ("variants/kmeans-4bit/quantise", {}, "unknown key 'quantise' in variants.kmeans-4bit; did you mean"),
    ("variants/kmeans-4bit/scope", "linaer", "variants.kmeans-4bit: scope = 'linaer' is not one of attention,"),
    ("variants/kmeans-4bit/rest", "int8", "variants.kmeans-4bit: rest = 'int8' is not one of float32, float16"),
    (
        "variants/kmeans-4bit/quantize/method",
        "kmean",
        "variants.kmeans-4bit.quantize.method = 'kmean' is not one of binarize, binarynet",
    ),
    ("variants/kmeans-4bit/quantize", {"bits": 4}, "key 'method' is missing in variants.kmeans-4bit.quantize"),
    ("variants/kmeans-4bit/quantize/bits", 9, "variants.kmeans-4bit.quantize: bits = 9 is not an integer"),
    (
        "variants/kmeans-4bit/quantize/bit",
        4,
        "unknown key 'bit' in variants.kmeans-4bit.quantize; did you mean 'bits'?",
    ),
    ("variants/kmeans-4bit/biases/method", "fp8", "variants.kmeans-4bit.biases.method = 'fp8' is not one of"),
    (
        "variants/kmeans-4bit/finetune",
        {"update": 4},
        "unknown key 'update' in variants.kmeans-4bit.finetune; did you mean 'updates'?",
    ),
    (
        "variants/pruned-50-80/prune/method",
        "kmeans",
        "variants.pruned-50-80.prune.method = 'kmeans' is not one of magnitude",
    ),
    ("variants/spare", {"quantize": {"method": "kmeans", "bits": 12}}, "variants.spare.quantize: bits = 12"),  # unused
    ("variants/pruned-50-80/prune/end", 1.5, "variants.pruned-50-80.prune: end = 1.5 is not a number"),
    ("variants/pruned-50-80/prune/sparsity", 0.5, "unknown key 'sparsity' in variants.pruned-50-80.prune; choose from"),
]


MISTAKES = [(changed(path, value), says) for path, value, says in WRONG]
MISTAKES += [(own(**dataset), says) for dataset, says in WRONG_DATA]
MISTAKES += [
    (
        own(train=[pair("train")], dev=[pair("dev")], test={name: pair("test")}) | {"tests": [name]},
        f"tests = '{name}' is the name of the {whose}; call the test set otherwise",
    )
    for name, whose in (("dev", "development set"), ("mean", "mean of the test sets"))
]
MISTAKES += [
    (LOCAL | {"dataset": "newstest2017"}, "dataset = 'newstest2017' is not defined"),  # it has test sets alone
    (
        {key: value for key, value in DEFAULT.items() if key != "variants"},
        "key 'variants' is missing in the configuration",
    ),
]


@pytest.mark.parametrize(("config", "says"), MISTAKES, ids=[says[:60] for _, says in MISTAKES])
def test_a_mistake_is_told_in_one_line_with_the_choices(config: dict, says: str) -> None:
    with refused(says):
        run.check(config)


def test_a_variant_as_flags_and_its_methods_files() -> None:
    variant = {
        "quantize": {"method": "kmeans", "bits": 4},
        "biases": {"method": "kmeans", "bits": 8},
        "prune": {"method": "magnitude", "start": 0.5},
        "scope": "all",
        "finetune": {"updates": 7},
    }
    assert run.variant_flags(variant, {"updates": 3, "warmup": 2}) == (
        "--quantize kmeans:bits=4 --biases kmeans:bits=8 --prune magnitude:start=0.5 --scope all --updates 7 --warmup 2"
    )
    assert run.method_files(variant) == [ROOT / "tzip/pruners/magnitude.py", ROOT / "tzip/quantizers/kmeans.py"]
    assert run.method_files({"finetune": {}}) == []
    assert run.variant_flags({"rest": "float16", "finetune": {}}, {"updates": 3}) == "--rest float16"
    assert run.variant_flags({"from": "tiny", "rest": "float16", "finetune": {}}, {}) == "--rest float16"
    still = {"quantize": {"method": "fp16"}, "finetune": {"updates": 0}}
    assert run.variant_flags(still, {"updates": 3, "warmup": 2}) == "--quantize fp16 --scope linear --updates 0"


@pytest.mark.parametrize(
    ("variant", "of_the_start", "flags"),
    [
        ({"quantize": {"method": "kmeans"}}, False, ""),
        ({"quantize": {"method": "gptq"}}, True, ""),
        ({"prune": {"method": "obs"}, "quantize": {"method": "kmeans"}}, True, ""),
        ({"prune": {"method": "magnitude"}, "quantize": {"method": "gptq"}}, False, "--sentences 9"),
        ({"prune": {"method": "obd"}, "quantize": {"method": "kmeans"}, "budget": "8x"}, True, "--sentences 9"),
    ],
)
def test_each_stage_has_statistics_of_the_model_before_it(variant: dict, of_the_start: bool, flags: str) -> None:
    """Those of the model that a variant starts from are a file; those of a later stage are measured for it."""
    variant |= {"finetune": {}}
    assert run.needs_statistics(variant) == of_the_start
    assert run.calibration_flags(variant, {"sentences": 9}) == flags


def test_a_configuration_is_checked_without_torch() -> None:
    """At every start of Snakemake; torch alone would take longer than all else together."""
    code = (
        "import sys; from tests.toys.configuration import load; from tzip.config import run as config;"
        "config.check(load()); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# ── data sets ─────────────────────────────────────────────────────────────────────────────────────


def test_a_data_set_of_test_sets_alone_lends_them() -> None:
    lent = run.check(LOCAL | {"tests": ["test", "newstest2017"]})
    assert datasets.held_out_tests(lent) == ["test", "newstest2017"]


def test_all_test_sets_are_held_out_whichever_are_scored() -> None:
    checked = run.check(load("multi30k.yaml") | {"tests": ["coco"]})
    assert datasets.held_out_tests(checked) == ["test2016", "test2017", "coco", "test2018"]
    assert len(datasets.downloads(checked)) == 12


def test_files_become_flags_and_places() -> None:
    zipped = {"source": REMOTE | {"member": "a.txt", "column": 1}, "target": REMOTE | {"member": "a.txt", "column": 2}}
    checked = run.check(own(train=[zipped], split={"dev": 5, "test": 6, "seed": 1}))
    assert datasets.corpus_flags(checked, "down") == (
        "--train 'down/example.org/a b/text.zip::a.txt#1' 'down/example.org/a b/text.zip::a.txt#2'"
        " --split dev=5,test=6,seed=1"
    )
    assert datasets.source_files(checked, "down") == ["down/example.org/a b/text.zip"]
    assert list(datasets.downloads(checked)) == ["example.org/a b/text.zip"]
    assert datasets.held_out_tests(checked) == ["test"]


def write(folder: Path, *names: str) -> None:
    for name in names:
        for side in ("source", "target"):
            (folder / f"{name}.{side}").write_text("text")


def test_local_files_are_looked_at_before_any_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = run.check(LOCAL)
    write(tmp_path, "train", "dev")
    with pytest.raises(ValueError, match=r"^datasets\.own\.test\.test\.source\.path: no file 'test\.source'$"):
        datasets.check_data(checked, "down", "")
    write(tmp_path, "test")
    datasets.check_data(checked, "down", "")
    wrong = own(train=[pair("train", sha256="0" * 64)], dev=[pair("dev", sha256=SHA256.upper())])
    message = rf"^datasets\.own\.train\.0\.source\.path: wrong SHA-256 .*: expected 0{{64}}, found {SHA256}$"
    with pytest.raises(ValueError, match=message):
        datasets.check_data(run.check(wrong | {"tests": ["newstest2017"]}), "down", "")


def test_a_mirror_is_looked_at_for_what_is_not_there_yet(tmp_path: Path) -> None:
    remote = {"source": REMOTE, "target": REMOTE}
    checked = run.check(own(train=[remote], dev=[remote], test={"test": remote}))
    down, mirror = tmp_path / "down", tmp_path / "mirror"
    datasets.check_data(checked, str(down), "")
    datasets.check_data(checked, str(down), "https://mirror.example.org")
    with pytest.raises(ValueError, match=r"mirror = .* does not exist; give a folder or a base URL"):
        datasets.check_data(checked, str(down), str(mirror))
    file = mirror / "example.org" / "a b" / "text.zip"
    file.parent.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train\.0\.source\.url in mirror: no file"):
        datasets.check_data(checked, str(down), str(mirror))
    file.write_text("another text")
    with pytest.raises(ValueError, match=f"wrong SHA-256 of .*expected {SHA256}, found"):
        datasets.check_data(checked, str(down), str(mirror))
    (down / "example.org" / "a b").mkdir(parents=True)
    (down / "example.org" / "a b" / "text.zip").write_text("text")
    datasets.check_data(checked, str(down), str(mirror))  # downloaded: the mirror is not asked again


def test_the_corpus_of_the_repository_is_called_synthetic() -> None:
    assert "synthetic" in run.note_flag(run.check(DEFAULT))
    assert run.note_flag(run.check(load("multi30k-baseline.yaml"))) == ""
    assert "imported, not trained here: tzip, multi30k-*" in run.note_flag(run.check(load("multi30k.yaml")))


def test_what_is_recorded_does_not_depend_on_where_the_data_came_from() -> None:
    plain = run.recorded(run.check(DEFAULT))
    assert plain == run.recorded(run.check(changed("mirror", "/somewhere")))
    assert plain == run.recorded(run.check(changed("variants/spare", {})))
    assert plain == run.recorded(run.check(changed("students/spare", {})))
    assert plain != run.recorded(run.check(changed("seeds", [2])))
    taught = changed("students/tiny", {})
    taught["variants"]["fp16"]["from"] = "tiny"
    record = run.recorded(run.check(taught))
    assert '"students": {"tiny": {' in record
    assert '"teachers"' not in record
    taught["students"]["tiny"] = {"data": "both", "teachers": "all"}
    assert '"teachers": "all"' in run.recorded(run.check(taught))


def test_the_tokenizer_of_bleu_follows_the_target_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(target: str, **more: str) -> dict:
        dataset = {"languages": ["en", target], "train": [], "dev": [], "test": {}}
        return run.scores({"dataset": "own", "datasets": {"own": dataset}, "scores": more})

    assert scores("de") == {}
    assert scores("zh") == {"tokenize": "zh"}
    assert scores("zh", tokenize="char") == {"tokenize": "char"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"tokenize = ja-mecab needs a package: pip install 'sacrebleu\[ja\]'"):
        scores("ja")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert scores("ja") == {"tokenize": "ja-mecab"}


def test_norwegian_needs_no_quotes() -> None:
    own = {"languages": yaml.safe_load("[en, no]"), "grammar": DEFAULT["datasets"]["embedded"]["grammar"]}
    config = run.check(changed("datasets/own", own) | {"dataset": "own"})
    assert config["datasets"]["own"]["languages"] == ["en", "no"]
