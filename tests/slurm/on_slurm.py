"""The workflow through a real SLURM: whole, over a time limit, over a preemption; a training of two tasks.

`make test-slurm` runs this file, which `make test` does not. It starts a cluster of one node on this machine,
and is skipped, saying why, where that cannot be.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.slurm import cluster
from tests.toys.training import fit
from tests.toys.waiting import wait_for
from tests.toys.workflow import MINIATURE, ROOT, RUN, SOME, contents, copy_sources, mini, rewrite, start
from tzip.files import read_json

RULE = r"(?m)^\s*(?:local)?rule (\w+):"  # in what Snakemake says
TRAINING = RUN / "seed-1" / "training.json"
WEIGHTS = "checkpoint/model.safetensors"
UPDATES = 2000  # about a minute, where the whole miniature takes seconds to train
SOON = ["--slurm-init-seconds-before-status-checks", "3"]  # these jobs are short
LONG = ["--config", f"training={{updates: {UPDATES}, every: 500}}"]


@pytest.fixture(scope="session", autouse=True)
def slurm() -> Iterator[None]:
    if why := cluster.missing():
        pytest.skip(f"no SLURM can be started here: {why}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    cluster.start()
    yield
    cluster.stop()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    (tmp_path / "copy").mkdir()
    return copy_sources(tmp_path / "copy")


def submit(folder: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake with the profile, its output in `slurm.log` of the folder."""
    profile = ["--workflow-profile", "profiles/slurm", "--configfile", MINIATURE, *SOON]
    return start(folder, folder / "slurm.log", ["snakemake", *arguments, *profile])


def through_slurm(folder: Path, *arguments: str) -> str:
    """What Snakemake says of a run through SLURM that must end well."""
    process = submit(folder, *arguments)
    status = process.wait(900)
    said = (folder / "slurm.log").read_text()
    assert status == 0, said[-6000:]
    return said


def train_alone(minutes: int) -> list[str]:
    """Arguments that make the training alone, in an allocation of so many minutes."""
    resources = ("slurm_partition=gpu", "gres=gpu:1", "mem_mb=1000", f"runtime={minutes}")
    return [str(TRAINING), "--set-resources", *(f"train:{one}" for one in resources)]


def submissions(said: str, rule: str) -> list[str]:
    """The numbers of the SLURM jobs that ran a rule, by the names of their logs."""
    found = re.findall(r"submitted with SLURM jobid (\d+) \(log: \S*/slurm_logs/(\w+)/", said)
    return [number for number, name in found if rule in re.split("rule_|group_", name)[-1]]


def jobs_by_rule(folder: Path) -> dict[str, list[str]]:
    """The numbers of the SLURM jobs that ran each rule, by what the jobs' own logs say."""
    logs = sorted((folder / ".snakemake" / "slurm_logs").rglob("*.log"), key=lambda log: int(log.stem))
    found = [(rule, log.stem) for log in logs for rule in sorted(set(re.findall(RULE, log.read_text())))]
    return {rule: [job for one, job in found if one == rule] for rule, _ in found}


def state_of(job: str) -> str:
    return cluster.ask("squeue", "--noheader", "--states=all", f"--job={job}", "--format=%T")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future]:
    """The weights of the long training that nothing interrupts, beside the tests that wait for SLURM."""

    def train() -> bytes:
        folder = copy_sources(tmp_path_factory.mktemp("undisturbed"))
        mini(folder, *LONG, "--", str(TRAINING), cores=1)
        return weights(folder)

    with ThreadPoolExecutor() as pool:
        yield pool.submit(train)


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future]:
    """The folder of a whole miniature that ran without SLURM, beside what runs through it."""

    def run() -> Path:
        folder = copy_sources(tmp_path_factory.mktemp("local"))
        mini(folder, *SOME, cores=1)
        return folder

    with ThreadPoolExecutor() as pool:
        yield pool.submit(run)


def weights(folder: Path) -> bytes:
    return (folder / RUN / "seed-1" / WEIGHTS).read_bytes()


def updates_done(folder: Path) -> int:
    """How many updates the training's journal tells of."""
    journal = folder / RUN / "seed-1" / "training.jsonl"
    found = re.findall(r'"update": (\d+)', journal.read_text()) if journal.exists() else []
    return int(found[-1]) if found else 0


def test_the_whole_miniature_gives_the_same_tables_as_without_slurm(copied: Path, local: Future) -> None:
    said = through_slurm(copied, *SOME)
    alone = local.result()
    for patterns in (["tables/*"], ["seed-1/*/model.tzip"], ["data/*"]):
        here, there = contents(alone, patterns), contents(copied, patterns)
        assert list(here) == list(there)
        assert [name for name in here if here[name] != there[name]] == []
    ran = jobs_by_rule(copied)
    print("", *(f"{rule} ran in SLURM's jobs {', '.join(jobs)}" for rule, jobs in ran.items()), sep="\n")
    assert set(ran) == set(re.findall(RULE, said)) - {"all"} >= {"train", "student", "compress", "page"}
    numbers = re.findall(r"submitted with SLURM jobid (\d+)", said)
    assert {job for jobs in ran.values() for job in jobs} == set(numbers)
    assert 10 < len(numbers) < said.count("Shell command:") / 2  # they are grouped


