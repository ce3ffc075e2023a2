"""Which GPU a process takes, and which rank it has, without any of either here."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

from tzip import device

ROOT = Path(__file__).parent.parent
HOLD = """
import sys
from pathlib import Path
from tzip.device import claim
print(claim(2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen:
    """A process that takes one of two GPUs, says which, and holds it until its input ends."""
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip


def test_no_two_processes_take_the_same_gpu_and_a_third_waits(tmp_path: Path) -> None:
    folder = tmp_path / "gpus"
    first, second = holder(folder), holder(folder)
    third = None
    try:
        taken = {one.stdout.readline().strip(): one for one in (first, second)}
        assert set(taken) == {"0", "1"}
        third = holder(folder)
        assert select.select([third.stdout], [], [], 6.0)[0] == []
        taken["1"].kill()  # even by force: the lock ends with the process
        assert third.stdout.readline().strip() == "1"
    finally:
        for one in filter(None, (first, second, third)):
            one.kill()
            one.wait()


def test_one_gpu_is_shared(tmp_path: Path) -> None:
    assert device.claim(1, tmp_path / "gpus") == device.claim(1, tmp_path / "gpus") == 0
    assert not (tmp_path / "gpus").exists()


def test_ranks_are_left_alone_outside_of_a_step_of_several_tasks() -> None:
    for given in ({}, {"SLURM_STEP_NUM_TASKS": "1"}, {"SLURM_STEP_NUM_TASKS": "4", "RANK": "2"}):
        environment = dict(given)
        device.ranks_of_slurm(environment)
        assert environment == given
