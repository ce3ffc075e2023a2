"""Places and times that programs trip over, runs that meet, and configurations that change under a run."""

import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import NANO, copy, differing, files, finish, start, write_configuration
from tests.toys.waiting import wait_for

HOME = "a home that is not there and cannot be made"
PLACES = {
    "a path with spaces and umlauts": ("Größe und Maß", {}),
    HOME: ("run", {"HOME": "/proc/nobody", "XDG_CACHE_HOME": "/proc/nobody/cache"}),
    "a locale of C": ("run", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
    "another time zone": ("run", {"TZ": "Pacific/Kiritimati"}),
}


@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_runs_it_ends_with_the_same_bytes(place: str, tmp_path: Path, undisturbed: Path, told) -> None:
    name, environment = PLACES[place]
    folder = copy(tmp_path / name)
    finish(folder, **environment)
    assert differing(files(folder), files(undisturbed)) == []
    shutil.rmtree(folder)
    told(place, "the same bytes as anywhere", f"{len(files(undisturbed))} files, the same bytes")


def test_of_two_runs_in_one_folder_the_second_is_refused(fresh: Path, undisturbed: Path, told) -> None:
    first = start(fresh)
    wait_for(lambda: list((fresh / ".snakemake" / "locks").glob("*")), 60)
    assert start(fresh).wait(120) != 0
    assert "cannot be locked" in (fresh / "said").read_text()
    assert first.wait(600) == 0
    assert differing(files(fresh), files(undisturbed)) == []
    told(
        "two runs started in one folder",
        "one of them refuses; the other is not disturbed",
        "the second ended with Snakemake's line about the lock; the first with the same bytes",
    )


def test_a_method_changed_under_a_run_is_done_by_the_next(fresh: Path, tmp_path: Path, told) -> None:
    def change(folder: Path) -> None:
        file = folder / "tzip" / "quantizers" / "kmeans.py"
        file.write_text(file.read_text().replace("kmeans1d.exact(values, k)", "kmeans1d.exact(values, k - 1)"))

    running = start(fresh)
    wait_for((fresh / "results/nano/seed-1/kmeans-4bit/state").exists, 300)  # it has read the file
    change(fresh)
    status = running.wait(600)
    said = (fresh / "results/nano/logs/compress.seed-1.kmeans-4bit.log").read_text().splitlines()[-1]
    assert status != 0
    assert said.startswith("error: kmeans-4bit: the file of a method changed while it was made; make it again")
    finish(fresh)
    straight = copy(tmp_path / "straight")
    change(straight)
    finish(straight)
    assert differing(files(fresh), files(straight)) == []
    told(
        "a method's file that changes while a variant is made",
        "that variant fails and says why; the next run makes it again",
        f"`{said}`, then the bytes of a run that had the changed file from the start",
    )


def test_a_configuration_changed_under_a_run_is_done_by_the_next(fresh: Path, tmp_path: Path, told) -> None:
    changed = NANO | {"finetune": NANO["finetune"] | {"updates": 30}}
    running = start(fresh)
    wait_for((fresh / "results/nano/seed-1/checkpoint/model.safetensors").exists, 300)
    write_configuration(fresh, changed)
    assert running.wait(600) == 0
    finish(fresh)
    straight = copy(tmp_path / "straight")
    write_configuration(straight, changed)
    finish(straight)
    assert differing(files(fresh), files(straight)) == []
    told(
        "a configuration that changes while a run goes on",
        "that run ends; the next makes again what the change concerns",
        "the bytes of a run that had the changed configuration from the start",
    )
