"""Parallel text as the pieces of a model: what `--data` of other commands names. Needs no torch."""

from pathlib import Path

from tzip import files
from tzip.data.pieces import Pieces, encode_pairs
from tzip.format import container
from tzip.nmt.options import Config
from tzip.options import make


def vocabulary(place: Path) -> tuple[Pieces, int]:
    """The pieces of a checkpoint's folder, a model.tzip or a pieces.model, and the model's longest sentence.

    The length is 0 for a pieces.model. Raises ValueError in one line for what is none of the three.
    """
    if place.suffix == ".model":
        return Pieces(place), 0
    if not place.is_dir():
        archive = container.read(place)
        return Pieces(archive.vocabulary), make(Config, archive.config, f"{place}: config").max_length
    for name in ("config.json", "pieces.model"):
        if not (place / name).is_file():
            raise ValueError(f"{place}: not a checkpoint: {name} is missing")
    config = make(Config, files.read_json(place / "config.json"), str(place / "config.json"))
    return Pieces(place / "pieces.model"), config.max_length


def encode(model: Path, source: Path, target: Path, prefix: Path, max_length: int | None, force: bool) -> str:
    """Write PREFIX.tokens.npy and PREFIX.offsets.npy of two texts, line by line translations; one line of what it is.

    max_length  pieces that a side may have, END included; None: as many as the model reads. Longer pairs are dropped.
    """
    for name in ("tokens", "offsets"):
        files.check_new(Path(f"{prefix}.{name}.npy"), force)
    pieces, longest = vocabulary(model)
    if max_length is None and not longest:
        raise ValueError(f"{model}: says no longest sentence; give --max-length")
    limit = longest if max_length is None else max_length
    if limit < 2:
        raise ValueError(f"max_length = {limit} is not an integer at least 2")
    done = encode_pairs(pieces, [(source, target)], prefix, limit)
    return f"{prefix}: {done['pairs']:,} pairs, {done['tokens']:,} pieces; {done['dropped']:,} pairs too long"
