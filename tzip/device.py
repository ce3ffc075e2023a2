"""The device that a command runs on, made deterministic, and what it was, for the record."""

from __future__ import annotations

import os
import platform
import resource
import sys
from typing import Any

import torch
import torch.distributed as dist


def prepare(threads: int) -> torch.device:
    """Set torch's threads and determinism; the device to use: CUDA if there is one, else the CPU.

    Under torchrun, joins the process group and takes the process's own GPU. The number of threads is part
    of what decides the last bits of a result, so it comes from the configuration, not from the machine.
    """
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    if cuda:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = True
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it did not write
    rank = int(os.environ.get("LOCAL_RANK", 0))
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    return torch.device("cuda", rank) if cuda else torch.device("cpu")


def describe(device: torch.device) -> str:
    """The device in words, for tables: the GPU's name, or the CPU's architecture and instruction set."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def footprint(device: torch.device) -> dict[str, Any]:
    """The device and the largest memory this process has held on the host (and on the GPU), in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    out: dict[str, Any] = {"device": describe(device), "peak_memory_mb": round(largest, 1)}
    if device.type == "cuda":
        out["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return out
