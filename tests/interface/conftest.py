"""A small model, compressed and not, and texts."""

from pathlib import Path

import pytest

from tests.toys import small
from tzip.nmt import checkpoint


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """checkpoint/, small.tzip and pieces.model of an untrained model; text and other, source and target."""
    folder = tmp_path_factory.mktemp("interface")
    pieces = small.vocabulary(folder)
    checkpoint.save(folder / "checkpoint", small.model(), pieces.model)
    small.write(folder / "small.tzip", pieces)
    for name, lines in {"text": ["a small house", "", "the lake"], "other": ["stands by the lake", "a house"]}.items():
        (folder / f"{name}.en").write_text("".join(f"{line}\n" for line in lines))
    (folder / "text.de").write_text("ein kleines Haus\nx\nder See\n")
    return folder
