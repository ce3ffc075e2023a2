"""No report outlives what it follows from: something breaks after a finished run, and its report goes."""

from pathlib import Path

import pytest
import yaml

from tests.data.test_lists import ONE
from tests.data.test_pieces import sentences
from tests.toys import foreign
from tests.toys.foreign import OPENNMT, PIECES, opennmt
from tests.toys.workflow import command, contents, copy_sources
from tzip.files import write_text

RUN = Path("results/small")
SIDES = (("source", "en"), ("target", "de"))
PAIRS = {"train": 40, "dev": 6, "test": 6}
SMALL = {
    "name": "small",
    "dataset": "own",
    "tests": ["test"],
    "baseline": {"import": {"format": "opennmt", "source": "model.pt", "pieces": "pieces.model"}},
    "rows": ["baseline", "kmeans-4bit"],
    "weights": "",
    "attention": {"sentence": "Da.", "rows": ["baseline"], "sentences": 4},
    "model": {"max_length": 40},
    "finetune": {"updates": 2, "batch_tokens": 256},
    "search": {"beam": 1, "max_ratio": 0.5},
    "scores": {"samples": 40, "trials": 40},
}
KILL = "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the repository with a model and texts from elsewhere, and how they are run."""
    folder = copy_sources(tmp_path)
    for seed, (part, count) in enumerate(PAIRS.items()):
        lines = "".join(f"{sentence}\n" for sentence in sentences(count, 20 + seed))
        for side in ("en", "de"):
            write_text(folder / "corpora" / f"{part}.{side}", lines)
    opennmt(folder / "model.pt", foreign.model(4 + len(PIECES), **OPENNMT), "2018")
    (folder / "pieces.model").write_bytes(ONE)
    files = {part: {side: {"path": f"corpora/{part}.{end}"} for side, end in SIDES} for part in PAIRS}
    own = {"languages": ["en", "de"], "train": [files["train"]], "dev": [files["dev"]], "test": {"test": files["test"]}}
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL | {"datasets": {"own": own}}), encoding="utf-8")
    return folder


def snakemake(folder: Path, ok: bool = True) -> str:
    return command(folder, "snakemake", "--cores", "2", "--configfile", "small.yaml", ok=ok)


def test_what_breaks_after_a_finished_run_takes_the_report_with_it(folder: Path, told) -> None:
    snakemake(folder)
    shown = ["report.html", "tables/*", "timings/table1.txt"]
    results = ["tables/*", "seed-1/*/*.tzip", "seed-1/*/*.score.json"]
    before = contents(folder, results, RUN)
    assert len(before) > 20
    broken = {  # a file, and what becomes of it
        "tzip/quantizers/kmeans.py": lambda data: data + b"\nraise RuntimeError('a method that breaks')\n",
        "tzip/compression/parametrization.py": lambda data: data + KILL.encode(),
        "small.yaml": lambda data: data.replace(b"max_length: 40", b"max_length: 2"),
        "corpora/test.de": lambda data: b"\xff" + data,
        "model.pt": lambda data: data[: len(data) // 2],
    }
    for name, change in broken.items():
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(change(whole))
        for _ in range(2):
            said = snakemake(folder, ok=False)
            assert "Nothing to be done" not in said, name
            left = contents(folder, shown, RUN)
            assert "report.html" not in left, name
            assert "timings/table1.txt" not in left, name
            assert "tables/table1.csv" not in left, name
        (folder / name).write_bytes(whole)
    snakemake(folder)
    assert contents(folder, results, RUN) == before
    assert "Nothing to be done" in snakemake(folder)
    told(
        "a finished run, then a method, an option, a text, an imported model that breaks, a job that is killed",
        "the report goes at once; the same command fails again until it is mended",
        f"{len(broken)} times no report, twice each; mended, {len(before)} files with the same bytes",
    )
