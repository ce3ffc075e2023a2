"""How commands end: signals, output in UTF-8, files that are not written over, flags that were meant."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toys import commands
from tzip.files import replacing

SLEEPS = """
import time
from pathlib import Path
from tzip.cli import run
from tzip.files import replacing

def main():
    with replacing("result") as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        time.sleep(60)

run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_its_status_and_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    def heed() -> None:  # a shell starts what runs in the background with interrupts ignored
        signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-c", SLEEPS]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, preexec_fn=heed)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_output_is_utf8_whatever_the_locale(variables: dict[str, str]) -> None:
    command = [sys.executable, "-c", "from tzip.cli import run; run(lambda: print('Stra\\u00dfe'))"]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True)
    assert (done.stdout, done.stderr) == ("Straße\n".encode(), b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("translate nothing <&-", "standard input is closed; name a file to translate"),
        ("methods >&-", "standard output is closed; send it to a file or to /dev/null"),
        ("methods >/dev/full", "No space left on device"),
    ],
)
def test_a_stream_that_cannot_be_used_is_one_line(command: str, says: str, unbuffered: str) -> None:
    shell = ["bash", "-c", f"{sys.executable} -m tzip {command}"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(shell, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {says}\n")


WRITES = {  # a command up to the file that it writes; the work would fail at once on what is named here
    "compress": ("compress", "nothing"),
    "calibrate": ("calibrate", "nothing", "--data", "nothing"),
    "shortlist": ("shortlist", "nothing", "--data", "nothing"),
    "translate": ("translate", "nothing", "nothing", "--output"),
    "time": ("translate", "nothing", "nothing", "--time"),
    "score": ("score", "nothing", "nothing", "--output"),
    "statistics": ("score", "nothing", "nothing", "--statistics"),
    "import": ("import", "nothing", "nothing", "--format", "marian", "--summary"),
}


@pytest.mark.parametrize("command", WRITES)
def test_what_is_there_is_refused_before_the_work(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("someone's work")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "file": "exists already; --force replaces it",
        "folder": "is a folder; name a file to write",
        "pipe": "not a regular file; name a file to write",
        "-": "not a regular file; name a file to write",
    }
    for name, says in expected.items():
        path = name if name == "-" else str(tmp_path / name)
        done = commands.tzip(*WRITES[command], path)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {path}: {says}\n")
    done = commands.tzip(*WRITES[command], tmp_path / "file", "--force")
    assert done.returncode == 1
    assert "exists already" not in done.stderr
    assert (tmp_path / "file").read_text() == "someone's work"


def test_a_script_replaces_no_pipe_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: not a regular file"), replacing(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()


def test_a_flag_that_does_not_exist_names_the_one_that_was_meant() -> None:
    done = commands.tzip("translate", "nothing", "--bem", "4")
    assert done.returncode == 2
    assert done.stderr.endswith("tzip translate: error: unrecognized arguments: --bem 4; did you mean --beam?\n")


def test_a_missing_file_is_named_first() -> None:
    assert commands.tzip("inspect", "nothing").stderr == "error: nothing: No such file or directory\n"


def test_python_runs_the_package() -> None:
    done = subprocess.run([sys.executable, "-m", "tzip", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("tzip ")
