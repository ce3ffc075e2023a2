"""One core, its name and this process's memory: what a measurement of speed must fix and record."""

import os
import platform
import resource
import sys
from pathlib import Path


def pin() -> bool:
    """Keep this process, and all threads that it starts later, on one core; False where that is impossible.

    The last core that the process may use: a machine's interrupts are served by the first.
    """
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return False
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return True


def resident() -> int:
    """Bytes of memory that this process occupies now; where the system does not say, its largest so far."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts bytes, others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def processor() -> str:
    """The processor in words, as far as the system knows it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor()])[0] or platform.machine()
