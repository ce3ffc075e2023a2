"""A model of our own: a checkpoint folder, as a run or `tzip decompress` writes it, or a compressed file."""

from pathlib import Path

from tzip.exchange import importing
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import checkpoint

USES = ()
NEEDS = ()
MODEL = "model.tzip"  # in a folder, as models are published


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` looks like such a folder, or like such a file or its folder."""
    return all((path / name).is_file() for name in checkpoint.FILES) or _compressed(path) is not None


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read `path`; ValueError as by `checkpoint.load`, or as by `model_file.restore`."""
    if file := _compressed(path):
        model, pieces, _ = model_file.restore(file)
        vocabulary, places = pieces.model, (file,)
    else:
        model, vocabulary = checkpoint.load(path)
        places = tuple(path / name for name in checkpoint.FILES)
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return importing.Imported(model.config, tensors, vocabulary, places)


def _compressed(path: Path) -> Path | None:
    """The compressed model that `path` is or has."""
    file = path / MODEL if path.is_dir() else path
    if not file.is_file():
        return None
    with open(file, "rb") as opened:
        return file if opened.read(len(container.MAGIC)) == container.MAGIC else None
