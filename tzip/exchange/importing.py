"""Models of other toolkits as models of ours: what importers share, and checks that none of them can skip.

An importer is a file of `importers`, named like its format. It reads a file or folder that nobody vouches for
into a Config, tensors by our names, and a vocabulary. What a model has and ours lacks is refused by its name:
a tensor that no importer asked for, an option that changes what the model computes.
"""

import contextlib
import dataclasses
import importlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from tzip import files
from tzip.config import imports
from tzip.data import packed
from tzip.data.pieces import Pieces, sentence_pieces
from tzip.exchange import torchfile
from tzip.exchange.options import Import as Options
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config
from tzip.options import make

COPIES = 4  # a tied tensor is in a file once, and has several names


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


def read(source: str | Path, options: Options) -> Imported:
    """The model at `source`, whole and checked; ValueError in one line for all else.

    source  a file or folder, or ARCHIVE::MEMBER; so are the files that the options name
    """
    check(options)
    importer: ModuleType = importlib.import_module(f"tzip.exchange.importers.{options.format}")
    places = {key: getattr(options, key) for key in ("pieces", "target_pieces", "mapping")}
    with contextlib.ExitStack() as stack:
        paths = {key: str(stack.enter_context(local(place))) for key, place in places.items() if place}
        path = stack.enter_context(local(source))
        try:
            imported = importer.read(path, dataclasses.replace(options, **paths))
        except RecursionError:
            raise ValueError(f"{source}: a file of it is nested too deep") from None
        record = origin(imported.files, options.format)
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
        if not tensor.isfinite().all():
            raise ValueError(f"tensor {name}: not all of its numbers are finite")
    return result


def build(imported: Imported) -> Transformer:
    """The model that `read` gave."""
    model = Transformer(imported.config)
    model.load_state_dict(imported.tensors, strict=False)  # a tied tensor has one name there
    return model.eval()


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


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


class Tensors:
    """Another model's tensors by their names; what is taken is ticked off, the rest refused by `finish`."""

    def __init__(self, tensors: Mapping[str, Tensor], where: str):
        self.tensors, self.where = dict(tensors), where
        self.taken: set[str] = set()
        storages = [tensor.untyped_storage() for tensor in tensors.values()]
        self.left = COPIES * sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def take(self, name: str) -> Tensor:
        """A tensor of at least one dimension as float32; ValueError if it is missing."""
        if name not in self.tensors:
            raise ValueError(f"{self.where}: no tensor '{name}'; it has {some(self.tensors)}")
        tensor = self._read(name)
        if not tensor.is_floating_point():
            raise ValueError(f"{self.where}: tensor '{name}' is of type {tensor.dtype}, not of a float's")
        if not tensor.dim():
            raise ValueError(f"{self.where}: tensor '{name}' is a single number")
        return tensor.float()

    def constant(self, name: str, equals: Callable[[Tensor], bool]) -> None:
        """Tick off a tensor that is no parameter, if it is there; ValueError unless it is what it must be."""
        if name in self.tensors and not equals(self._read(name)):
            raise ValueError(f"{self.where}: tensor '{name}' is not the constant that it should be")

    def _read(self, name: str) -> Tensor:
        """A tensor that is there; one without numbers, whose shape may claim anything, is refused."""
        self.taken.add(name)
        tensor = self.tensors[name]
        if not tensor.numel():
            raise ValueError(f"{self.where}: tensor '{name}' {list(tensor.shape)} has no numbers")
        self.left -= tensor.nbytes
        if self.left < 0:
            raise ValueError(f"{self.where}: its tensors are together over {COPIES} times its data; refused")
        return tensor

    def count(self, pattern: str) -> int:
        """How many numbers stand for {i} in the names that begin like `pattern`, from 0 on without a gap."""
        matcher = re.compile(re.escape(pattern).replace(r"\{i\}", r"(\d{1,4})"))
        numbers = {int(match[1]) for name in self.tensors if (match := matcher.match(name))}
        if numbers != set(range(len(numbers))):
            raise ValueError(f"{self.where}: the layers {pattern} are not numbered from 0 on without a gap")
        return len(numbers)

    def finish(self, ignore: Iterable[str] = ()) -> None:
        """ValueError unless every tensor was taken, or is to be ignored."""
        if rest := sorted(set(self.tensors) - self.taken - set(ignore)):
            raise ValueError(f"{self.where}: our model has no place for {some(rest)}")


