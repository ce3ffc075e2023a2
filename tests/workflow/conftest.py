"""One run of the miniature, in a copy of the repository, for all tests; changes go into a copy of it."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.toys.workflow import MINIATURE, REPORT, SOME, command, copy_sources, mini


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of the miniature's run go to one process, which makes it once."""
    for item in items:
        if "runs" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("workflow"))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two copies of the repository: one ran the miniature on two cores, one some rows on one, without asserts.

    They run side by side, for on two cores that halves the time of waiting.
    """
    both = (copy_sources(tmp_path_factory.mktemp("two-cores")), copy_sources(tmp_path_factory.mktemp("one-core")))
    with ThreadPoolExecutor() as pool:
        whole = pool.submit(mini, both[0], cores=2)
        bare = ("env", "PYTHONOPTIMIZE=1", "snakemake", "--cores", "1", "--configfile", MINIATURE, *SOME)
        pool.submit(command, both[1], *bare, "--", *REPORT).result()
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