def test_a_grid_of_200_variants_is_fifty_jobs(tmp_path: Path, local: Future) -> None:
    """Counted in the queue of a partition that starts none."""
    folder = tmp_path / "copy"
    shutil.copytree(local.result(), folder, symlinks=True)
    sparsities = [round(0.04 * step, 2) for step in range(25)]
    grid = {"quantize": "kmeans", "bits": list(range(1, 9)), "sparsity": sparsities}
    rewrite(folder, MINIATURE, lambda config: config.update(grid=grid))
    cluster.ask("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    process = submit(folder, "--jobs", "100", *SOME)
    try:
        wait_for(lambda: len(submissions((folder / "slurm.log").read_text(), "variant")) >= 50)
        time.sleep(10)  # for more, if there were more
    finally:
        try:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        finally:
            cluster.ask("scontrol", "update", "PartitionName=gpu", "State=UP")
    said = (folder / "slurm.log").read_text()
    assert re.search(r"^compress +200$", said, re.MULTILINE)
    assert len(submissions(said, "variant")) == 50
    assert len(re.findall(r"submitted with SLURM jobid", said)) - len(submissions(said, "record")) == 50


def process_of(script: str, folder: Path) -> psutil.Process:
    """The one that runs a script of the workflow in a folder."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if f"workflow_scripts/{script}" in process.cmdline() and process.cwd() == str(folder):
                return process
    raise AssertionError(f"nothing runs {script} in {folder}")


def test_a_training_longer_than_its_time_limit_ends_over_several_jobs(copied: Path, undisturbed: Future) -> None:
    """However fast the machine: the first job stands still until SLURM ends it."""
    process = submit(copied, *train_alone(1), "--retries", "12", *LONG)
    try:
        wait_for(lambda: updates_done(copied) > 0, 300)
        process_of("train.py", copied).suspend()
        assert process.wait(900) == 0, (copied / "slurm.log").read_text()[-6000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    said = (copied / "slurm.log").read_text()
    jobs = submissions(said, "train")
    assert len(jobs) > 1, said[-3000:]
    assert read_json(copied / TRAINING)["updates"] == UPDATES
    assert weights(copied) == undisturbed.result()


def test_a_preempted_training_goes_on_where_it_was(copied: Path, undisturbed: Future) -> None:
    process = submit(copied, *train_alone(30), *LONG)
    try:
        wait_for(lambda: updates_done(copied) > 500, 300)
        (job,) = submissions((copied / "slurm.log").read_text(), "train")
        urgent = cluster.ask(
            "sbatch", "--parsable", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 5"
        )
        wait_for(lambda: state_of(job) != "RUNNING")
        before = updates_done(copied)
        wait_for(lambda: state_of(urgent) == "COMPLETED")
        cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")  # not in two minutes
        assert process.wait(600) == 0, (copied / "slurm.log").read_text()[-6000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    said = (copied / "slurm.log").read_text()
    assert submissions(said, "train") == [job]  # SLURM started it again itself
    assert before > 0
    assert read_json(copied / TRAINING)["updates"] == UPDATES
    assert weights(copied) == undisturbed.result()


def test_two_tasks_of_a_step_train_as_one_process(tmp_path: Path) -> None:
    """Ranks, the meeting place and its port come from SLURM alone: no torchrun."""
    command = ["srun", "--ntasks=2", "--partition=cpu", "--export=ALL", sys.executable, "-m", "tests.toys.training"]
    command += [str(tmp_path / "two"), "0", "precision=fp32"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, env=one_thread)
    assert done.returncode == 0, done.stderr
    fit(tmp_path / "one", accumulate=2, precision="fp32")
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("cpu_partition", "weekend", "cpu_partition = 'weekend' is no partition of this cluster; choose"),
        ("cpu_partition", '""', "cpu_partition is missing; choose from cpu"),
        ("gpu_partition", "a100", "gpu_partition = 'a100' is no partition of this cluster; choose"),
    ],
)
def test_a_site_that_is_not_this_one_is_refused(copied: Path, setting: str, value: str, says: str) -> None:
    (copied / "profiles" / "slurm" / "site.yaml").write_text(f"{setting}: {value}\n")
    process = submit(copied, "--dry-run")
    assert process.wait(120) != 0
    said = (copied / "slurm.log").read_text()
    assert says in said
