"""The workflow itself: every step of every row executed on a miniature; what reruns, and what is refused.

One run, in a copy of the repository, is shared by all tests; those that change something change a copy of it.
"""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.toys.workflow import (
    MINIATURE,
    REPORT,
    ROWS,
    RUN,
    SOME,
    command,
    contents,
    copy_sources,
    mini,
    planned,
    planned_rules,
    rewrite,
)
from tzip.data.pieces import Encoded
from tzip.files import read_json
from tzip.format import container

STUDENTS = {"student", "student-4bit", "student-convolutional"}
TRAINING = {"train", "student", "hypotheses", "corpus", "pieces", "encode", "encode_hypotheses", "generate"}
TRAINING |= {"student_pieces", "encode_for_student", "encode_hypotheses_for_student"}
KMEANS = {"student-4bit", "kmeans-8bit", "kmeans-4bit", "kmeans-2bit", "kmeans-1bit", "kmeans-1bit-attention"}

METHOD = '''"""Every weight its tensor's mean."""

from dataclasses import dataclass

import torch

from tzip.compression.parametrization import Latent


@dataclass(frozen=True)
class Options:
    """Nothing to choose."""

    bits = 1


class Quantizer(Latent):
    def quantize(self, weight):
        return torch.zeros_like(weight, dtype=torch.int32), weight.mean().reshape(1), None
'''


def test_a_baseline_in_the_store_is_taken_by_another_run(tmp_path: Path) -> None:
    trained, log = RUN / "seed-1" / "training.json", RUN / "logs" / "train.seed-1.log"
    shared = f"store={tmp_path / 'a store'}"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        mini(copy_sources(tmp_path / name), "--config", shared, "--", str(trained))
    one, two = tmp_path / "one", tmp_path / "two"
    assert "taken from" not in (one / log).read_text()
    assert f"taken from {tmp_path / 'a store'}" in (two / log).read_text()
    patterns = ["seed-1/checkpoint/*", "seed-1/training.json*"]
    assert contents(one, patterns) == contents(two, patterns)
    assert len(contents(two, patterns)) == 5


def count_rows(table: Path) -> int:
    """The rows of a table below its comments and its head."""
    return len([line for line in table.read_text().splitlines() if not line.startswith("#")]) - 1


def test_every_row_is_made_scored_and_shown(finished: Path) -> None:
    rows = yaml.safe_load((finished / MINIATURE).read_text())["rows"]
    assert rows[:-3] == yaml.safe_load((finished / "config.yaml").read_text())["rows"]
    assert len(rows) == 17
    for row in rows:
        folder = finished / RUN / "seed-1" / row
        archive = container.read(folder / "model.tzip")
        assert archive.history["name"] == row
        for file in ("compress.json", "size.json", "test.hyp.txt", "test.time.json", "test.score.json"):
            assert (folder / file).stat().st_size > 0
    assert count_rows(finished / RUN / "tables" / "table1.csv") == len(rows)
    assert (finished / RUN / "report.html").stat().st_size > 10_000
    assert "Table 1" in command(finished, "python", "workflow_scripts/show.py", "--results", str(RUN))


def test_what_speed_lists_is_exported_measured_and_shown(finished: Path) -> None:
    listed = yaml.safe_load((finished / MINIATURE).read_text())["speed"]
    assert count_rows(finished / RUN / "timings" / "inference.csv") == len(listed)
    title = "Translation by CTranslate2 on one core"
    assert title in (finished / RUN / "report.html").read_text()
    assert title in command(finished, "python", "workflow_scripts/show.py", "--results", str(RUN))
    folders = {path.name for path in (finished / RUN).glob("seed-1/*/ctranslate2/*")}
    assert folders == {"float32", "int16", "int8-shortlist"}
    rules = planned_rules(finished, "--config", "speed=[]", "--forceall")
    assert not rules & {"shortlist", "export", "inference", "score_inference", "speed"}


