"""What differs from one SLURM cluster to the next, checked before a run submits anything."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tzip.config.checks import LIBRARY
from tzip.options import make, option

PROFILE = "profiles/slurm/site.yaml"
# The rules of a variant go to one job of the scheduler, and those of the report to another.
VARIANT = ("compress", "size", "translate", "score", "attention")
REPORT = (
    *("provenance", "tables", "claims", "frontier", "timings", "speed", "stages", "page"),
    *("figure_of_frontier", "figure_of_sharpness", "figure_of_attention", "figure_of_layers"),
    *("figure_of_weights", "figure_of_cumulative_weights"),
)


@dataclass(frozen=True)
class Site:
    """Settings of a SLURM cluster."""

    cpu_partition: str = option("cpu", "partition of jobs that need no GPU")
    gpu_partition: str = option("gpu", "partition of jobs that use a GPU; empty where the cluster has none")
    gres: str = option("gpu:1", "one GPU, as this cluster asks for it, such as gpu:a100:1")
    account: str = option("", "account that jobs are charged to; empty where jobs need none")
    jobs: int = option(50, "jobs in the queue at a time", low=1)
    variants: int = option(4, "variants compressed, translated and scored in one job, on one GPU", low=1)

    def on_gpu(self) -> dict[str, str]:
        """The resources of a job that uses a GPU, where the site has any."""
        return {"slurm_partition": self.gpu_partition, "gres": self.gres} if self.gpu_partition else {}


def read(path: Path = LIBRARY.parent / PROFILE) -> Site:
    """The settings in a file, the others as above; ValueError in one line for a wrong one."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{PROFILE}: {' '.join(str(error).split())}") from None
    if not isinstance(values or {}, dict):
        raise ValueError(f"{PROFILE}: expected lines of the form `name: value`")
    return make(Site, values or {}, PROFILE)


def checked() -> Site:
    """The settings, their partitions held against the cluster's; ValueError in one line that names the choices."""
    site, known = read(), partitions()
    for name, value in (("cpu_partition", site.cpu_partition), ("gpu_partition", site.gpu_partition)):
        if not value and name == "gpu_partition":
            continue
        if value not in known:
            said = f"{name} = {value!r} is no partition of this cluster" if value else f"{name} is missing"
            raise ValueError(f"{PROFILE}: {said}; choose from {', '.join(known) or 'none'}")
    return site


def partitions() -> list[str]:
    """The partitions of the cluster that this machine submits to, the default one first."""
    if not shutil.which("sinfo"):
        raise ValueError(f"{PROFILE}: sinfo is not found; run this where jobs can be submitted to SLURM")
    result = subprocess.run(["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True, timeout=60)
    if result.returncode:
        raise ValueError(f"{PROFILE}: sinfo: {result.stderr.strip() or 'failed'}")
    names = dict.fromkeys(result.stdout.split())
    return [name.removesuffix("*") for name in sorted(names, key=lambda name: not name.endswith("*"))]
