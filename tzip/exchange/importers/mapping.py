"""Any model of our form, by a YAML file that names its tensors.

The model is a safetensors file, or a torch file that is one dictionary of tensors. docs/import.md has an
example of the mapping file.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, sentence_pieces
from tzip.exchange import importing
from tzip.nmt.options import Config
from tzip.options import make

USES = ("pieces", "mapping")
NEEDS = ("pieces", "mapping")
KEYS = ("config", "tensors", "ignore", "special")
SPECIAL = {"pad": PAD, "unknown": UNKNOWN, "begin": BEGIN, "end": END}
CHANGES = ("name", "transpose", "rows")
EMBEDDINGS = ("source_embedding.weight", "target_embedding.weight", "generator.weight")
TABLES = {*EMBEDDINGS, "generator.bias"}


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether there is a mapping to read the file by."""
    return path.is_file() and bool(options.mapping)


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the file `path` as options.mapping says; ValueError in one line names what is wrong or missing."""
    where = options.mapping
    mapping = checked(where)
    order, pieces = vocabulary(mapping, options.pieces, where)
    config = make(Config, {"vocabulary": len(order), **mapping.get("config", {})}, f"{where}: config")
    if config.vocabulary != len(order) or config.target_vocabulary:
        raise ValueError(f"{where}: config: both sides have the {len(order)} pieces of {options.pieces}")
    parameters = dict(importing.parameters(config))
    tensors = importing.opened(path)
    result = {}
    for name, entry in expanded(mapping["tensors"], config, where).items():
        if name not in parameters:
            raise ValueError(f"{where}: tensors: our model has no '{name[:80]}'")
        tensor = taken(tensors, entry, f"{where}: {name}")
        if tensor is None:
            tensor = torch.zeros(parameters[name].shape)
        elif name in TABLES:
            tensor = importing.arranged(tensor, order, f"{where}: {name}")
        result[name] = tensor
    tensors.finish(ignored(mapping.get("ignore", []), tensors))
    if "tie" not in mapping.get("config", {}) and all(name in result for name in EMBEDDINGS):
        config = dataclasses.replace(config, tie=importing.tie(result, shared=True))
    return importing.Imported(config, result, pieces, (path, Path(where), Path(options.pieces)))


def checked(path: str) -> dict[str, Any]:
    """The mapping file; ValueError names a key that is unknown or of a wrong type."""
    try:
        mapping = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(mapping, dict) or not isinstance(mapping.get("tensors"), dict):
        raise ValueError(f"{path}: no mapping: it must have 'tensors', our names and theirs")
    for key, value in mapping.items():
        if key not in KEYS:
            raise ValueError(f"{path}: unknown key '{str(key)[:80]}'; choose from {', '.join(KEYS)}")
        if not isinstance(value, list if key == "ignore" else dict):
            raise ValueError(f"{path}: {key} must be a {'list' if key == 'ignore' else 'dictionary'}")
    return mapping


def vocabulary(mapping: dict[str, Any], file: str, where: str) -> tuple[list[int], bytes]:
    """The rows of the file's tables in the order of our ids, and the vocabulary that numbers its pieces so."""
    special = SPECIAL | mapping.get("special", {})
    opened = sentence_pieces(model := importing.piece_model(file), file)
    rows = list(special.values())
    if not all(type(row) is int and 0 <= row < len(opened) for row in rows):
        raise ValueError(f"{where}: special must give numbers of pieces, 0 to {len(opened) - 1}")
    if set(special) != set(SPECIAL) or len({*rows}) < len(rows):
        raise ValueError(f"{where}: special must give {', '.join(SPECIAL)}, each a number of its own")
    order = [*rows, *(row for row in range(len(opened)) if row not in rows)]
    ends = mapping.get("config", {}).get("source_end", True)
    if order == sorted(order) and ends is True:
        return order, model
    names = [opened.id_to_piece(row) for row in order]
    return order, pack(Lists(model, b"", tuple(names), source_end=bool(ends)))


def expanded(entries: dict[str, Any], config: Config, where: str) -> dict[str, Any]:
    """The entries by our names, without {i}: one per layer of the stack that the name begins with."""
    result: dict[str, Any] = {}
    for name, entry in entries.items():
        name, stack = str(name), str(name).partition(".")[0]
        if "{i}" not in name:
            result[name] = entry
        elif stack not in ("encoder", "decoder"):
            raise ValueError(f"{where}: tensors: our model has no layers '{name[:80]}', only encoder and decoder")
        else:
            for i in range(getattr(config, f"{stack}_layers")):
                result[name.replace("{i}", str(i))] = numbered(entry, i)
    return result


def numbered(entry: Any, i: int) -> Any:
    """An entry, or the name in it, with a layer's number for {i}."""
    if isinstance(entry, dict):
        return entry | {"name": numbered(entry.get("name"), i)}
    return entry.replace("{i}", str(i)) if isinstance(entry, str) else entry


def taken(tensors: importing.Tensors, entry: Any, where: str) -> Tensor | None:
    """The tensor that an entry names, changed as it says; None for one that is all zeros."""
    if entry is None:
        return None
    wanted = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str) or not set(wanted) <= set(CHANGES):
        raise ValueError(f"{where}: expected a name, or {', '.join(CHANGES)}, or null for zeros")
    name, tensor = wanted["name"], tensors.take(wanted["name"])
    if "rows" in wanted:
        rows = wanted["rows"]
        two_numbers = isinstance(rows, list) and [type(end) for end in rows] == [int, int]
        if not two_numbers or not 0 <= rows[0] < rows[1] <= len(tensor):
            raise ValueError(f"{where}: rows must be [first, last + 1], within the {len(tensor)} of '{name}'")
        tensor = tensor[slice(*rows)]
    if not wanted.get("transpose"):
        return tensor
    if tensor.dim() != 2:
        raise ValueError(f"{where}: '{name}' {list(tensor.shape)} is no matrix to transpose")
    return tensor.mT.contiguous()


def ignored(patterns: list[Any], tensors: importing.Tensors) -> list[str]:
    """The tensors that the mapping leaves out by name, {i} for any number."""
    matchers = [re.compile(re.escape(str(p)).replace(r"\{i\}", r"\d+")) for p in patterns]
    return [name for name in tensors.tensors if any(matcher.fullmatch(name) for matcher in matchers)]
