"""Scripts and subcommands run in this process: what a process of their own would say, without its start."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]


def script(name: str, *arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run workflow_scripts/NAME.py in `folder`; its exit status, standard output and standard error."""
    path = str(ROOT / "workflow_scripts" / f"{name}.py")
    return _captured([path, *map(str, arguments)], folder, lambda: runpy.run_path(path, run_name="__main__"))


def tzip(*arguments: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`, as `script` does."""
    from tzip import cli

    return _captured(["tzip", *map(str, arguments)], folder, cli.main)


def _captured(argv: list[str], folder: Path, main) -> subprocess.CompletedProcess[str]:
    out, err, code = _stream(), _stream(), 0
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with mock.patch.object(sys, "argv", argv), _inside(folder), streams[0], streams[1]:
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=err)
    texts = (stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err))
    return subprocess.CompletedProcess(argv, code, *texts)


def _stream() -> io.TextIOWrapper:
    raw = io.BytesIO()
    return io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="\n", write_through=True)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
