"""Files that were made to do harm: each refused by name, before it can."""

import os
import pickle
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.faults.conftest import RUN
from tests.toys.packed import make_zip, tar
from tests.toys.workflow import ROOT, environment

REGULAR = tarfile.REGTYPE


def command(*arguments: object) -> str:
    """The one line in which a command of the project must end."""
    words = [sys.executable, *map(str, arguments)]
    streams = {"capture_output": True, "text": True}
    done = subprocess.run(words, cwd=ROOT, env=environment(ROOT), timeout=120, **streams)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert line.startswith("error: "), done.stderr
    return line


ARCHIVES = {
    "an absolute path": lambda path: tar(path, "w:gz", ("/etc/evil", b"x", REGULAR)),
    "a path with ..": lambda path: make_zip(path, "../evil"),
    "a symbolic link": lambda path: tar(path, "w", ("evil", "/etc", tarfile.SYMTYPE)),
    "a hard link": lambda path: tar(path, "w", ("evil", "/etc/passwd", tarfile.LNKTYPE)),
    "a device": lambda path: tar(path, "w", ("evil", "", tarfile.CHRTYPE)),
    "a link in a zip": lambda path: make_zip(path, "evil", b"/etc", stat.S_IFLNK | 0o777),
    "a bomb": lambda path: make_zip(path, "evil", bytes(1 << 30)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_hostile_archive_is_refused(kind: str, tmp_path: Path, told) -> None:
    member = f"{ARCHIVES[kind](tmp_path / 'a')}::evil"
    flags = ["--languages", "en", "de", "--train", member, member, "--dev", member, member]
    line = command("workflow_scripts/corpus.py", *flags, "--output", tmp_path / "out" / "deep")
    assert "evil" in line or "unpacks to more than" in line
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a"]
    assert not Path("/etc/evil").exists()
    told(
        f"an archive with {kind}" if kind != "a bomb" else "an archive that is a bomb: 1 GiB of zeros",
        "refused by name, nothing written",
        f"`{line.replace(str(tmp_path), '…')}`",
    )


class Evil:
    """What a pickle of it does when it is read."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_checkpoint_with_a_pickle_inside_is_refused(zipped: bool, tmp_path: Path, undisturbed: Path, told) -> None:
    folder, trace = tmp_path / "checkpoint", tmp_path / "trace"
    subprocess.run(["cp", "-r", undisturbed / RUN / "seed-1" / "checkpoint", folder], check=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(pickle.dumps(Evil(trace)))
    if zipped:
        pickled = weights.read_bytes()
        with zipfile.ZipFile(weights, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
    line = command("-m", "tzip", "compress", folder, tmp_path / "x.tzip", "--quantize", "kmeans:bits=4")
    assert "a pickle" in line
    assert not trace.exists()
    assert not (tmp_path / "x.tzip").exists()
    kind = "a pickle, zipped as torch does" if zipped else "a pickle"
    told(f"a checkpoint that is {kind}", "refused by name, never run", f"`{line.replace(str(tmp_path), '…')}`")


@pytest.mark.parametrize("kind", ["noise", "half of a vocabulary", "one byte of it changed"])
def test_a_hostile_vocabulary_is_refused(kind: str, tmp_path: Path, undisturbed: Path, told) -> None:
    good = (undisturbed / RUN / "data" / "pieces.model").read_bytes()
    bad = {
        "noise": bytes(range(256)) * 40,
        "half of a vocabulary": good[: len(good) // 2],
        "one byte of it changed": good[:1] + b"\xff" + good[2:],
    }[kind]
    (tmp_path / "pieces.model").write_bytes(bad)
    text = undisturbed / RUN / "data" / "dev.en"
    flags = ["--source", text, "--target", text, "--max-length", 256, "--output", tmp_path / "dev"]
    line = command("workflow_scripts/encode.py", "--pieces", tmp_path / "pieces.model", *flags)
    assert "SentencePiece model: " in line
    assert not list(tmp_path.glob("dev*"))
    told(f"a SentencePiece model: {kind}", "refused by name", f"`{line.replace(str(tmp_path), '…')}`")
