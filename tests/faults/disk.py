"""A disk that is full, or may not be written to: what has its final name is whole, and a rerun finishes."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import differing, files, finish, start

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def disk(fresh: Path) -> Iterator[Path]:
    """results/ of a fresh copy as a disk of its own."""
    folder = fresh / "results"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tzip", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(disk)], check=True)


def test_a_full_disk_leaves_no_half_written_file(disk: Path, fresh: Path, undisturbed: Path, told) -> None:
    whole, failed, size, attempts = files(undisturbed), set(), 64, 0
    while True:
        (fresh / "said").unlink(missing_ok=True)
        status = start(fresh, "--rerun-incomplete").wait(600)
        attempts += 1
        said = (fresh / "said").read_text()
        half = [name for name, content in files(fresh).items() if content != whole.get(name)]
        assert half == [], f"at {size} kB"
        if status == 0:
            break
        failed |= set(re.findall(r"Error in rule (\w+):", said))
        size = round(size * 1.3)
        assert size < 200_000, said[-3000:]
        remount(disk, f"size={size}k")
    assert differing(files(fresh), whole) == []
    told(
        "a disk that is full",
        "no half-written file under its final name; a rerun with room finishes",
        f"full {attempts - 1} times, from 64 kB to {size:,} kB, in {', '.join(sorted(failed))}: "
        "all files whole, at the end the same bytes",
    )


def test_results_that_may_not_be_written_are_named(disk: Path, fresh: Path, undisturbed: Path, told) -> None:
    remount(disk, "ro")
    assert start(fresh).wait(300) != 0
    said = (fresh / "said").read_text()
    assert "Read-only file system" in said
    remount(disk, "rw", "size=2g")
    finish(fresh)
    assert differing(files(fresh), files(undisturbed)) == []
    told(
        "results that may not be written to",
        "the error says so, and nothing is lost",
        "a message that names the read-only file system; once writable, the same bytes",
    )