def test_students_are_made_scored_and_shown(finished: Path) -> None:
    folder = finished / RUN / "seed-1"
    sources = (finished / RUN / "data" / "train.en").read_text().splitlines()
    assert len((folder / "teacher" / "train.de").read_text().splitlines()) == len(sources)
    references, both = (len(Encoded(p)) for p in (finished / RUN / "data" / "train", folder / "teacher" / "both"))
    assert references < both <= 2 * references
    forms = {row: container.read(folder / row / "model.tzip").config for row in ("baseline", *STUDENTS)}
    assert {row: form["mixer"] for row, form in forms.items() if row in STUDENTS} == {
        "student": "attention",
        "student-4bit": "attention",
        "student-convolutional": "convolution",
    }
    assert {row: form["vocabulary"] for row, form in forms.items()} == dict.fromkeys(
        ("baseline", "student", "student-4bit"), 500
    ) | {"student-convolutional": 400}
    own = finished / RUN / "data" / "students" / "convolutional"
    assert len(Encoded(own / "teacher.seed-all")) <= len(sources)
    assert [len(Encoded(own / split)) for split in ("train", "dev")] == [references, 40]
    assert (
        container.read(folder / "student-convolutional" / "model.tzip").vocabulary
        == own.joinpath("pieces.model").read_bytes()
    )
    sizes = {row: read_json(folder / row / "size.json") for row in forms}
    assert len({size["baseline_bytes"] for size in sizes.values()}) == 1
    assert sizes["student-4bit"]["ratio_file"] > sizes["student"]["ratio_file"] > 2
    left_out = read_json(folder / "student-convolutional" / "attention.json")["left_out"]
    assert left_out == dict.fromkeys(("encoder", "decoder", "cross"), "the model has pieces of its own")
    assert read_json(folder / "student-4bit" / "compress.json")["student"] == "small"


def test_changing_a_student_reruns_its_rows_alone(copied: Path) -> None:
    rewrite(copied, MINIATURE, lambda c: c["students"]["small"]["training"].update(temperature=3.0))
    jobs = planned(mini(copied, "--dry-run"))
    assert {variant for rule, variant in jobs if rule == "compress"} == {"student", "student-4bit"}
    assert {rule for rule, _ in jobs} & TRAINING == {"student"}


def test_without_students_nothing_is_made_for_them(copied: Path) -> None:
    rewrite(copied, MINIATURE, lambda c: c.update(rows=c["rows"][:-3]))
    assert not planned_rules(copied) & (TRAINING | {"compress"})
    shutil.rmtree(copied / RUN)
    assert planned_rules(copied) & TRAINING == {"train", "corpus", "pieces", "encode", "generate"}


def test_a_second_run_does_nothing(finished: Path) -> None:
    assert "Nothing to be done" in mini(finished)


def test_a_touch_and_the_number_of_cores_rerun_nothing(copied: Path) -> None:
    for path in ("tzip/quantizers/kmeans.py", MINIATURE, "tzip/nmt/train.py"):
        os.utime(copied / path)
    assert planned(mini(copied, "--dry-run", cores=1)) == set()


def test_a_large_corpus_that_was_only_copied_again_reruns_nothing(tmp_path: Path) -> None:
    """Beyond the 1 MB up to which Snakemake by itself looks at more than the time."""
    folder = copy_sources(tmp_path)
    corpora = folder / "corpora"
    corpora.mkdir()
    for side in ("en", "de"):
        for part, count in (("train", 30000), ("dev", 10), ("test", 10)):
            lines = (f"{side} {part}, the sentence of number {i}\n" for i in range(count))
            (corpora / f"{part}.{side}").write_text("".join(lines))
    assert (corpora / "train.en").stat().st_size > 1e6
    train, dev, held = (
        {"source": {"path": f"corpora/{part}.en"}, "target": {"path": f"corpora/{part}.de"}}
        for part in ("train", "dev", "test")
    )
    own = {"languages": ["en", "de"], "train": [train], "dev": [dev], "test": {"held": held}}
    (folder / "own.yaml").write_text(
        yaml.safe_dump({"name": "own", "dataset": "own", "datasets": {"own": own}, "tests": ["held"]})
    )
    run = ("snakemake", "results/own/data/train.en", "--cores", "1", "--configfile", "own.yaml")
    command(folder, *run)
    for path in corpora.iterdir():
        os.utime(path)
    assert planned(command(folder, *run, "--dry-run")) == set()
    other = corpora / "other.en"  # as long and older than the result: mv, cp -p, rsync -a, tar x
    other.write_text((corpora / "train.en").read_text().replace("number 7\n", "number 8\n"))
    os.utime(other, (1e9, 1e9))
    (corpora / "train.en").rename(corpora / "kept.en")
    other.rename(corpora / "train.en")
    assert planned(command(folder, *run, "--dry-run")) == {("corpus", "")}
    (corpora / "train.en").unlink()
    (corpora / "train.en").symlink_to("kept.en")
    assert planned(command(folder, *run, "--dry-run")) == set()
    (corpora / "train.en").unlink()
    (corpora / "kept.en").rename(corpora / "train.en")
    with (corpora / "train.en").open("a") as english, (corpora / "train.de").open("a") as german:
        english.write("one more\n")
        german.write("noch einer\n")
    assert planned(command(folder, *run, "--dry-run")) == {("corpus", "")}


