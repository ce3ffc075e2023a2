"""Any model of our form, by a YAML file that names its tensors.

The model is a safetensors file, or a torch file that is one dictionary of tensors. docs/import.md has an
example of the mapping file.
"""

from __future__ import annotations

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


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the file `path` as options.mapping says; ValueError in one line names what it does not say."""
    where = options.mapping
    mapping = checked(where)
    order, pieces = vocabulary(mapping, options.pieces, where)
    given = {"vocabulary": len(order), **mapping.get("config", {})}
    config = make(Config, given, f"{where}: config")
    if config.vocabulary != len(order) or config.target_vocabulary:
        raise ValueError(f"{where}: config: both sides have the {len(order)} pieces of {options.pieces}")
    known = shapes(config)
    tensors = importing.opened(path)
    made = {}
    for ours, theirs in expanded(mapping["tensors"], config, where).items():
        if ours not in known:
            raise ValueError(f"{where}: tensors: our model has no '{ours[:80]}'")
        found = taken(tensors, theirs, f"{where}: {ours}")
        if found is None:
            found = torch.zeros(known[ours])
        elif ours in TABLES:
            found = importing.arranged(found, order, f"{where}: {ours}")
        made[ours] = found
    tensors.finish(ignored(mapping.get("ignore", []), tensors))
    if "tie" not in mapping.get("config", {}) and all(name in made for name in EMBEDDINGS):
        config = dataclasses.replace(config, tie=importing.tie(made, shared=True))
    return importing.Imported(config, made, pieces, (path, Path(options.mapping), Path(options.pieces)))


def checked(path: str) -> dict[str, Any]:
    """The mapping file; ValueError names a key of it that is none, or of another kind than it should be."""
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict) or not isinstance(found.get("tensors"), dict):
        raise ValueError(f"{path}: no mapping: it must have 'tensors', our names and theirs")
    for key, value in found.items():
        if key not in KEYS:
            raise ValueError(f"{path}: unknown key '{str(key)[:80]}'; choose from {', '.join(KEYS)}")
        if not isinstance(value, list if key == "ignore" else dict):
            raise ValueError(f"{path}: {key} must be a {'list' if key == 'ignore' else 'dictionary'}")
    return found


def vocabulary(mapping: dict[str, Any], file: str, where: str) -> tuple[list[int], bytes]:
    """Their rows in the order of our ids, and the vocabulary that numbers its pieces so."""
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


def expanded(names: dict[str, Any], config: Config, where: str) -> dict[str, Any]:
    """Our names and theirs without {i}: one entry a layer of the stack that ours begins with."""
    found: dict[str, Any] = {}
    for ours, theirs in names.items():
        stack = str(ours).partition(".")[0]
        if "{i}" not in str(ours):
            found[str(ours)] = theirs
            continue
        if stack not in ("encoder", "decoder"):
            raise ValueError(f"{where}: tensors: our model has no layers '{str(ours)[:80]}', only encoder and decoder")
        for i in range(getattr(config, f"{stack}_layers")):
            found[ours.replace("{i}", str(i))] = numbered(theirs, i)
    return found


def numbered(theirs: Any, i: int) -> Any:
    if isinstance(theirs, dict):
        return theirs | {"name": numbered(theirs.get("name"), i)}
    return theirs.replace("{i}", str(i)) if isinstance(theirs, str) else theirs


def taken(tensors: importing.Tensors, theirs: Any, where: str) -> Tensor | None:
    """A tensor, changed as asked for; None where theirs has none, and ours is 0."""
    if theirs is None:
        return None
    wanted = {"name": theirs} if isinstance(theirs, str) else theirs
    if not isinstance(wanted, dict) or not isinstance(wanted.get("name"), str) or not set(wanted) <= set(CHANGES):
        raise ValueError(f"{where}: expected a name, or {', '.join(CHANGES)}, or null for zeros")
    found = tensors.take(wanted["name"])
    if "rows" in wanted:
        span = wanted["rows"]
        if not (
            isinstance(span, list)
            and len(span) == 2
            and all(type(end) is int for end in span)
            and 0 <= span[0] < span[1] <= len(found)
        ):
            raise ValueError(f"{where}: rows must be [first, last + 1], within the {len(found)} of '{wanted['name']}'")
        found = found[span[0] : span[1]]
    if not wanted.get("transpose"):
        return found
    if found.dim() != 2:
        raise ValueError(f"{where}: '{wanted['name']}' {list(found.shape)} is no matrix to transpose")
    return found.mT.contiguous()


def ignored(patterns: list[Any], tensors: importing.Tensors) -> list[str]:
    """The tensors that the mapping leaves out by name, {i} for any number."""
    matchers = [re.compile(re.escape(str(p)).replace(r"\{i\}", r"\d+")) for p in patterns]
    return [name for name in tensors.tensors if any(matcher.fullmatch(name) for matcher in matchers)]


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    return {name: tuple(one.shape) for name, one in importing.parameters(config)}
