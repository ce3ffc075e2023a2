"""A checkpoint folder of our own, as a run or `tzip decompress` writes it."""

from pathlib import Path

from tzip.exchange import importing
from tzip.nmt import checkpoint

USES = ()
NEEDS = ()


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` looks like such a folder."""
    return all((path / name).is_file() for name in checkpoint.FILES)


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the folder `path`; ValueError as by `checkpoint.load`."""
    model, pieces = checkpoint.load(path)
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return importing.Imported(model.config, tensors, pieces, tuple(path / name for name in checkpoint.FILES))
