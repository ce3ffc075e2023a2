from pathlib import Path

import numpy as np
import pytest

from tzip.files import write_json, write_text
from tzip.report import stages, tables

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def benchmark(path: Path, seconds: float, memory: str, cpu: float) -> None:
    write_text(path, f"{HEADER}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0.0\t0.0\t50.0\t{cpu}\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    benchmark(tmp_path / "benchmarks" / "compress.seed-1.baseline.tsv", 2.0, "300.5", 1.0)
    benchmark(tmp_path / "benchmarks" / "compress.seed-1.kmeans.4.tsv", 8.0, "200.0", 7.5)
    benchmark(tmp_path / "benchmarks" / "size.seed-1.baseline.tsv", 0.1, "-", 0.0)
    benchmark(tmp_path / "seed-1" / "benchmarks" / "calibrate.tsv", 30.0, "100.0", 29.0)
    for row, joules in (("baseline", 3.0), ("kmeans.4", 4.5)):
        write_json(tmp_path / "seed-1" / row / "compress.json", {"energy_joules": joules})
    return tmp_path


def test_jobs_are_summed_by_stage_the_longest_first(run: Path) -> None:
    frame = stages.gather(run)
    assert frame["stage"].tolist() == ["calibrate", "compress", "size"]
    assert frame["jobs"].tolist() == [1, 2, 1]
    assert frame["seconds"].tolist() == pytest.approx([30, 10, 0.1])
    assert frame["cpu_seconds"].tolist() == pytest.approx([29, 8.5, 0])
    assert frame["longest_seconds"].tolist() == pytest.approx([30, 8, 0.1])
    np.testing.assert_array_equal(frame["peak_memory_mb"], [100, 300.5, np.nan])  # - where too short
    np.testing.assert_array_equal(frame["energy_joules"], [np.nan, 7.5, np.nan])


def test_energy_is_unknown_where_one_job_does_not_know_its_own(run: Path) -> None:
    write_json(run / "seed-1" / "kmeans.4" / "compress.json", {"energy_joules": None})
    assert stages.gather(run)["energy_joules"].isna().all()


def test_the_table_shows_what_is_unknown_as_a_dash(run: Path) -> None:
    table = stages.table(stages.gather(run))
    cells = table.cells()
    assert cells[1] == ["compress", "2", "0.2", "0.1", "8", "300", "0.0"]
    assert cells[2] == ["size", "1", "0.0", "0.0", "0", tables.DASH, tables.DASH]
    tables.write(table, run / "timings")
    assert stages.table(stages.read(run)).cells() == cells


@pytest.mark.parametrize("content", ["", HEADER, "a\tb\n1\t2\n"])
def test_what_is_no_benchmark_is_named(run: Path, content: str) -> None:
    (run / "benchmarks" / "broken.tsv").write_text(content)
    with pytest.raises(ValueError, match=r"broken\.tsv: not one line of s, cpu_time, max_rss"):
        stages.gather(run)


def test_a_folder_without_benchmarks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no benchmarks/\*\.tsv in it; has the run finished\?"):
        stages.gather(tmp_path)
