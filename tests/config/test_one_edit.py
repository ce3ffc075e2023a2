"""A new key of the configuration is one edit of one file: tests add some, and find them where they belong."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.toys.workflow import ROOT, command, copy_sources

# File and class that get the line, the place in the configuration, and the command that has the flag.
OPTION = 'novel: int = option(3, "what nobody had thought of", low=1, high=9)'
EDITS = [
    ("tzip/nmt/options.py", "Search", OPTION, ("search", "novel"), "translate"),
    ("tzip/compression/variant.py", "Variant", OPTION, ("variants", "fp16", "novel"), "compress"),
    ("tzip/data/corpus.py", "Options", OPTION, ("corpus", "novel"), None),
    ("tzip/config/keys.py", "Threads", OPTION, ("threads", "novel"), None),
]
LOOK = """
import functools, json, sys
from tests.toys.configuration import load, merged
from tzip.config import reference, run
path, value = json.loads(sys.argv[1])
nested = functools.reduce(lambda inner, key: {key: inner}, reversed(path), value)
try:
    config = run.check(merged(load(), nested))
    flags = run.variant_flags(config["variants"]["fp16"], {}) + run.options.flags(config["search"])
    filled = run.check(load())["threads"].get("novel")
    texts = {"page": reference.page(), "schema": json.dumps(reference.schema())}
    print(json.dumps({"flags": flags, "filled": filled} | texts))
except ValueError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture
def edited(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the library with one line added to one class."""
    copy_sources(tmp_path)
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    file, cls, line, *_ = request.param
    source = (tmp_path / file).read_text(encoding="utf-8")
    before, start, inside = source.partition(f"\nclass {cls}(" if f"\nclass {cls}(" in source else f"\nclass {cls}:")
    doc, end, after = inside.partition('"""\n\n')
    (tmp_path / file).write_text(f"{before}{start}{doc}{end}    {line}\n{after}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("edited", "edit"), [(edit, edit) for edit in EDITS], indirect=["edited"], ids=[edit[1] for edit in EDITS]
)
def test_a_new_key_is_one_edit(edited: Path, edit: tuple) -> None:
    """The configuration takes and checks it; flags, --help, the page of keys and the schema have it."""
    path, subcommand = edit[-2:]
    right, wrong = (json.loads(command(edited, "python", "-c", LOOK, json.dumps([path, value]))) for value in (5, 10))
    assert {"novel", "10", "9"} <= set(re.findall(r"\w+", wrong["error"]))
    assert right["page"].count("| `novel` | integer ≥ 1, ≤ 9 | `3` | what nobody had thought of |") >= 1
    assert right["schema"].count('"what nobody had thought of"') >= 1
    assert (right["filled"] == 3) == (path[0] == "threads")
    if subcommand:
        assert "--novel 5" in right["flags"]
        assert "what nobody had thought of" in command(edited, "python", "-m", "tzip", subcommand, "--help")


@pytest.mark.parametrize("edited", EDITS[:1], indirect=True)
def test_without_the_edit_the_key_is_unknown(edited: Path) -> None:
    shutil.copy2(ROOT / EDITS[0][0], edited / EDITS[0][0])
    (error,) = json.loads(command(edited, "python", "-c", LOOK, json.dumps([["search", "novel"], 5]))).values()
    assert error.startswith("unknown key 'novel' in search; choose from beam,")