def test_one_core_without_asserts_gives_the_same_bytes_as_two(runs: tuple[Path, Path], copied: Path) -> None:
    patterns = (
        "seed-*/checkpoint/*",
        "seed-*/students/*/checkpoint/*",
        "seed-*/teacher/*",
        "seed-*/*/model.tzip",
        "seed-*/*/*.hyp.txt",
        "seed-*/*/*.score.json",
        "seed-*/*/attention.json",
        "tables/*",
        "data/**/*",
    )
    mini(copied, *SOME, "--", *REPORT)  # the tables of those rows, from what two cores made
    first, second = (contents(folder, patterns) for folder in (copied, runs[1]))
    assert [name for name in second if second[name] != first.get(name)] == []
    assert len([name for name in second if name.endswith("model.tzip")]) == len(ROWS)
    assert len([name for name in second if name.startswith("tables/")]) == 22


def test_changing_one_variants_bits_reruns_that_variant_alone(copied: Path) -> None:
    rewrite(copied, "config.yaml", lambda c: c["variants"]["kmeans-2bit"]["quantize"].update(bits=3))
    before = contents(copied, ["seed-1/*/model.tzip", "seed-1/checkpoint/*"])
    jobs = planned(mini(copied, "--dry-run"))
    assert {variant for _, variant in jobs} == {"kmeans-2bit", ""}
    assert {rule for rule, variant in jobs if variant} >= {"compress", "size", "translate", "score"}
    assert not {rule for rule, _ in jobs} & TRAINING
    mini(copied)
    after = contents(copied, ["seed-1/*/model.tzip", "seed-1/checkpoint/*"])
    assert [name for name in after if after[name] != before[name]] == ["seed-1/kmeans-2bit/model.tzip"]
    assert "Nothing to be done" in mini(copied)


def test_every_step_of_a_variant_can_be_pasted_into_a_shell(copied: Path) -> None:
    folder = copied / RUN / "seed-1" / "pruned-50-80"
    files = ["model.tzip", "size.json", "test.hyp.txt", "test.score.json"]
    before = {name: (folder / name).read_bytes() for name in files}
    shown = mini(
        copied, "-np", "--forcerun", "compress", "--", *(str(RUN / "seed-1" / "pruned-50-80" / f) for f in files)
    )
    lines = [line.strip() for line in shown.splitlines()]
    starts = ("Shell command: python workflow_scripts/", "Shell command: tzip ")
    lines = [line.removeprefix("Shell command: ") for line in lines if line.startswith(starts)]
    mine = [line for line in lines if "pruned-50-80" in line]
    assert mine[0].startswith("tzip compress ")
    assert len(mine) >= 4
    shutil.rmtree(folder)
    folder.mkdir()
    for line in mine:  # in the order shown, which follows their inputs
        command(copied, "bash", "-euc", line)
    assert {name: (folder / name).read_bytes() for name in files} == before


def test_snakemakes_own_report_has_the_figures_and_tables(finished: Path, tmp_path: Path) -> None:
    mini(finished, "--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    tables, figures = ("table1", "claims", "frontier", "inference"), ("frontier.svg", "attention.png", "cumulative.svg")
    for name in (*(f"{table}.csv" for table in tables), *figures, "report.html"):
        assert name in page


def sweep(folder: Path, bits: list[int], *arguments: str) -> str:
    """The frontier of a grid over `bits` and of two files of equal quality, with no other row than the baseline."""
    alone = {"rows": ["baseline"], "weights": "", "attention": {"rows": ["baseline"]}, "speed": []}
    halves = {"quantize": "fp16", "scope": ["attention", "linear"], "finetune": {"updates": 0}}
    grids = {"select": "dev", "grid": [{"quantize": "kmeans", "bits": bits}, halves]}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(grids | alone))
    return mini(folder, "sweep.yaml", *arguments, "--", str(RUN / "tables" / "frontier.csv"))


