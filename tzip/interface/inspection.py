"""What a model.tzip holds, as `tzip.inspect` returns it; needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tzip.files import named
from tzip.format import container, sizes


@dataclass(frozen=True)
class Inspection:
    """The sizes and the tensors of a model.tzip.

    sizes    in bytes, and the three ratios; by the names that `tzip.format.sizes.sizes` explains
    tensors  a row per tensor, then one for the vocabulary and one for the header: name, shape, bits, entropy,
             bytes, share; as `tzip.format.sizes.table` explains. All rows together make the file.
    config   the options of the Transformer
    history  what was done to the model: name, seed, updates, variant
    """

    path: Path
    sizes: dict[str, Any]
    tensors: list[dict[str, Any]]
    config: dict[str, Any]
    history: dict[str, Any]


def inspect(path: str | Path) -> Inspection:
    """What a model.tzip holds. Raises FileNotFoundError, or ValueError in one line for what is no such file."""
    path = Path(path)
    with named():
        archive = container.read(path)
        counted = sizes.sizes(archive, path.stat().st_size)
    return Inspection(path, counted, sizes.table(archive), archive.config, archive.history)
