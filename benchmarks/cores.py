"""How long a run takes on more cores: its jobs, with their measured times, placed on 1, 2, 4, ... cores by a model.

    python benchmarks/cores.py results/default

Jobs and their order are those that `snakemake --dag` names; a job takes the mean time of its stage, as Snakemake
measured it in the finished run. Of the jobs that can start, the one with the longest way to the end does. The times
hold for the machine of the run, and for cores that do not slow each other down.
"""

import argparse
import heapq
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
CORES = (1, 2, 4, 8, 16)
Jobs = dict[int, str]  # number → stage
Needs = dict[int, set[int]]  # number → the jobs before it


def read_dag(configfiles: list[str]) -> tuple[Jobs, Needs]:
    """The jobs of a whole run and their order, as Snakemake draws them."""
    given = ["--configfile", *configfiles] if configfiles else []
    command = [sys.executable, "-m", "snakemake", "--dag", "dot", "--forceall", *given]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("TZIP_")}
    dot = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    jobs = {int(number): stage for number, stage in re.findall(r'^\s*(\d+)\[label = "(\w+)', dot, re.MULTILINE)}
    needs: Needs = defaultdict(set)
    for before, after in re.findall(r"^\s*(\d+) -> (\d+)", dot, re.MULTILINE):
        needs[int(after)].add(int(before))
    return jobs, needs


def to_end(jobs: Jobs, needs: Needs, seconds: dict[str, float]) -> dict[int, float]:
    """Of each job, the seconds from its start to the run's end if nothing waits for a core."""
    after: Needs = defaultdict(set)
    for job, before in needs.items():
        for other in before:
            after[other].add(job)
    result: dict[int, float] = {}

    def way(job: int) -> float:
        if job not in result:
            result[job] = seconds.get(jobs[job], 0.0) + max(map(way, after[job]), default=0.0)
        return result[job]

    for job in jobs:
        way(job)
    return result


def wall(jobs: Jobs, needs: Needs, seconds: dict[str, float], threads: dict[str, int], cores: int) -> float:
    """The time of the whole run on so many cores."""
    urgency = to_end(jobs, needs, seconds)
    waiting, running = set(jobs), []  # running: heap of (end, job)
    done: set[int] = set()
    now, free = 0.0, cores
    while waiting or running:
        for job in sorted((job for job in waiting if needs[job] <= done), key=lambda job: (-urgency[job], job)):
            taken = min(threads.get(jobs[job], 1), cores)
            if taken <= free:
                free -= taken
                waiting.discard(job)
                heapq.heappush(running, (now + seconds.get(jobs[job], 0.0), job))
        now, job = heapq.heappop(running)
        done.add(job)
        free += min(threads.get(jobs[job], 1), cores)
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder, results/NAME")
    parser.add_argument("--configfile", nargs="*", default=[], help="the run's configuration [the default run's]")
    parser.add_argument("--train-threads", type=int, default=2, help="threads of its training [2]")
    args = parser.parse_args()
    stages = pd.read_csv(args.run / "timings" / "stages.csv", comment="#").set_index("stage")
    seconds = (stages["seconds"] / stages["jobs"]).to_dict()
    jobs, needs = read_dag(args.configfile)
    # Rules of the baseline are counted with those of the other rows.
    jobs = {job: stage if stage in seconds else stage.removesuffix("_baseline") for job, stage in jobs.items()}
    threads = {"train": args.train_threads}

    one = wall(jobs, needs, seconds, threads, 1)
    print(f"{len(jobs)} jobs, {one:.0f} s one after the other")
    print("without a time of their own:", ", ".join(sorted({*jobs.values()} - {*seconds})))
    for cores in CORES:
        taken = wall(jobs, needs, seconds, threads, cores)
        print(f"{cores:3} cores  {taken:5.0f} s  {one / taken:4.1f} times as fast")
    way = to_end(jobs, needs, seconds)
    job = max(way, key=way.__getitem__)
    print(f"critical path, {way[job]:.0f} s:")
    while job is not None:
        print(f"  {seconds.get(jobs[job], 0.0):6.1f} s  {jobs[job]}")
        job = max((other for other, before in needs.items() if job in before), key=way.__getitem__, default=None)


if __name__ == "__main__":
    main()
