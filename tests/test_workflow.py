"""The workflow itself: every step of every row executed on a miniature; what reruns, and what is refused.

One run, in a copy of the repository, is shared by all tests; those that change something change a copy of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tzip import container

ROOT = Path(__file__).parent.parent
SOURCES = (
    "Snakefile",
    "config.yaml",
    "config",
    "envs",
    "profiles",
    "report",
    "rules",
    "schemas",
    "tzip",
    "workflow_scripts",
)
MINIATURE = "config/miniature.yaml"
RUN = Path("results/miniature")
KMEANS = {"kmeans-8bit", "kmeans-4bit", "kmeans-2bit", "kmeans-1bit", "kmeans-1bit-attention"}

pytestmark = pytest.mark.xdist_group("workflow")


def environment(folder: Path) -> dict[str, str]:
    """Commands of a copied repository import the copy's library, and ask for no mirror."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {key: value for key, value in os.environ.items() if key not in ("TZIP_MIRROR", "OMP_NUM_THREADS")}
    return kept | {"PATH": path, "PYTHONPATH": str(folder), "NO_COLOR": "1"}


def command(folder: Path, *arguments: str, ok: bool = True) -> str:
    """What a command says, in a copy of the repository."""
    done = subprocess.run(arguments, cwd=folder, env=environment(folder), text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout[-6000:]
    return done.stdout


def mini(folder: Path, *arguments: str, cores: int = 2, ok: bool = True) -> str:
    return command(folder, "snakemake", "--cores", str(cores), "--configfile", MINIATURE, *arguments, ok=ok)


def planned(output: str) -> set[tuple[str, str]]:
    """(rule, variant) of each job that a dry run would do."""
    jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return {(rule, *(re.findall(r"variant=([\w-]+)", block) or [""])) for rule, block in jobs}


def copy_sources(folder: Path) -> Path:
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def contents(folder: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    paths = sorted(path for pattern in patterns for path in (folder / RUN).glob(pattern))
    return {str(path.relative_to(folder / RUN)): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two copies of the repository: one ran the whole miniature on two cores, one its tables on one core.

    They run side by side, for on two cores that halves the time of waiting.
    """
    both = (
        copy_sources(tmp_path_factory.mktemp("two-cores")),
        copy_sources(tmp_path_factory.mktemp("one-core")),
    )
    tables = [str(RUN / "tables" / f"{name}.csv") for name in ("table1", "claims")]
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(mini, both[0], cores=2)
        pool.submit(mini, both[1], "--", *tables, cores=1).result()
        whole.result()
    return both


@pytest.fixture(scope="session")
def finished(runs: tuple[Path, Path]) -> Path:
    return runs[0]


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The finished run, to be changed."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def rewrite(folder: Path, file: str, change) -> None:
    path = folder / file
    found = yaml.safe_load(path.read_text())
    change(found)
    path.write_text(yaml.safe_dump(found, sort_keys=False))


def test_every_row_is_made_scored_and_shown(finished: Path) -> None:
    rows = yaml.safe_load((finished / "config.yaml").read_text())["rows"]
    assert len(rows) == 13
    for row in rows:
        folder = finished / RUN / "seed-1" / row
        archive = container.read(folder / "model.tzip")
        assert archive.history["name"] == row
        for file in ("compress.json", "size.json", "test.hyp.txt", "test.time.json", "test.score.json"):
            assert (folder / file).stat().st_size > 0
    table = (finished / RUN / "tables" / "table1.csv").read_text()
    assert len([line for line in table.splitlines() if not line.startswith("#")]) == 1 + len(rows)
    assert (finished / RUN / "report.html").stat().st_size > 10_000
    assert "Table 1" in command(finished, "python", "workflow_scripts/show.py", "--results", str(RUN))


def test_what_speed_lists_is_exported_measured_and_shown(finished: Path) -> None:
    listed = yaml.safe_load((finished / MINIATURE).read_text())["speed"]
    table = (finished / RUN / "timings" / "inference.csv").read_text()
    assert len([line for line in table.splitlines() if not line.startswith("#")]) == 1 + len(listed)
    title = "Translation by CTranslate2 on one core"
    assert title in (finished / RUN / "report.html").read_text()
    assert title in command(finished, "python", "workflow_scripts/show.py", "--results", str(RUN))
    folders = {path.name for path in (finished / RUN).glob("seed-1/*/ctranslate2/*")}
    assert folders == {"float32", "int16", "int8-shortlist"}
    jobs = planned(mini(finished, "--config", "speed=[]", "--dry-run", "--forceall"))
    assert not {rule for rule, _ in jobs} & {"shortlist", "export", "inference", "score_inference", "speed"}


def test_a_second_run_does_nothing(finished: Path) -> None:
    assert "Nothing to be done" in mini(finished)


def test_a_touch_and_the_number_of_cores_rerun_nothing(copied: Path) -> None:
    for path in (
        copied / "tzip" / "quantizers" / "kmeans.py",
        copied / MINIATURE,
        copied / "tzip" / "train.py",
    ):
        os.utime(path)
    assert planned(mini(copied, "--dry-run", cores=1)) == set()


def test_one_core_gives_the_same_bytes_as_two(runs: tuple[Path, Path]) -> None:
    patterns = ("seed-*/checkpoint/*", "seed-*/*/model.tzip", "seed-*/*/*.hyp.txt", "seed-*/*/*.score.json",
                "seed-*/*/attention.json", "tables/*", "data/**/*")  # fmt: skip
    first, second = (contents(folder, patterns) for folder in runs)
    assert [name for name in first if first[name] != second.get(name)] == []
    assert len([name for name in first if name.endswith("model.tzip")]) == 13
    assert len([name for name in first if name.startswith("tables/")]) == 13


def test_changing_one_variants_bits_reruns_that_variant_alone(copied: Path) -> None:
    rewrite(copied, "config.yaml", lambda c: c["variants"]["kmeans-2bit"]["quantize"].update(bits=3))
    before = contents(copied, ["seed-1/*/model.tzip", "seed-1/checkpoint/*"])
    jobs = planned(mini(copied, "--dry-run"))
    assert {variant for _, variant in jobs} == {"kmeans-2bit", ""}
    assert {rule for rule, variant in jobs if variant} >= {"compress", "size", "translate", "score"}
    assert not {rule for rule, _ in jobs} & {"train", "corpus", "pieces", "encode", "generate"}
    mini(copied)
    after = contents(copied, ["seed-1/*/model.tzip", "seed-1/checkpoint/*"])
    assert [name for name in after if after[name] != before[name]] == ["seed-1/kmeans-2bit/model.tzip"]
    assert "Nothing to be done" in mini(copied)


def test_editing_a_method_reruns_its_variants_and_no_training(copied: Path) -> None:
    with (copied / "tzip" / "quantizers" / "kmeans.py").open("a") as file:
        file.write("\n# an edit\n")
    jobs = planned(mini(copied, "--dry-run"))
    assert {variant for rule, variant in jobs if rule == "compress"} == KMEANS
    assert {variant for _, variant in jobs if variant} == KMEANS
    assert not {rule for rule, _ in jobs} & {"train", "corpus", "pieces", "encode", "generate"}


def test_every_step_of_a_variant_can_be_pasted_into_a_shell(copied: Path) -> None:
    folder = copied / RUN / "seed-1" / "pruned-50-80"
    files = ["model.tzip", "size.json", "test.hyp.txt", "test.score.json"]
    before = {name: (folder / name).read_bytes() for name in files}
    shown = mini(
        copied,
        "-np",
        "--forcerun",
        "compress",
        "--",
        *(str(RUN / "seed-1" / "pruned-50-80" / f) for f in files),
    )
    lines = [line.strip() for line in shown.splitlines()]
    lines = [line.removeprefix("Shell command: ") for line in lines if "python workflow_scripts/" in line]
    mine = [line for line in lines if "pruned-50-80" in line]
    assert "workflow_scripts/compress.py" in mine[0]
    assert len(mine) >= 4
    shutil.rmtree(folder)
    folder.mkdir()
    for line in mine:  # in the order shown, which follows their inputs
        command(copied, "bash", "-euc", line)
    assert {name: (folder / name).read_bytes() for name in files} == before


def test_snakemakes_own_report_has_the_figures_and_tables(finished: Path, tmp_path: Path) -> None:
    mini(finished, "--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    for name in (
        "table1.csv",
        "claims.csv",
        "inference.csv",
        "bleu-bytes.svg",
        "attention.png",
        "cumulative.svg",
        "report.html",
    ):
        assert name in page


MISTAKES = {
    "key": ("--config", "trainign={updates: 5}", "unknown key 'trainign' in the configuration; did you mean"),
    "method": (
        "--config",
        "variants={kmeans-4bit: {quantize: {method: kmaens}}}",
        "variants.kmeans-4bit.quantize.method = 'kmaens' is not one of binarize, fp16, kmeans",
    ),
    "bits": (
        "--config",
        "variants={kmeans-4bit: {quantize: {bits: 40}}}",
        "variants.kmeans-4bit.quantize: bits = '40' is not an integer at least 1 and at most 8",
    ),
    "row": ("--config", "rows=[baseline, kmeans-5bit]", "rows = 'kmeans-5bit' is not defined; did you mean"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_stops_before_any_job_in_one_line(finished: Path, mistake: str) -> None:
    """Even where old results lie on disk, that a mistyped name could pass for finished ones."""
    *arguments, says = MISTAKES[mistake]
    said = mini(finished, *arguments, ok=False)
    (line,) = [line for line in said.splitlines() if says in line]
    assert "choose from" in line or "is not" in line
    assert "rule " not in said
    assert "Traceback" not in said
