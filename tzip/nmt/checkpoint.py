"""Trained models on disk: a folder of weights, configuration and vocabulary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tzip.files import check_pointer, read_json, replacing, write_json
from tzip.nmt.model import Transformer, holding
from tzip.nmt.options import Config, settings
from tzip.options import make

WEIGHTS, CONFIG, PIECES = "model.safetensors", "config.json", "pieces.model"
FILES = (CONFIG, PIECES, WEIGHTS)
ORIGIN = "origin.json"  # of an imported model: its former format, and the checksums of its files


def save(folder: str | Path, model: Transformer, pieces: bytes, origin: dict[str, Any] | None = None) -> None:
    """Write model and vocabulary; the weights last, so that a folder with weights is complete."""
    folder = Path(folder)
    if origin:
        write_json(folder / ORIGIN, origin)
    write_json(folder / CONFIG, settings(model.config))
    with replacing(folder / PIECES) as temporary:
        temporary.write_bytes(pieces)
    with replacing(folder / WEIGHTS) as temporary:
        save_file(untied(model.state_dict()), temporary)


def load(folder: str | Path) -> tuple[Transformer, bytes]:
    """The model, in fp32 on the CPU, and its vocabulary. ValueError names what is wrong."""
    folder = Path(folder)
    for name in FILES:
        if not (folder / name).is_file():
            raise ValueError(f"{folder}: not a checkpoint: {name} is missing")
    config = make(Config, read_json(folder / CONFIG), str(folder / CONFIG))
    path = folder / WEIGHTS
    check_pointer(path)
    if is_torch_file(path):
        said = "a pickle, or a torch file with one inside, may run code when it is read; only safetensors are"
        raise ValueError(f"{path}: {said} read")
    with torch.device("meta"):  # no memory before the file is known to fill it
        expected = dict(Transformer(config).named_parameters())
    try:
        weights = load_file(path, backend="pread")  # what is mapped would count as the process's memory
        check_shapes(expected, weights)
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    weights = {name: tensor.float() for name, tensor in weights.items()}
    return holding(config, weights), (folder / PIECES).read_bytes()


def origin(folder: str | Path) -> dict[str, Any] | None:
    """Where an imported model came from; None for one that was trained here."""
    path = Path(folder, ORIGIN)
    return read_json(path) if path.exists() else None


def is_torch_file(path: str | Path) -> bool:
    """Whether a file begins like a pickle or a zip archive, the two forms that torch.save writes.

    A safetensors file has a brace after eight bytes of size; these bytes may begin like a pickle.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    return start[8:] != b"{" and (start[:1] == b"\x80" or start[:2] == b"PK")


def untied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the second names of tied tensors, contiguous, on the CPU."""
    first: dict[tuple, str] = {}
    result = {}
    for name, value in state.items():
        place = (value.data_ptr(), value.shape, value.dtype)
        if value.numel() == 0 or first.setdefault(place, name) == name:
            result[name] = value.detach().contiguous().cpu()
    return result


def load_untied(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load what `untied` returned; tied tensors share it. ValueError names the first that does not fit."""
    check_shapes(untied(model.state_dict()), state)
    model.load_state_dict(state, strict=False)


def check_shapes(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """ValueError names the first tensor that is missing on one side, or else whose two shapes differ."""
    shapes, wanted = ({name: tuple(x.shape) for name, x in tensors.items()} for tensors in (found, expected))
    wrong = sorted(shapes.keys() ^ wanted.keys()) or [name for name in wanted if shapes[name] != wanted[name]]
    if wrong:
        name = wrong[0]
        raise ValueError(f"tensor {name}: {shapes.get(name, 'nothing')} found, {wanted.get(name, 'nothing')} expected")
