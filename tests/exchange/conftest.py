"""A vocabulary of ours, as a file and opened."""

from pathlib import Path

import pytest

from tests.toys.foreign import vocabulary_of_ours
from tzip.data.pieces import Pieces


@pytest.fixture(scope="session")
def vocabulary_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vocabulary_of_ours(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="session")
def vocabulary(vocabulary_file: Path) -> Pieces:
    return Pieces(vocabulary_file)
