"""What benchmarks/scaling.py counts, held against a model that is there, and the page that it makes."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tzip.nmt.options import configure

ROOT = Path(__file__).parent.parent
MEASURED = "benchmarks/measured/one-core.json"


@pytest.fixture(scope="module")
def scaling() -> ModuleType:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks/scaling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(ROOT / "benchmarks"))
    return module


def test_the_page_holds_the_tables_that_the_command_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the project's own variables say."""
    for variable in ("TZIP_MIRROR", "TZIP_STORE"):
        monkeypatch.setenv(variable, "/nowhere")
    command = [sys.executable, "benchmarks/scaling.py", MEASURED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    for table in done.stdout.strip().split("\n\n"):
        assert table in page


def test_activations_are_those_that_a_real_pass_keeps(scaling: ModuleType) -> None:
    """But for the little that kernels make for themselves."""
    config = configure({"preset": "tiny", "vocabulary": 90})
    assert scaling.kept(config, 3) == pytest.approx(scaling.kept(config, 3, real=True), rel=0.01)


def test_more_gpus_cost_more_hours_and_end_sooner(scaling: ModuleType) -> None:
    """Hours go with the speed; gradients that are exchanged cost time."""
    run = scaling.Run()

    def row(rates: tuple[float, float, float], link: float, line: int) -> list[float]:
        lines = scaling.hours(run, {"GPU": rates}, link).splitlines()
        return [float(cell.replace(",", "")) for cell in lines[line].strip("| ").split("|")[1:]]

    slow, quick = row((1e4, 1e3, 10.0), 1e9, 2), row((1e5, 1e4, 100.0), 1e9, 2)
    assert slow == pytest.approx([10 * hours for hours in quick], rel=0.05)
    assert slow[0] == pytest.approx(4 * slow[1], rel=0.05)
    assert row((1e5, 1e4, 100.0), 1.0, 2)[1] > quick[1]
    assert row((1e5, 1e4, 100.0), 1.0, 5)[2] > row((1e5, 1e4, 100.0), 1.0, 5)[0]
