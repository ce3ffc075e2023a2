"""Ten thousand damaged files of each kind: each ends in a result or in one line, soon and in little memory.

Each kind is read in a process of its own, `python -m tests.faults.mutants KIND FOLDER`: a crash is seen, too.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from snakemake.utils import update_config

from tests.faults.conftest import RUN
from tests.format.test_fuzz import mutant
from tests.toys.workflow import ROOT, environment
from tzip.config import datasets, run, students
from tzip.data import corpus
from tzip.data.pieces import Encoded
from tzip.format import model as model_file
from tzip.nmt import checkpoint

MUTANTS = 10_000
SECONDS = 10
SIDES = (Path("train.en"), Path("train.de"))


def read_configuration(folder: Path) -> None:
    """As the Snakefile does."""
    settings: dict = {}
    for path in (ROOT / "config/datasets.yaml", ROOT / "config.yaml", folder / "nano.yaml"):
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(given, dict):
            raise ValueError(f"{path}: no settings")
        update_config(settings, given)
    settings.update(run.check(settings))
    students.check(settings)
    datasets.check_data(settings, "results/downloads", "")


def read_corpus(folder: Path) -> None:
    part = tuple(corpus.Side.parse(str(folder / side)) for side in SIDES)
    corpus.build(
        folder / "built",
        ("en", "de"),
        train=[part],
        dev=[],
        tests={},
        options=corpus.Options(),
        split=corpus.Split(dev=20, test=20, seed=1),
    )


def read_model(folder: Path) -> None:
    model_file.restore(folder / "model.tzip")


def read_encoded(folder: Path) -> None:
    encoded = Encoded(folder / "train")
    encoded.lengths()
    encoded.pair(len(encoded) - 1)


# What is read, which files are damaged in turn, and how.
KINDS: dict[str, tuple[str, Callable[[Path], object], tuple[str, ...]]] = {
    "model.tzip": ("seed-1/kmeans-4bit", read_model, ("model.tzip",)),
    "configuration": (".", read_configuration, ("nano.yaml",)),
    "corpus": ("data", read_corpus, ("train.en", "train.de")),
    "encoded corpus": ("data", read_encoded, ("train.tokens.npy", "train.offsets.npy")),
    "checkpoint": ("seed-1/checkpoint", checkpoint.load, checkpoint.FILES),
}


HOSTILE = [
    *("-1", "0", "1e999", ".nan", "9" * 40, "null", "true", "''", "[]", "{}"),
    *("../../etc", "x" * 10_000, "&a", "*a"),
]


def reworded(generator: np.random.Generator, good: bytes) -> bytes:
    """A text in which one to three words or numbers are others of it, or hostile ones."""
    words = re.split(r"([\w.-]+)", good.decode())
    for _ in range(generator.integers(1, 4)):
        at, other = generator.integers(0, len(words) // 2, 2) * 2 + 1
        hostile = str(generator.choice(HOSTILE))
        words[at] = hostile if generator.random() < 0.5 else words[other]
    return "".join(words).encode()


def peak() -> int:
    """The largest resident memory of this process since `forget_peak`, in kB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class Late(Exception):
    """A mutant that took too long; none of the errors that a command turns into a line."""


def late(*_) -> None:
    raise Late


def main(kind: str, folder: Path) -> None:
    """Print how many mutants were read and how many refused; stop at the first that breaks the promise."""
    torch.set_num_threads(1)
    _, read, names = KINDS[kind]
    read(folder)
    forget_peak()
    read(folder)
    honest = peak()
    good = {name: (folder / name).read_bytes() for name in names}
    generator = np.random.default_rng(0)
    found = Counter()
    signal.signal(signal.SIGALRM, late)
    for number in range(MUTANTS):
        name = names[number % len(names)]
        (folder / name).unlink()  # the old one may be mapped
        damage = reworded if kind == "configuration" and number % 4 else mutant
        data = damage(generator, good[name])
        if kind == "configuration":  # what is not UTF-8 is Snakemake's to refuse, before it reads the Snakefile
            data = data.decode(errors="replace").encode()
        (folder / name).write_bytes(data)
        signal.alarm(SECONDS)
        try:
            read(folder)
            found["read"] += 1
        except (ValueError, OSError, yaml.YAMLError) as error:  # what the commands turn into one line
            found["refused" if str(error) else "silent"] += 1
        except BaseException:
            print(f"mutant {number}, of {name}:", file=sys.stderr)
            raise
        signal.alarm(0)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(good[name])
    assert peak() <= 2 * honest, f"{peak()} kB, {honest} kB for the honest file"
    assert not found["silent"]
    print(
        f"{found['refused']:,} refused in one line, {found['read']:,} read; "
        f"at most {peak() / honest:.2f} times the honest file's memory"
    )


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's count of peak memory")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_a_result_or_in_one_line(kind: str, tmp_path: Path, undisturbed: Path, told) -> None:
    place = KINDS[kind][0]
    folder = tmp_path / "copy"
    if place == ".":
        folder.mkdir()
        shutil.copy(undisturbed / "nano.yaml", folder)
    else:
        shutil.copytree(undisturbed / RUN / place, folder)
    command = [sys.executable, "-m", "tests.faults.mutants", kind, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment(ROOT), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told(
        f"{MUTANTS:,} damaged files: {kind}",
        f"each is read or refused in one line, within {SECONDS} s and twice the memory of an honest file",
        done.stdout.strip(),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
