"""What an import and a compression take of memory, of a model that is large beside what they need at any size."""

import sys
from pathlib import Path

import pytest

from benchmarks import footprint

LZMA = 48 << 20  # bytes that packing the vocabulary takes at any size


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's largest memory since a moment")
def test_no_model_is_in_memory_twice(tmp_path: Path) -> None:
    """At most 1.5 times its weights; in half precision in a torch file, which holds them half as large, too."""
    uniform = "compress, uniform 8 bits"
    chosen = {uniform: footprint.COMPRESSIONS[uniform]}
    sizes = {"width": 256, "count": 24000, "layers": 5, "kind": "float16", "file": "bin"}
    weights, peaks = footprint.measured(tmp_path, **sizes, compressions=chosen)
    assert peaks["import"] < 1.5 * 4 * weights
    assert peaks[uniform] < 1.5 * 4 * weights + LZMA
