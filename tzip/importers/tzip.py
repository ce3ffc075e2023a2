"""A checkpoint folder of our own, as a run or `tzip decompress` writes it."""

from __future__ import annotations

from pathlib import Path

from tzip import checkpoint, foreign

USES = ()
NEEDS = ()


def read(path: Path, options: foreign.Options) -> foreign.Imported:
    """Read the folder `path`; ValueError as by `checkpoint.load`."""
    model, pieces = checkpoint.load(path)
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return foreign.Imported(model.config, tensors, pieces, tuple(path / name for name in checkpoint.FILES))
