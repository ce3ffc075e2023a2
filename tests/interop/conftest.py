"""Environments of other toolkits, made where they are missing, and the text that models are trained on."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from tzip.data.grammar import generate
from tzip.files import write_text

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("TZIP_INTEROP", HERE.parents[1] / ".interop"))
SIZES = {"test": 500, "dev": 200, "train": 12000}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """name → a folder with train, dev and test of the embedded corpus in it."""

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        pairs = generate(sum(SIZES.values()), 1)
        for part, count in SIZES.items():
            for end, text in zip(("en", "de"), zip(*islice(pairs, count), strict=True), strict=True):
                write_text(folder / f"{part}.{end}", "".join(f"{line}\n" for line in text))
        return folder

    return make


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Path]:
    """name → the Python that has the packages of NAME.txt; skips the test, saying why, where pip fails."""

    def make(name: str) -> Path:
        folder, wanted = PLACE / name, (HERE / f"{name}.txt").read_text()
        python, ready = folder / "bin" / "python", folder / ".ready"
        if ready.exists() and ready.read_text() == wanted:
            return python
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        torch = wanted.splitlines()[0]  # with all that its build asks for; the others are listed in full
        for packages in ([torch], ["--no-deps", "--requirement", str(HERE / f"{name}.txt")]):
            pip = [python, "-m", "pip", "install", "--quiet", *packages]
            done = subprocess.run(pip, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                last = done.stdout.strip().splitlines()[-1:]
                pytest.skip(f"{name}: pip cannot install {packages[-1]}: {' '.join(last)}")
        ready.write_text(wanted)
        return python

    return make


@pytest.fixture(scope="session")
def peer(corpus: Callable[[str], Path], environment: Callable[[str], Path]) -> Callable[[str, str, int], Path]:
    """(environment, script, updates) → the folder in which a peer has trained, and recorded what it does."""
    made: dict[tuple[str, str], Path] = {}
    failed: dict[tuple[str, str], str] = {}

    def run(name: str, script: str, updates: int) -> Path:
        key = (name, script)
        assert key not in failed, failed[key]
        if key not in made:
            python, folder = environment(name), corpus(name)
            command = [str(python), "-W", "ignore", str(HERE / "peers" / script), str(folder), str(updates)]
            plain = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            done = subprocess.run(command, env=plain, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode:
                failed[key] = done.stdout[-4000:]
            assert key not in failed, failed[key]
            made[key] = folder
        return made[key]

    return run
