"""Settings of a SLURM cluster, in a file that git does not track."""

from pathlib import Path

import pytest

from tests.toys.workflow import ROOT
from tzip.config.site import PROFILE, Site, read


def test_only_what_differs_is_given(tmp_path: Path) -> None:
    assert read(tmp_path / "missing.yaml") == Site()
    path = tmp_path / "site.yaml"
    path.write_text("")
    assert read(path) == Site()
    path.write_text("gpu_partition: a100\nvariants: 8\n")
    assert read(path) == Site(gpu_partition="a100", variants=8)
    assert Site().on_gpu() == {"slurm_partition": "gpu", "gres": "gpu:1"}
    assert Site(gpu_partition="").on_gpu() == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("partition: a100", "no option 'partition'; choose from cpu_partition, gpu_partition"),
        ("variants: 0", "variants = 0 is not an integer at least 1"),
        ("gres: 1", "gres = 1 is not a text"),
        ("- cpu", "expected lines of the form"),
        ("cpu_partition: [", "while parsing"),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(text + "\n")
    with pytest.raises(ValueError, match=PROFILE) as error:
        read(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_git_does_not_track_it() -> None:
    assert PROFILE in (ROOT / ".gitignore").read_text().split()
