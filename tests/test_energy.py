from pathlib import Path

import pytest

from tzip.energy import Meter


def package(folder: Path, name: str, microjoules: int, most: int = 999_999) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{microjoules}\n")
    (place / "max_energy_range_uj").write_text(f"{most}\n")
    return place


def test_the_energy_of_all_packages_also_when_a_counter_began_again(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", 400_000)
    package(tmp_path, "intel-rapl:1", 900_000)
    package(tmp_path, "intel-rapl:0:0", 0)  # a part of package 0
    meter = Meter(packages=tmp_path)
    package(tmp_path, "intel-rapl:0", 900_000)
    package(tmp_path, "intel-rapl:1", 300_000)  # past 999,999
    package(tmp_path, "intel-rapl:0:0", 400_000)
    assert meter.joules() == pytest.approx(0.5 + 0.4)


@pytest.mark.parametrize("content", [None, "", "Permission denied"])
def test_where_nothing_counts_it_the_energy_is_unknown(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (package(tmp_path, "intel-rapl:0", 1) / "energy_uj").write_text(content)
    assert Meter(packages=tmp_path).joules() is None
