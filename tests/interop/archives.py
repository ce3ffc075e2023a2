"""Marian's archives held against the converter of transformers, which reads ours.

`make test-interop` runs this file, which `make test` does not.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.interop.conftest import HERE
from tests.interop.exported import SIZES, in_transformers
from tests.interop.marian_nmt import NATIVE
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Options, Pieces
from tzip.data.pieces import train as train_pieces
from tzip.exchange import exporting, importing
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_transformers_converter_makes_the_same_model_of_an_archive(
    activation: str, corpus: Callable, environment: Callable, tmp_path: Path
) -> None:
    """Every weight bit for bit and all pieces: ours, through model.npz and the converter, and read from model.npz."""
    texts = corpus("texts")
    pieces = train_pieces([texts / "train.en", texts / "train.de"], tmp_path / "pieces.model", Options(size=1200))
    torch.manual_seed(1)
    model = Transformer(Config(vocabulary=len(pieces), activation=activation, **SIZES, **NATIVE)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)  # those that begin as ones and zeros, too
    exporting.write(tmp_path / "archive", model, pieces, exporting.Options(to="marian_nmt"))
    converter = HERE / "peers" / "converter.py"
    in_transformers(environment("converter"), tmp_path, converter, tmp_path / "archive", tmp_path / "converted")
    for folder, kind in (("converted", "marian"), ("archive", "marian_nmt")):
        read = importing.read(tmp_path / folder, importing.Options(format=kind))
        found, their = importing.build(read), Pieces(read.pieces)
        assert their.spell(range(END + 1, len(their))) == pieces.spell(range(END + 1, len(pieces)))
        assert their.encode(["The child is reading."]) == pieces.encode(["The child is reading."])
        assert read.config.activation == activation
        kept = [row for row in range(len(pieces)) if row not in (PAD, BEGIN)]  # Marian has neither
        assert kept[0] == UNKNOWN
        for name, parameter in model.named_parameters():
            own = found.get_parameter(name)
            rows = kept if own.shape[0] == len(pieces) else slice(None)
            assert torch.equal(own[rows], parameter[rows]), f"{folder}: {name}"