def near(found: Tensor, expected: Tensor) -> bool:
    """Whether two tables of positions are the same, but for how they were rounded."""
    return torch.allclose(found.float(), expected, rtol=0, atol=4e-3 if found.dtype == torch.bfloat16 else 1e-3)


def some(names: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    names = [f"'{name[:80]}'" for name in names]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or "none"


def opened(path: Path) -> Tensors:
    """The tensors of a safetensors file, of a torch file that is one dictionary of tensors, or of parts of either."""
    return Tensors({name: tensor for part in parts(path) for name, tensor in _opened(part).tensors.items()}, str(path))


def parts(path: Path) -> list[Path]:
    """The files with the tensors: the file itself, or those that an index (*.index.json) names."""
    if not path.name.endswith(".index.json"):
        return [path]
    index = files.read_json(path)
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not all(isinstance(n, str) and Path(n).name == n for n in names.values()):
        raise ValueError(f"{path}: no index: its weight_map must name a file beside it for each tensor")
    found = [path.with_name(name) for name in sorted(set(names.values()))]
    if absent := [part for part in found if not part.is_file()]:
        raise ValueError(f"{absent[0]}: missing; {path.name} names it")
    return found


def _opened(path: Path) -> Tensors:
    files.check_pointer(path)
    if checkpoint.is_torch_file(path):
        return of_torch(torchfile.load(path), str(path))
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            tied = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: neither a safetensors nor a torch file: {error}") from None
    # safetensors.torch.save_model keeps one name of a tied tensor, and the others as metadata.
    return Tensors({other: tensors[kept] for other, kept in tied.items() if kept in tensors} | tensors, str(path))


def of_torch(tensors: Any, path: str, key: str = "it") -> Tensors:
    """A dictionary of tensors in a torch file, which has it under `key`."""
    if not isinstance(tensors, dict) or not all(isinstance(name, str) for name in tensors):
        raise ValueError(f"{path}: {key} is no dictionary of tensors")
    if wrong := [name for name, value in tensors.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"{path}: {some(wrong)} is no tensor")
    return Tensors(tensors, path)


def layers(
    tensors: Tensors, stack: str, layer: str, names: Mapping[str, str], count: int, lacks_bias: Iterable[str] = ()
) -> dict[str, Tensor]:
    """Weights and biases of `count` layers by our names.

    stack       encoder or decoder
    layer       what a layer's names begin with in the file, {i} for its number
    names       our module → the file's
    lacks_bias  modules of ours that have no bias in the file: it is 0
    """
    result = {}
    for i in range(count):
        for module, name in names.items():
            ours, theirs = f"{stack}.{i}.{module}", f"{layer.format(i=i)}.{name}"
            weight = result[f"{ours}.weight"] = tensors.take(f"{theirs}.weight")
            bias = weight.new_zeros(len(weight)) if module in lacks_bias else tensors.take(f"{theirs}.bias")
            result[f"{ours}.bias"] = bias
    return result


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


def tie(tensors: Mapping[str, Tensor], shared: bool) -> str:
    """Which embeddings are one matrix, bit for bit; pieces that the sides do not share tie no source."""
    names = ("source_embedding.weight", "target_embedding.weight", "generator.weight")
    source, target, generator = (tensors[name] for name in names)
    if not torch.equal(target, generator):
        return "none"
    return "all" if shared and torch.equal(source, target) else "decoder"


def arranged(weight: Tensor, order: Sequence[int | None], name: str) -> Tensor:
    """Rows in the order of our ids, 0 where the order says None; ValueError unless there are as many as pieces."""
    known = len({row for row in order if row is not None})
    if len(weight) != known:
        raise ValueError(f"{name} has {len(weight)} rows for {known} pieces")
    result = weight[torch.tensor([0 if row is None else row for row in order])]
    result[[i for i, row in enumerate(order) if row is None]] = 0.0
    return result


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
