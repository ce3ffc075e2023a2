"""Small untrained models with the vocabulary of a few lines."""

from pathlib import Path

import torch

from tests.nmt.test_model import TOY
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data import pieces
from tzip.format import container
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

TEXT = "ein kleines Haus steht am See\na small house stands by the lake\n" * 20
SIZE = 280


def vocabulary(folder: Path, text: str = TEXT, size: int = SIZE) -> pieces.Pieces:
    """A SentencePiece model of a text, both in `folder`: text, pieces.model."""
    (folder / "text").write_text(text, encoding="utf-8")
    return pieces.train([folder / "text"], folder / "pieces.model", pieces.Options(size=size))


def model(seed: int = 0, **form) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(Config(**TOY | {"vocabulary": SIZE} | form))


def write(path: Path, pieces: pieces.Pieces, seed: int = 0, **form) -> Path:
    """A model.tzip of nothing compressed."""
    untrained = model(seed, vocabulary=len(pieces), **form)
    container.write(path, pipeline.build(untrained, pieces.model, Variant(), name=path.stem, seed=1)[0])
    return path
