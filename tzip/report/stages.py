"""What a run took, by stage: jobs, time, processor time, memory, and energy where the machine counts it."""

from pathlib import Path

import pandas as pd

from tzip import files
from tzip.report.tables import Column, Table

MEASURED = {"s": "seconds", "cpu_time": "cpu_seconds", "max_rss": "peak_memory_mb"}  # of Snakemake's benchmark
ENERGY = {  # the results of a seed that record a stage's energy
    "train": "training.json",
    "student": "students/*/training.json",
    "compress": "*/compress.json",
    "translate": "*/*.time.json",
}


def gather(run: str | Path) -> pd.DataFrame:
    """One line per stage, the longest first, of the jobs that left a benchmark in the run's folder.

    Columns: stage (the rule), jobs, seconds and cpu_seconds (sums over jobs), longest_seconds,
    peak_memory_mb (the largest of any job; NaN if all were too short to be looked at), energy_joules (NaN
    where it is not known). ValueError if there is no benchmark, or one is not what Snakemake writes.
    """
    paths = sorted(Path(run).rglob("benchmarks/*.tsv"))
    if not paths:
        raise ValueError(f"{run}: no benchmarks/*.tsv in it; has the run finished?")
    jobs = pd.DataFrame([_job(path) for path in paths])
    frame = jobs.groupby("stage").agg(
        jobs=("seconds", "size"),
        seconds=("seconds", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        longest_seconds=("seconds", "max"),
        peak_memory_mb=("peak_memory_mb", "max"),
    )
    frame["energy_joules"] = [_energy(run, stage) for stage in frame.index]
    return frame.reset_index().sort_values(["seconds", "stage"], ascending=[False, True], ignore_index=True)


def read(run: str | Path) -> pd.DataFrame:
    """The result of `gather` when the run ended: its stages.csv."""
    return pd.read_csv(Path(run, "timings", "stages.csv"), comment="#")


def _job(path: Path) -> dict[str, float | str]:
    try:
        frame = pd.read_csv(path, sep="\t", na_values=["-"])
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    if len(frame) != 1 or not set(MEASURED) <= set(frame):
        raise ValueError(f"{path}: not one line of {', '.join(MEASURED)}")
    measured = frame.rename(columns=MEASURED)[list(MEASURED.values())].iloc[0]
    return {"stage": path.name.partition(".")[0], **measured}


def _energy(run: str | Path, stage: str) -> float:
    """The sum over a stage's results; NaN unless each of them records its energy."""
    paths = Path(run).glob(f"seed-*/{ENERGY[stage]}") if stage in ENERGY else ()
    joules = [files.read_json(path).get("energy_joules") for path in paths]
    return float("nan") if not joules or None in joules else sum(joules)


def table(frame: pd.DataFrame) -> Table:
    """The stages of `gather` as a table."""
    frame = frame.assign(
        minutes=frame["seconds"] / 60, cpu_minutes=frame["cpu_seconds"] / 60, energy_kj=frame["energy_joules"] / 1000
    )
    columns = (
        Column("stage", "stage", align="l"),
        Column("jobs", "jobs", ",d"),
        Column("minutes", "minutes", ",.1f"),
        Column("of processors", "cpu_minutes", ",.1f", short="cpu"),
        Column("longest job, s", "longest_seconds", ",.0f", short="longest"),
        Column("peak MB", "peak_memory_mb", ",.0f", short="MB"),
        Column("kJ", "energy_kj", ",.1f"),
    )
    notes = (
        f"minutes: sums over jobs, of which several may run at once; {frame['minutes'].sum():,.1f} in all, "
        f"{frame['cpu_minutes'].sum():,.1f} of processors",
        "of a job that was stopped and went on, the last part; downloads, which runs share, are left out",
        "peak MB: the largest resident memory of any job of the stage",
        "kJ: what CPU and GPU used while the jobs ran, by the machine's own counters, where it has them",
        "times depend on the machine and on what else it was doing",
    )
    return Table("stages", "What the run took, by stage", frame, columns, notes)
