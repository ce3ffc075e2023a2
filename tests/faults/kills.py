"""kill -9, at moments that a seed decides, until it has hit twenty times; then the run goes on to its end."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import differing, files, finish, start, unlock

KILLS = 20


def workers(process: subprocess.Popen) -> list[psutil.Process]:
    """The jobs' own processes that a Snakemake has started, without what those have started."""
    try:
        children = psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def wait_for_orphans(orphans: list[psutil.Process]) -> None:
    """They end by themselves, for what started them has."""
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert not alive, f"still running: {alive}"


@pytest.mark.parametrize("who", ["the main process", "a worker", "the main process and its workers"])
def test_killed_runs_end_as_if_they_had_not_been(who: str, fresh: Path, undisturbed: Path, told) -> None:
    moments = random.Random(who)
    hits = starts = 0
    while hits < KILLS:
        process = start(fresh, "--rerun-incomplete")
        starts += 1
        time.sleep(moments.uniform(0.5, 7.0))
        while process.poll() is None and hits < KILLS:
            jobs = workers(process)
            if who == "a worker":
                if jobs:
                    moments.choice(jobs).kill()
                    hits += 1
                time.sleep(moments.uniform(0.5, 5.0))
                continue
            os.kill(process.pid, signal.SIGKILL)
            hits += 1
            if who != "the main process":
                for job in jobs:
                    job.kill()
            wait_for_orphans(jobs)
        process.wait(300) if who == "a worker" else process.wait()
        if who != "a worker":
            unlock(fresh)
        if (fresh / "results/nano/report.html").exists():
            subprocess.run(["rm", "-rf", fresh / "results"], check=True)  # it was quicker than the kills
    finish(fresh, "--rerun-incomplete")
    wrong = differing(files(fresh), files(undisturbed))
    assert wrong == []
    count = len(files(undisturbed))
    told(
        f"kill -9 of {who} at {KILLS} random moments",
        "a rerun ends with the bytes of an undisturbed run",
        f"{KILLS} kills in {starts} starts, then a rerun: {count} files, the same bytes",
    )
