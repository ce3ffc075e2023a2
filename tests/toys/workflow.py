"""Commands in a copy of the repository: what they say, what they would do, and what they made."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SOURCES = ("Snakefile", "config.yaml", "config", "envs", "profiles", "report", "rules", "tzip", "workflow_scripts")
MINIATURE = "config/miniature.yaml"
RUN = Path("results/miniature")
# Every rule, on some of the rows; speed is not measured on a machine that runs two at a time.
ROWS = ["baseline", "kmeans-4bit", "pruned-50-80", "student-4bit", "student-convolutional"]
SOME = ["--config", "speed=[]", f"rows=[{', '.join(ROWS)}]", "attention={rows: [baseline, kmeans-4bit]}"]
REPORT = [str(RUN / "tables" / f"{name}.csv") for name in ("table1", "claims", "frontier")]


def environment(folder: Path) -> dict[str, str]:
    """Commands of a copied repository import the copy's library, and follow none of the project's own variables."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {
        key: value for key, value in os.environ.items() if key not in ("TZIP_MIRROR", "TZIP_STORE", "OMP_NUM_THREADS")
    }
    return kept | {"PATH": path, "PYTHONPATH": str(folder), "NO_COLOR": "1"}


def command(folder: Path, *arguments: str, ok: bool = True) -> str:
    """What a command says, in a copy of the repository."""
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(folder),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode == 0) == ok, done.stdout[-6000:]
    return done.stdout


def mini(folder: Path, *arguments: str, cores: int = 2, ok: bool = True) -> str:
    return command(folder, "snakemake", "--cores", str(cores), "--configfile", MINIATURE, *arguments, ok=ok)


def start(folder: Path, log: Path, arguments: Sequence[str], more: dict[str, str] | None = None, **how: Any) -> Popen:
    """A command in a copy of the repository, in a session of its own; what it says goes on in `log`.

    more: environment variables; how: further arguments of Popen.
    """
    with open(log, "a") as out:
        how |= {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "start_new_session": True}
        return Popen(arguments, cwd=folder, env=environment(folder) | (more or {}), **how)


def planned(output: str) -> set[tuple[str, str]]:
    """(rule, variant) of each job that a dry run would do."""
    jobs = re.findall(r"^(?:(?:local)?rule|checkpoint) (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return {(rule, *(re.findall(r"variant=([\w-]+)", block) or [""])) for rule, block in jobs if rule != "all"}


def planned_rules(folder: Path, *arguments: str) -> set[str]:
    """The rules of the jobs that a dry run of the miniature would do."""
    return {rule for rule, _ in planned(mini(folder, "--dry-run", *arguments))}


def unasked(output: str, least: int) -> list[str]:
    """The outputs of at least so many planned jobs that have no file which `rule all` asks for."""
    (asked,) = re.findall(r"^(?:local)?rule all:\n    input: (.*)$", output, re.MULTILINE)
    outputs = re.findall(r"^    output: (.*)$", output, re.MULTILINE)
    assert len(outputs) > least
    return [line for line in outputs if set(line.split(", ")).isdisjoint(asked.split(", "))]


def copy_sources(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "site.yaml"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def contents(folder: Path, patterns: Sequence[str], run: Path = RUN) -> dict[str, bytes]:
    """The files of a run that the patterns match, by their names in it."""
    paths = sorted(path for pattern in patterns for path in (folder / run).glob(pattern))
    return {str(path.relative_to(folder / run)): path.read_bytes() for path in paths if path.is_file()}


def rewrite(folder: Path, file: str, change) -> None:
    path = folder / file
    found = yaml.safe_load(path.read_text())
    change(found)
    path.write_text(yaml.safe_dump(found, sort_keys=False))
