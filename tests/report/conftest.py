"""A finished run that the tests of this folder share."""

from pathlib import Path

import pytest

from tests.toys.run import flags, script, write


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two test sets and two seeds, with its frontier; whoever changes files copies it first."""
    run = tmp_path_factory.mktemp("shared") / "example"
    write(run)
    notes = ["--provenance", run / "provenance.json", "--note", "made up"]
    assert script("frontier", *flags(run), *notes, "--output", run / "tables") == (0, "")
    return run
