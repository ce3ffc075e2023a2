"""Models of other toolkits as models of ours: what importers share, and checks that none of them can skip.

An importer is a file of `importers`, named like its format. It reads a file or folder that nobody vouches for
into a Config, tensors by our names, and a vocabulary. What a model has and ours lacks is refused by its name:
a tensor that no importer asked for, an option that changes what the model computes.
"""

import contextlib
import dataclasses
import importlib
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from tzip import files
from tzip.config import imports
from tzip.data import packed
from tzip.data.pieces import Pieces, sentence_pieces
from tzip.exchange import card, huggingface
from tzip.exchange.options import Import as Options
from tzip.exchange.tensors import Tensors, arranged, layers, near, of_torch, opened, parts, some, tie
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer, holding
from tzip.nmt.options import Config
from tzip.options import make

__all__ = ["Tensors", "arranged", "layers", "near", "of_torch", "opened", "parts", "some", "tie"]  # for importers


@dataclass(frozen=True)
class Imported:
    """What an importer reads.

    tensors  float32, by the names of Transformer's parameters; a tied one may be there once or each time
    pieces   as Pieces reads them
    files    what was read
    origin   the record of it, which `read` adds
    """

    config: Config
    tensors: dict[str, Tensor]
    pieces: bytes
    files: tuple[Path, ...]
    origin: dict[str, Any] = dataclasses.field(default_factory=dict)


# ── formats ───────────────────────────────────────────────────────────────────────────────────────


def check(options: Options) -> None:
    """ValueError unless the format exists and has the options that are given, and those it needs are."""
    if options.format not in imports.formats():
        raise ValueError(f"format = {options.format!r} is not one of {', '.join(imports.formats())}")
    usable = ("format", "max_length", *imports.uses(options.format))
    for field in dataclasses.fields(options):
        if getattr(options, field.name) != field.default and field.name not in usable:
            raise ValueError(f"{field.name}: the format {options.format} has no such option")
    for key in imports.needs(options.format):
        if not getattr(options, key):
            raise ValueError(f"{key}: the format {options.format} needs it; give a file")


def importer(format: str) -> ModuleType:
    """The importer of a format."""
    return importlib.import_module(f"tzip.exchange.importers.{format}")


def recognized(path: Path, options: Options, source: str) -> str:
    """The one format that recognizes `path`; ValueError if none or several do, which says what is there."""
    known = [name for name in imports.formats() if importer(name).recognizes(path, options)]
    if len(known) == 1:
        return known[0]
    if known:
        raise ValueError(f"{source}: it may be {' or '.join(known)}; say which by format")
    if path.is_dir():
        kind = huggingface.model_type(path)
        found = f"a model of transformers, model_type = {kind[:80]!r}" if kind else "a folder with "
        found += "" if kind else some(sorted(inner.name for inner in path.iterdir()))
    else:
        found = "a torch file" if checkpoint.is_torch_file(path) else "a file"
    raise ValueError(f"{source}: {found}: no format recognizes it; format is one of {', '.join(imports.formats())}")


def read(source: str | Path, options: Options) -> Imported:
    """The model at `source`, whole and checked; ValueError in one line for all else.

    source   a file or folder, or ARCHIVE::MEMBER; so are the files that the options name
    options  whose format is empty where it is to be recognized
    """
    if options.format:
        check(options)
    places = {key: getattr(options, key) for key in ("pieces", "target_pieces", "mapping")}
    with contextlib.ExitStack() as stack:
        paths = {key: str(stack.enter_context(local(place))) for key, place in places.items() if place}
        path = stack.enter_context(local(source))
        options = dataclasses.replace(options, **paths)
        if not options.format:
            options = dataclasses.replace(options, format=recognized(path, options, str(source)))
            check(options)
        try:
            imported = importer(options.format).read(path, options)
        except RecursionError:
            raise ValueError(f"{source}: a file of it is nested too deep") from None
        record = origin(imported.files, options.format)
        record |= {"license": license} if (license := card.license_of(path)) else {}
    check_pieces(Pieces(imported.pieces))
    tensors = fitting(imported.tensors, imported.config)
    config = limited(imported.config, options.max_length)
    return dataclasses.replace(imported, config=config, tensors=tensors, origin=record)


