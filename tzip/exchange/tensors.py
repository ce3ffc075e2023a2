"""Another model's tensors by their names: read one by one, ticked off, what is left over refused.

Numbers are read from a file when they are asked for, so that a model need not be in memory twice.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tzip import files
from tzip.exchange import torchfile
from tzip.nmt import checkpoint

COPIES = 4  # a tied tensor is in a file once, and has several names


class Tensors:
    """Another model's tensors by their names; what is taken is ticked off, the rest refused by `finish`.

    tensors  each a tensor, or a function that reads it
    size     bytes of the files that are read so; what tensors take is counted
    """

    def __init__(self, tensors: Mapping[str, Tensor | Callable[[], Tensor]], where: str, size: int = 0):
        self.tensors, self.where = dict(tensors), where
        self.taken: set[str] = set()
        storages = [tensor.untyped_storage() for tensor in tensors.values() if isinstance(tensor, Tensor)]
        self.left = COPIES * (size + sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))

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

    def pop(self, name: str) -> Tensor:
        """As `take`, for the last time: its memory is free once the caller has no use for it."""
        tensor = self.take(name)
        del self.tensors[name]
        return tensor

    def constant(self, name: str, equals: Callable[[Tensor], bool]) -> None:
        """Tick off a tensor that is no parameter, if it is there; ValueError unless it is what it must be."""
        if name in self.tensors and not equals(self._read(name)):
            raise ValueError(f"{self.where}: tensor '{name}' is not the constant that it should be")

    def _read(self, name: str) -> Tensor:
        """A tensor that is there; one without numbers, whose shape may claim anything, is refused."""
        self.taken.add(name)
        tensor = self.tensors[name]
        tensor = tensor if isinstance(tensor, Tensor) else tensor()
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
    tensors, size = {}, 0
    for part in parts(path):
        files.check_pointer(part)
        if checkpoint.is_torch_file(part):
            tensors |= of_torch(torchfile.load(part), str(part)).tensors
        else:
            tensors |= of_safetensors(part)
            size += part.stat().st_size
    return Tensors(tensors, str(path), size)


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


def of_safetensors(path: Path) -> dict[str, Callable[[], Tensor]]:
    """What reads each tensor of a safetensors file."""
    try:
        file = safe_open(path, "pt", backend="pread")  # what is mapped would count as the process's memory
    except SafetensorError as error:
        raise ValueError(f"{path}: neither a safetensors nor a torch file: {error}") from None
    tensors = {name: partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118
    # safetensors.torch.save_model keeps one name of a tied tensor, and the others as metadata.
    tied = {other: tensors[kept] for other, kept in (file.metadata() or {}).items() if kept in tensors}
    return tied | tensors


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
            weight = result[f"{ours}.weight"] = tensors.pop(f"{theirs}.weight")
            bias = weight.new_zeros(len(weight)) if module in lacks_bias else tensors.pop(f"{theirs}.bias")
            result[f"{ours}.bias"] = bias
    return result


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