def test_a_sweep_is_extended_without_redoing_what_is_done(tmp_path: Path) -> None:
    """Of its variants the tests score only those that the development set chose."""
    folder = copy_sources(tmp_path)
    sweep(folder, [2, 4])
    before = contents(folder, ["seed-1/*/model.tzip", "seed-1/*/*.hyp.txt", "seed-1/checkpoint/*"])
    assert len([name for name in before if name.endswith("model.tzip")]) == 5
    assert "seed-1/fp16-attention/dev.hyp.txt" in before
    assert planned(sweep(folder, [2, 4], "--dry-run")) == set()
    steps = {(rule, "kmeans-b3-linear") for rule in ("compress", "size", "translate", "score")}
    jobs = planned(sweep(folder, [2, 3, 4], "--dry-run"))
    assert jobs == steps | {("record", ""), ("provenance", ""), ("choose", ""), ("frontier", "")}
    sweep(folder, [2, 3, 4])
    after = contents(folder, ["seed-1/*/model.tzip", "seed-1/*/*.hyp.txt", "seed-1/checkpoint/*"])
    assert before.items() < after.items()
    made = {"seed-1/kmeans-b3-linear/model.tzip", "seed-1/kmeans-b3-linear/dev.hyp.txt"}
    assert made <= {*after} - {*before}
    chosen = {"baseline", *read_json(folder / RUN / "chosen.json")["rows"]}
    now = contents(folder, ["seed-1/*/test.*"])
    assert {name.split("/")[1] for name in now} == chosen
    assert "fp16-attention" not in chosen  # as good as fp16-linear, and larger
    lines = pd.read_csv(folder / RUN / "tables" / "frontier.csv", comment="#")
    assert set(lines.loc[lines["test"] == "test", "row"]) == chosen
    assert len(lines[lines["test"] == "dev"]) == 6
    assert set(lines["chosen_by"]) == {"dev"}

    # The command that the frontier prints finds its file made, by the record of the run alone.
    said = command(folder, "python", "-m", "tzip", "frontier", str(RUN), "--at", "1x").splitlines()
    assert "Nothing to be done" in command(folder, *said[-1].split())
    chosen = said[0].partition(":")[0]
    rule = "compress_baseline" if chosen == "baseline" else "compress"
    assert planned(command(folder, *said[-1].split(), "--forcerun", rule, "-n")) == {(rule, chosen)}


MISTAKES = [
    ("grid={quantize: [kmeans, kmaens]}", "grid.quantize = 'kmaens' is not one of binarize, "),
    ("trainign={updates: 5}", "unknown key 'trainign' in the configuration; did you mean"),
    (
        "variants={kmeans-4bit: {quantize: {method: kmaens}}}",
        "variants.kmeans-4bit.quantize.method = 'kmaens' is not one of binarize, binarynet, ecsq, fixed16",
    ),
    (
        "variants={kmeans-4bit: {quantize: {bits: 40}}}",
        "variants.kmeans-4bit.quantize: bits = '40' is not an integer at least 1 and at most 8",
    ),
    ("rows=[baseline, kmeans-5bit]", "rows = 'kmeans-5bit' is not defined; did you mean"),
]


@pytest.mark.parametrize(("setting", "says"), MISTAKES, ids=["grid", "key", "method", "bits", "row"])
def test_a_mistake_stops_before_any_job_in_one_line(finished: Path, setting: str, says: str) -> None:
    """Even where old results lie on disk, that a mistyped name could pass for finished ones."""
    said = mini(finished, "--config", setting, ok=False)
    (line,) = [line for line in said.splitlines() if says in line]
    assert "choose from" in line or "is not" in line
    assert "rule " not in said
    assert "Traceback" not in said


def test_a_method_of_ones_own_is_a_file_and_a_line(copied: Path, tmp_path: Path) -> None:
    """It makes its variant alone, the table has its row, and editing it makes that variant again."""
    own = tmp_path / "own methods" / "quantizers" / "mean.py"
    own.parent.mkdir(parents=True)
    own.write_text(METHOD, encoding="utf-8")
    line = copied / "own.yaml"
    rows = yaml.safe_load((copied / "config.yaml").read_text(encoding="utf-8"))["rows"]
    added = {"mean": {"quantize": {"method": "mean"}, "scope": "attention"}}
    chosen = {"methods": [str(tmp_path / "own methods")], "rows": [*rows, "mean"], "variants": added}
    line.write_text(yaml.safe_dump(chosen), encoding="utf-8")
    table = str(RUN / "tables/table1.csv")
    said = mini(copied, str(line), "--", table)
    assert {variant for rule, variant in planned(said) if rule == "compress"} == {"mean"}
    assert "train" not in {rule for rule, _ in planned(said)}
    assert "mean" in (copied / table).read_text(encoding="utf-8")
    archive = container.read(copied / RUN / "seed-1/mean/model.tzip")
    assert archive.codes["encoder.0.self_attention.query.weight"].entries == 1
    own.write_text(METHOD + "# edited\n", encoding="utf-8")
    again = {variant for rule, variant in planned(mini(copied, str(line), "--", table)) if rule == "compress"}
    assert again == {"mean"}
    own.unlink()
    assert "variants.mean.quantize.method = 'mean' is not one of binarize" in mini(copied, str(line), ok=False)