@contextlib.contextmanager
def local(place: str | Path) -> Iterator[Path]:
    """A path, or the member of an archive as a file that is there while the block runs."""
    archive, member, column = files.parse_place(str(place))
    if column:
        raise ValueError(f"{place}: no such file, and a model has no columns")
    if not member:
        if not Path(archive).exists():
            raise ValueError(f"{archive}: no such file or folder")
        yield Path(archive)
        return
    with tempfile.TemporaryDirectory() as folder, packed.open_member(archive, member) as stream:
        path = Path(folder, Path(member).name)
        with open(path, "wb") as file:
            shutil.copyfileobj(stream, file)
        yield path


def limited(config: Config, max_length: int) -> Config:
    """The configuration with another `max_length`, unless it is 0."""
    if max_length > config.max_length:
        raise ValueError(f"max_length = {max_length}, but the model knows only {config.max_length} positions")
    return make(Config, vars(config) | {"max_length": max_length}, "import") if max_length else config


def fitting(tensors: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Each tensor once; ValueError names one that is missing, does not fit, or is not finite.

    So it does with one that differs from that which the configuration ties it to.
    """
    result = dict(tensors)
    expected: dict[str, Tensor] = {}
    first: dict[int, str] = {}  # the first name of each parameter
    for name, parameter in parameters(config):
        kept = first.setdefault(id(parameter), name)
        if kept == name:
            expected[name] = parameter
        elif (tied := result.pop(name, None)) is not None and kept in result and not torch.equal(tied, result[kept]):
            raise ValueError(f"tensor {name} is not the same as {kept}: tie = {config.tie!r} is wrong")
    checkpoint.check_shapes(expected, result)
    for name, tensor in result.items():
        if not all(map(math.isfinite, tensor.aminmax())):  # without a copy of its size
            raise ValueError(f"tensor {name}: not all of its numbers are finite")
    return result


def build(imported: Imported) -> Transformer:
    """The model that `read` gave; its parameters are these tensors themselves."""
    return holding(imported.config, imported.tensors)


def parameters(config: Config) -> list[tuple[str, Tensor]]:
    """Every parameter by each of its names, without its numbers."""
    with torch.device("meta"):
        return list(Transformer(config).named_parameters(remove_duplicate=False))


def origin(paths: Iterable[Path], format: str) -> dict[str, Any]:
    """Where a model came from, for the record: its format and the SHA-256 of each file that was read."""
    sums: dict[str, str] = {}
    for path in paths:
        name = path.name
        while name in sums:
            name += "'"  # two files of one name, from two folders
        sums[name] = files.sha256(path)
    return {"format": format, "files": sums}


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def piece_model(path: str | Path) -> bytes:
    """The bytes of a SentencePiece model; ValueError names the file if it is none."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: {'no file' if Path(path).exists() else 'missing'}")
    files.check_pointer(path)
    data = Path(path).read_bytes()
    sentence_pieces(data, str(path))
    return data


def check_pieces(pieces: Pieces) -> None:
    """ValueError if a SentencePiece model and the vocabulary of the embeddings share less than half of the smaller."""
    for target, model in enumerate(pieces.models):
        processor = sentence_pieces(model, "SentencePiece model")
        own = set(pieces.spell(range(pieces.targets if target else len(pieces)), target=bool(target)))
        special = (processor.is_control, processor.is_unknown, processor.is_byte, processor.is_unused)
        cut = [processor.id_to_piece(i) for i in range(len(processor)) if not any(is_(i) for is_ in special)]
        known = sum(piece in own for piece in cut)
        if known < min(len(cut), len(own)) / 2:
            side = f"the {'target' if target else 'source'}'s SentencePiece model"
            said = f"only {known} of its {len(cut)} pieces are among the {len(own)} that the model has embeddings of"
            raise ValueError(f"{side} does not belong to it: {said}")


def spelled(pieces: list[str], order: list[int | None], names: tuple[str, ...]) -> tuple[str, ...]:
    """The pieces in the order of our ids; a special one that is missing or there already, as in `names`."""
    special: list[str] = []
    for row, name in zip(order, names, strict=False):
        if row is not None and pieces[row] not in special:
            name = pieces[row]
        else:
            while name in pieces or name in special:
                name += "_"
        special.append(name)
    return (*special, *(pieces[row] for row in order[len(special) :]))
