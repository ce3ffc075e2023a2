"""What differs from one SLURM cluster to the next, checked before a run submits anything."""

import shutil
import subprocess

PROFILE = "profiles/slurm/config.yaml"
# The rules of a variant go to one job of the scheduler, and those of the report to another.
VARIANT = ("compress", "size", "translate", "score", "attention")
REPORT = (
    *("provenance", "tables", "claims", "frontier", "timings", "speed", "stages", "page"),
    *("figure_of_frontier", "figure_of_sharpness", "figure_of_attention", "figure_of_layers"),
    *("figure_of_weights", "figure_of_cumulative_weights"),
)


def check(cpu_partition: str, gpu_partition: str) -> None:
    """ValueError in one line that names the setting, its value and the choices, unless both are partitions.

    An empty gpu_partition stands for a site without GPUs.
    """
    known = partitions()
    for name, value in (("cpu_partition", cpu_partition), ("gpu_partition", gpu_partition)):
        if not value and name == "gpu_partition":
            continue
        if value not in known:
            said = f"{name} = {value!r} is no partition of this cluster" if value else f"{name} is missing"
            raise ValueError(f"{PROFILE}: {said}; choose from {', '.join(known) or 'none'}")


def partitions() -> list[str]:
    """The partitions of the cluster that this machine submits to, the default one first."""
    if not shutil.which("sinfo"):
        raise ValueError(f"{PROFILE}: sinfo is not found; run this where jobs can be submitted to SLURM")
    result = subprocess.run(["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True, timeout=60)
    if result.returncode:
        raise ValueError(f"{PROFILE}: sinfo: {result.stderr.strip() or 'failed'}")
    names = dict.fromkeys(result.stdout.split())
    return [name.removesuffix("*") for name in sorted(names, key=lambda name: not name.endswith("*"))]


def on_gpu(gpu_partition: str, gres: str) -> dict[str, str]:
    """The resources of a job that uses a GPU, where the site has any."""
    return {"slurm_partition": gpu_partition, "gres": gres} if gpu_partition else {}
