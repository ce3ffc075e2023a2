"""From a file to translations: model.tzip as a plain model; needs no compression method."""

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from tzip.compression.code import Code
from tzip.data.pieces import Pieces
from tzip.format import container
from tzip.nmt import search
from tzip.nmt.model import Transformer, chain, shape, tensors
from tzip.nmt.options import Config, Hypothesis, Progress, Search
from tzip.options import make


def restore(path: str | Path) -> tuple[Transformer, Pieces, container.Archive]:
    """The model (fp32, on the CPU), its vocabulary and the archive in the file `path`.

    Raises ValueError (FormatError for a damaged file) in one line.
    """
    archive = container.read(path)
    config = make(Config, archive.config, f"{path}: config")
    with torch.device("meta"):  # no memory before the file is known to fill it
        check(Transformer(config), archive.codes)
    model = Transformer(config)
    load(model, archive.codes)
    return model.eval(), Pieces(archive.vocabulary), archive


def cast(model: Transformer, options: Search) -> Transformer:
    """The model as the options' precision has it: itself, or a copy in bf16 if it is not in that yet."""
    if options.precision == "fp32" or next(model.parameters()).dtype == torch.bfloat16:
        return model
    return copy.deepcopy(model).bfloat16()


def hypotheses(
    model: Transformer, pieces: Pieces, sources: list[list[int]], options: Search, progress: Progress = None
) -> list[list[tuple[str, float]]]:
    """The n best translations of each encoded line with their scores, by the model as `cast` gives it; best first.

    progress  see `search.search`
    """
    return spelled(pieces, search.search(cast(model, options), sources, options, progress))


def spelled(pieces: Pieces, found: list[list[Hypothesis]]) -> list[list[tuple[str, float]]]:
    """Hypotheses as text with their scores: log-probabilities divided by the length penalty of the search."""
    texts = iter(pieces.decode([list(one.pieces) for line in found for one in line]))
    return [[(next(texts), one.score) for one in line] for line in found]


def translate(model: Transformer, pieces: Pieces, lines: list[str], options: Search) -> list[str]:
    """The best translation of each line; the model stays as it is."""
    return [beam[0][0] for beam in hypotheses(model, pieces, pieces.encode(lines), options)]


def check(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """ValueError names the first tensor of a plain model that `codes` does not fit, and how."""
    expected = tensors(model)
    for name in [*expected, *codes]:
        if name not in codes:
            raise ValueError(f"tensor {name}: nothing found, {shape(expected[name])} expected")
        if name not in expected:
            raise ValueError(f"tensor {name}: {codes[name].shape} found, but the model has no such tensor")
        if codes[name].shape != shape(expected[name]):
            raise ValueError(f"tensor {name}: {codes[name].shape} found, {shape(expected[name])} expected")


def load(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """Decode every tensor into a plain model; ValueError as by `check`."""
    check(model, codes)
    with torch.no_grad():
        for name, places in tensors(model).items():
            (parameter,) = chain(*places[0])  # a plain model: nothing but the parameter
            parameter.copy_(torch.from_numpy(codes[name].decode()))
