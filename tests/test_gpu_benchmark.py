"""What benchmarks/gpu.py measures, on a processor and on next to nothing: that it runs, not how fast."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
SMALL = ["--cpu", "--preset", "tiny", "--batch-tokens", "200", "--warm", "1", "--updates", "1", "--sentences", "4"]
MEASURES = ("k-means, 4 bits, every matrix", "products of (bf16|fp32)", "training", "finetuning", "translation")


def benchmark(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "benchmarks/gpu.py", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_measure_is_taken() -> None:
    said = benchmark(*SMALL)
    for measure in MEASURES:
        assert re.search(rf"(?m)^{measure}: [\d.,]+ ", said), said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so() -> None:
    assert "no GPU here" in benchmark("--preset", "tiny")
