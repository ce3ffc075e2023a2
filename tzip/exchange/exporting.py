"""Models of ours as files of other engines: what exporters share.

An exporter is a file of `exporters`, named like its engine. What a model has and the engine lacks is refused
by its name.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from tzip import files
from tzip.data.pieces import Pieces
from tzip.exchange import card
from tzip.exchange.options import Export as Options
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer, check_scores

DEFAULTS = Options()
# Of a weight in 8 bits, where an engine would take 127. Without VNNI, x86 processors add two products of 8 bits in 16,
# activations from 0 to 255: 2 · 255 · 127 is beyond them and is cut, 2 · 255 · 63 is not. Weights of few bits are all
# large, so that cutting would destroy them.
LARGEST_WEIGHT = 63
ALL = ("to", "type", "license", "base_model")  # options of every engine


def write(
    folder: str | Path,
    model: Transformer,
    pieces: Pieces,
    options: Options = DEFAULTS,
    history: dict[str, Any] | None = None,
) -> None:
    """Write the folder that the engine's own library opens.

    model    as `format.model.restore` gives it: what is exported is what the compressed file holds
    history  that file's record of what was done, for a model card beside the export
    The folder must be new or empty, and appears whole or not at all. ValueError in one line if the engine has
    no such option, or no model of this form, or the vocabulary is not the model's.
    """
    exporter: ModuleType = importlib.import_module(f"tzip.exchange.exporters.{options.to}")
    if options.type not in exporter.TYPES:
        raise ValueError(f"type = {options.type}: {options.to} has {', '.join(exporter.TYPES)}")
    for field in dataclasses.fields(options):
        if getattr(options, field.name) != field.default and field.name not in (*ALL, *exporter.USES):
            raise ValueError(f"{field.name}: {options.to} has no such option")
    check_scores(model)
    for count, expected in ((len(pieces), model.config.vocabulary), (pieces.targets, model.config.targets)):
        if count != expected:
            raise ValueError(f"{count} pieces, but the model has {expected}")
    with files.replacing_folder(folder) as temporary, torch.no_grad():
        exporter.write(temporary, model, pieces, options)
        if history is None:
            return
        files.write_text(temporary / card.NAME, card.text(history, options, exporter.OPEN))
        if origin := history.get("origin"):
            files.write_json(temporary / checkpoint.ORIGIN, origin)


def write_pieces(folder: Path, pieces: Pieces) -> None:
    """The SentencePiece models that cut a source and join a translation, by the names that toolkits expect."""
    for side, data in zip(("source.spm", "target.spm"), pieces.models, strict=True):
        (folder / side).write_bytes(data)


def only(model: Transformer, form: Mapping[str, tuple[Any, ...]], engine: str) -> None:
    """ValueError unless each option of the model that `form` names is one of its values."""
    for key, choices in form.items():
        if (value := getattr(model.config, key)) not in choices:
            known = " or ".join(map(str, choices))
            raise ValueError(f"{key} = {value}: {engine} knows only {known}")


def typed(tensors: Mapping[str, Tensor], type: str) -> dict[str, Tensor]:
    """The tensors on the CPU, of the type float32 or float16; ValueError names one that is beyond float16."""
    result = {name: x.detach().cpu().to(getattr(torch, type)).contiguous() for name, x in tensors.items()}
    for name, tensor in result.items():
        if not tensor.isfinite().all():
            raise ValueError(f"type = {type}: tensor {name} has numbers that are beyond it")
    return result
