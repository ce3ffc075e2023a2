"""Each fault's promise and what happened, gathered into the table of docs/reliability.md."""

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.toys import workflow
from tests.toys.workflow import copy_sources, environment

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
INTRODUCTION = """# When things break

Each fault below was injected for real, into a run that has every kind of job, by

```sh
make test-faults
```

which writes this page when every promise was kept.
"""
RUN = Path("results/nano")
# Every kind of job on as little as can be.
NANO = {
    "name": "nano",
    "dataset": "embedded",
    "tests": ["test"],
    "datasets": {"embedded": {"grammar": {"train": 600, "dev": 20, "test": 20, "seed": 1}}},
    "pieces": {"size": 400},
    "model": {
        "preset": "tiny",
        "encoder_layers": 1,
        "decoder_layers": 1,
        "d_model": 32,
        "d_ff": 32,
        "heads": 2,
        "dropout": 0.1,
    },
    "training": {"updates": 150, "batch_tokens": 512, "every": 50, "average": 2, "learning_rate": 0.01, "warmup": 20},
    "finetune": {"updates": 60, "batch_tokens": 256},
    "search": {"beam": 2, "max_ratio": 1.0},
    "scores": {"samples": 40, "trials": 40},
    "rows": ["baseline", "kmeans-4bit", "pruned-50-80"],
    "weights": "kmeans-4bit",
    "attention": {"sentences": 4, "rows": ["baseline"]},
}

ROWS: list[tuple[int, str, str, str]] = []  # of the table: order, fault, promise, what happened


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """told(fault, promise, what happened) adds a line to the table; a test calls it when all is checked."""

    def tell(fault: str, promised: str, happened: str) -> None:
        ROWS.append((request.session.items.index(request.node), fault, promised, happened))

    return tell


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table, if every fault of the directory was tried and every promise kept."""
    here = set(Path(__file__).parent.glob("*.py")) - {Path(__file__), Path(__file__).with_name("__init__.py")}
    tried = [item.path for item in session.items if item.path in here]
    if exitstatus != 0 or here - set(tried) or len(ROWS) < len(tried):
        return
    lines = ["| fault | promised | what happened |", "|---|---|---|"]
    lines += [f"| {' | '.join(line[1:])} |" for line in sorted(ROWS)]
    PAGE.write_text("\n".join([INTRODUCTION, *lines, ""]), encoding="utf-8")


def copy(folder: Path) -> Path:
    """The repository's sources in a new folder, with the configuration of a nano run."""
    folder.mkdir(parents=True)
    write_configuration(copy_sources(folder), NANO)
    return folder


def write_configuration(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "nano.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def start(
    folder: Path, *arguments: str, cores: int = 2, memory: int = resource.RLIM_INFINITY, **more: str
) -> subprocess.Popen:
    """Snakemake on the nano run, in a session of its own; its output goes on in `said`.

    memory: bytes of address space that each of its processes may have; more: environment variables.
    """
    command = ["snakemake", "--cores", str(cores), "--configfile", "nano.yaml", *arguments]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    return workflow.start(folder, folder / "said", command, more, preexec_fn=limit)


def finish(folder: Path, *arguments: str, cores: int = 2, **more: str) -> str:
    """A run to its end; what it said."""
    (folder / "said").unlink(missing_ok=True)
    status = start(folder, *arguments, cores=cores, **more).wait(1200)
    said = (folder / "said").read_text()
    assert status == 0, said[-5000:]
    return said


def unlock(folder: Path) -> None:
    command = ["snakemake", "--unlock", "--configfile", "nano.yaml"]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True)


def files(folder: Path) -> dict[str, bytes]:
    """What a run promises the same bytes of: data, files of models, translations, tables."""
    patterns = ("data/**/*", "seed-1/*/model.tzip", "seed-1/*/*.hyp.txt", "seed-1/checkpoint/*", "tables/*")
    return workflow.contents(folder, patterns, RUN)


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of files that are not in both with the same bytes."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy(tmp_path_factory.mktemp("undisturbed") / "run")
    finish(folder)
    return folder


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A copy of the repository in which nothing has run; removed at the end, for each takes its room."""
    folder = copy(tmp_path / "run")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
