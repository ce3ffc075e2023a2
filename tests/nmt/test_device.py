"""Which GPU a process takes, which rank it has, and the energy it used, with files in their place."""

import errno
import fcntl
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tzip.nmt import device, state

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from tzip.nmt.device import claim
print(claim(2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""
SHAPES = """
import torch
from tzip.nmt.device import prepare
prepare(1)
layer = torch.nn.Linear(64, 64)
for rows in (*range(100, 200), *range(100, 200)):
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(rows, 64))
"""


def holder(folder: Path) -> subprocess.Popen:
    """A process that takes one of two GPUs, says which, and holds it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


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


def test_another_user_sees_who_holds_a_gpu() -> None:
    """Whatever the umask of the first; root tries it as another user, others look at the modes."""
    before = os.umask(0o022)
    folder = Path(tempfile.mkdtemp(), "gpus")
    try:
        folder.parent.chmod(0o755)
        assert device.claim(2, folder) == 0
        assert [path.stat().st_mode & 0o7777 for path in (folder, folder / "0.lock")] == [0o1777, 0o666]
        if os.getuid() == 0:
            os.seteuid(65534)
            try:
                assert device.claim(2, folder) == 1
            finally:
                os.seteuid(0)
    finally:
        os.umask(before)
        shutil.rmtree(folder.parent)


def test_a_file_system_without_locks_is_named_and_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def flock(*_) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with state.exclusive(tmp_path / "lock"):
        said = capsys.readouterr().err
    assert said.startswith(f"warning: {tmp_path}/lock: cannot be locked here (Function not implemented)")
    assert device.claim(2, tmp_path / "gpus") == 0


def test_one_gpu_is_shared(tmp_path: Path) -> None:
    assert device.claim(1, tmp_path / "gpus") == device.claim(1, tmp_path / "gpus") == 0
    assert not (tmp_path / "gpus").exists()


def test_ranks_are_left_alone_outside_of_a_step_of_several_tasks() -> None:
    for given in ({}, {"SLURM_STEP_NUM_TASKS": "1"}, {"SLURM_STEP_NUM_TASKS": "4", "RANK": "2"}):
        environment = dict(given)
        device.ranks_of_slurm(environment)
        assert environment == given


@pytest.mark.skipif(not device.has_bf16(torch.device("cpu")), reason="this processor has no products in bf16")
def test_kernels_of_shapes_long_gone_are_not_kept() -> None:
    """Of a hundred shapes met twice none is found again, unless a user wants more of them kept."""

    def found(**given: str) -> int:
        plain = {key: value for key, value in os.environ.items() if key != "ONEDNN_PRIMITIVE_CACHE_CAPACITY"}
        environment = plain | {"ONEDNN_VERBOSE": "2"} | given
        command = [sys.executable, "-c", SHAPES]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.count("cache_miss") >= 100
        return done.stdout.count("cache_hit")

    assert found() == 0
    assert found(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024") == 100


def test_a_batch_beyond_memory_names_the_setting():
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")):
        with pytest.raises(ValueError, match="batch_tokens = 9000; lower it"), device.enough_memory(9000):
            raise error
    with pytest.raises(RuntimeError, match="another"), device.enough_memory(9000):
        raise RuntimeError("another")


def package(folder: Path, name: str, microjoules: int, most: int = 999_999) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{microjoules}\n")
    (place / "max_energy_range_uj").write_text(f"{most}\n")
    return place


def test_the_energy_of_all_packages_also_when_a_counter_began_again(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 400_000)
    package(tmp_path, "intel-rapl:1", 900_000)
    package(tmp_path, "intel-rapl:0:0", 0)  # a part of package 0
    meter = device.Meter(packages=tmp_path)
    package(tmp_path, "intel-rapl:0", 900_000)
    package(tmp_path, "intel-rapl:1", 300_000)  # past 999,999
    package(tmp_path, "intel-rapl:0:0", 400_000)
    assert meter.joules() == pytest.approx(0.5 + 0.4)


@pytest.mark.parametrize("content", [None, "", "Permission denied"])
def test_where_nothing_counts_it_the_energy_is_unknown(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (package(tmp_path, "intel-rapl:0", 1) / "energy_uj").write_text(content)
    assert device.Meter(packages=tmp_path).joules() is None
