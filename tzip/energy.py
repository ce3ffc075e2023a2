"""What a process's time cost in energy, where the machine counts it: by the counters of CPU and GPU.

The counters are the machine's, so that what else it did at the time is in them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import torch

RAPL = Path("/sys/class/powercap")  # Linux's counters of CPU packages, often for root alone


class Meter:
    """Energy since it was made; `joules` is None where nothing counts it."""

    def __init__(self, device: torch.device | None = None, packages: Path = RAPL):
        self.packages = sorted(path for path in packages.glob("intel-rapl:*") if path.name.count(":") == 1)
        self.gpu = _gpu(device) if device is not None and device.type == "cuda" else None
        self.start = self._read()

    def joules(self) -> float | None:
        now = self._read()
        if not now or now.keys() != self.start.keys():
            return None
        return round(sum((value - self.start[name]) % _range(name) for name, value in now.items()) / 1e6, 1)

    def _read(self) -> dict[Any, int]:
        """Microjoules by counter; none at all if one of them may not be read."""
        try:
            found = {path: int((path / "energy_uj").read_text()) for path in self.packages}
            if self.gpu is not None:
                found["gpu"] = self.gpu()
        except (OSError, ValueError):
            return {}
        return found


def _range(counter: Any) -> int:
    """Where a counter begins again at 0."""
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
