"""What every test shares: one thread a process, properties without deadlines, where the real data lies."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tzip.compression import registry

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tensors are small; threads would only wait for each other

settings.register_profile("tzip", deadline=None, derandomize=True)
settings.load_profile("tzip")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--methods", action="append", default=[], help="a folder of your own methods, tested too")
    parser.addoption("--fuzz", type=int, default=1000, metavar="N", help="damaged files per test of fuzzing")


def pytest_configure(config: pytest.Config) -> None:
    for folder in config.getoption("--methods"):
        registry.extend(folder)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder that holds copies of the real data sets; a test that needs it is skipped where it is not."""
    folder = os.environ.get("TZIP_MIRROR", "")
    if not Path(folder).is_dir() or not folder:
        pytest.skip("TZIP_MIRROR names no folder with copies of the real data sets")
    return Path(folder)
