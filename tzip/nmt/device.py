"""The device that a command runs on, set to be deterministic; its name, memory and energy for the record."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pynvml
import torch
import torch.distributed as dist
from torch import Tensor

from tzip.files import lock

STARTED: list[Meter] = []  # since `prepare`
KERNELS = "64"  # that oneDNN keeps, one per shape; its default of 1,024 takes gigabytes
RAPL = Path("/sys/class/powercap")  # Linux's energy counters of CPU packages, often for root alone
GPUS = Path(tempfile.gettempdir(), "tzip-gpus")  # one lock per GPU, for all users of a machine


def prepare(threads: int) -> torch.device:
    """Set torch's threads and determinism, and choose a device: a GPU if there is one, else the CPU.

    Under torchrun, or as one of several tasks of a SLURM step, join the process group and take this process's
    own GPU; else, of several GPUs, the first free one. The last bits of a result depend on the number of
    threads, so that it comes from the configuration, not from the machine.
    """
    if threads < 1:
        raise ValueError(f"threads = {threads} is not an integer at least 1")
    torch.set_num_threads(threads)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)
    cuda = torch.cuda.is_available()
    ranks_of_slurm(os.environ)
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import the compiler, for 1.5 s
    torch.utils.deterministic.fill_uninitialized_memory = False  # no code here reads such memory
    rank = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cpu")
    if cuda:
        count = torch.cuda.device_count()
        assigned = "LOCAL_RANK" in os.environ or "CUDA_VISIBLE_DEVICES" in os.environ
        device = torch.device("cuda", rank % count if assigned else claim(count))
        torch.cuda.set_device(device)  # from which NCCL sends objects
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    STARTED[:] = [Meter(device)]
    return device


def ranks_of_slurm(environment: MutableMapping[str, str]) -> None:
    """Set torch.distributed's variables from those of a SLURM step of several tasks, unless torchrun has.

    All tasks meet on the first node of the step, at a port computed from the numbers of job and step.
    """
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks == 1 or "RANK" in environment:
        return
    command = ["scontrol", "show", "hostnames", environment["SLURM_STEP_NODELIST"]]
    hosts = subprocess.run(command, capture_output=True, text=True, check=True)
    meeting = 1000 * int(environment["SLURM_JOB_ID"]) + int(environment.get("SLURM_STEP_ID", 0))
    environment.update(
        RANK=environment["SLURM_PROCID"],
        LOCAL_RANK=environment["SLURM_LOCALID"],
        WORLD_SIZE=str(tasks),
        MASTER_ADDR=hosts.stdout.split()[0],
        MASTER_PORT=str(20000 + meeting % 20000),
    )


def claim(count: int, folder: Path = GPUS) -> int:
    """The first of `count` GPUs that no other process of this library holds; held until this process ends.

    Waits while all are held. A single GPU is not held: all processes share it.
    """
    if count == 1:
        return 0
    try:
        files = [_open_for_all(folder, f"{number}.lock") for number in range(count)]
    except PermissionError:  # another user's, who keeps others out: only one's own processes can be seen
        own = folder.with_name(f"{folder.name}-{os.getuid()}")
        files = [_open_for_all(own, f"{number}.lock") for number in range(count)]
    while True:
        for number, file in enumerate(files):
            if lock(file, folder):  # until the process ends
                return number
        time.sleep(1.0)


def _open_for_all(folder: Path, name: str) -> int:
    """A file that processes of every user can open, whatever the umask of the one that makes it."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o1777)
    with contextlib.suppress(FileNotFoundError):
        return os.open(folder / name, os.O_RDONLY)
    file = os.open(folder / name, os.O_RDONLY | os.O_CREAT, 0o666)
    os.fchmod(file, 0o666)
    return file


def world() -> tuple[int, int]:
    """The rank of this process, and the number of processes that train together."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def total(values: Sequence[float] | Tensor, here: torch.device) -> list[float]:
    """Each of these numbers, summed over all processes; a tensor's are read from its device."""
    if world()[1] > 1:
        values = torch.as_tensor(values, dtype=torch.float64, device=here)
        dist.all_reduce(values)
    return values.tolist() if isinstance(values, Tensor) else list(values)


def has_bf16(device: torch.device) -> bool:
    """Whether products in bf16 are faster than in fp32 on this device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(device: torch.device, precision: str) -> Any:
    """A context with products in bf16: for `bf16`, and for `auto` where that is faster."""
    wanted = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


@contextlib.contextmanager
def enough_memory(batch_tokens: int) -> Iterator[None]:
    """Turn PyTorch's error of too little memory into a ValueError in one line that names the setting."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and "allocate memory" not in str(error):
            raise
        said = f"out of memory in a batch of batch_tokens = {batch_tokens}"
        raise ValueError(f"{said}; lower it, and raise accumulate as much to keep updates alike") from None


def describe(device: torch.device) -> str:
    """The device's name for tables: the GPU's, or the CPU's architecture and instruction set."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def footprint(device: torch.device) -> dict[str, Any]:
    """The device, the peak memory of this process on the host (and on the GPU) in MB, and the energy used.

    energy_joules  of the whole machine since `prepare`; None where it is not counted
    """
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    out: dict[str, Any] = {"device": describe(device), "peak_memory_mb": round(largest, 1)}
    if device.type == "cuda":
        out["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    out["energy_joules"] = STARTED[0].joules() if STARTED else None
    return out


class Meter:
    """Energy used since the meter was made, by the counters of CPU and GPU.

    The counters are the machine's: they include what else it did at the time.
    """

    def __init__(self, device: torch.device | None = None, packages: Path = RAPL):
        self.packages = sorted(path for path in packages.glob("intel-rapl:*") if path.name.count(":") == 1)
        self.gpu = _gpu(device) if device is not None and device.type == "cuda" else None
        self.start = self._read()

    def joules(self) -> float | None:
        """None where nothing counts it."""
        now = self._read()
        if not now or now.keys() != self.start.keys():
            return None
        return round(sum((value - self.start[name]) % _range(name) for name, value in now.items()) / 1e6, 1)

    def _read(self) -> dict[Any, int]:
        """Microjoules by counter; empty if one of them cannot be read."""
        try:
            counters = {path: int((path / "energy_uj").read_text()) for path in self.packages}
            if self.gpu is not None:
                counters["gpu"] = self.gpu()
        except (OSError, ValueError):
            return {}
        return counters


def _range(counter: Any) -> int:
    """The number at which a counter starts again at 0."""
    return int((counter / "max_energy_range_uj").read_text()) + 1 if isinstance(counter, Path) else 2**64


def _gpu(device: torch.device) -> Callable[[], int] | None:
    """The GPU's counter in microjoules; None where NVIDIA's library has none."""
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return lambda: 1000 * pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
