"""The rows of "Common errors" in the docs, each held against the error that the program gives."""

import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.toys import commands
from tests.toys.configuration import DEFAULT, ROOT, changed, merged
from tzip.config import datasets, run
from tzip.data import corpus, pieces
from tzip.data.download import fetch
from tzip.format import container
from tzip.nmt import checkpoint, state
from tzip.report.results import check_same

PAGE = (ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| `(.+?)` \|", PAGE.partition("## Common errors")[2])


def mistaken(config: dict[str, Any], **more: Any) -> Callable[[Path], None]:
    return lambda folder: run.check(config | more)


def local(folder: Path, **more: str) -> None:
    pair = {"source": {"path": "corpora/mine/train.en.gz"}, "target": {"path": "train.de"}}
    own = {"languages": ["en", "de"], "train": [pair], "dev": [pair], "test": {"held": pair}}
    config = run.check(DEFAULT | {"datasets": {"mine": own}, "dataset": "mine", "tests": ["held"]} | more)
    datasets.check_data(config, str(folder), config["mirror"])


def small_text(folder: Path) -> None:
    text = folder / "text"
    text.write_text("a b c d\n" * 9)
    pieces.train([text], folder / "pieces.model", pieces.Options(size=65000))


def unequal(folder: Path) -> None:
    sides = [Path("corpora", "mine", f"train.{side}.gz") for side in ("en", "de")]
    for side, lines in zip(sides, (1500, 1499), strict=True):
        side.parent.mkdir(parents=True, exist_ok=True)
        side.write_text("a\n" * lines)
    list(corpus.pairs(tuple(corpus.Side(str(side)) for side in sides)))


def latin(folder: Path) -> None:
    (folder / "text").write_bytes(b"a\n" * 6 + b"\xe9t\xe9\n")
    list(corpus.Side(str(folder / "text")).lines())


def other_file(folder: Path) -> None:
    (folder / "mirror" / "host").mkdir(parents=True)
    (folder / "mirror" / "host" / "file").touch()
    fetch("https://host/file", folder / "file", "0" * 64, str(folder / "mirror"))


def locked(folder: Path) -> None:
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with state.exclusive(folder / "lock"):
            pass


def said(*arguments: object) -> None:
    """Raise what the command line says."""
    result = commands.tzip(*arguments)
    assert result.returncode
    raise ValueError(result.stderr.removeprefix("error: ").strip())


def existing(folder: Path) -> None:
    (folder / "small.tzip").touch()
    said("compress", folder, folder / "small.tzip")


def file_of(version: int, end: bytes = b"") -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        data = container.MAGIC + version.to_bytes(1, "little") + bytes(100) + end
        (folder / "small.tzip").write_bytes(data)
        container.read(folder / "small.tzip")

    return read


BASE_ROWS = {"rows": ["baseline"]}
MISTAKES: list[Callable[[Path], None]] = [
    mistaken(DEFAULT, trainign={}),
    mistaken(merged(DEFAULT, {"variants": {"bs-fixed": {"quantize": {"method": "kmeans"}}}})),
    mistaken(DEFAULT, rows=["baseline", "kmeans-5bit"]),
    mistaken(DEFAULT, **BASE_ROWS),
    mistaken(DEFAULT, **BASE_ROWS, attention=BASE_ROWS),
    mistaken(changed("variants/kmeans-4bit/quantize/bits", 40)),
    local,
    lambda folder: local(folder, mirror="/nowhere"),
    small_text,
    unequal,
    latin,
    other_file,
    lambda folder: checkpoint.load(folder),
    locked,
    lambda folder: check_same({folder / "A": 1, folder / "B": 2}, "references"),
    existing,
    file_of(container.VERSION),
    file_of(container.VERSION + 1),
    lambda folder: said("compress", folder, folder / "small.tzip", "--prune", "magnitude:sparsity=0.5"),
]


@pytest.mark.parametrize(("row", "make"), list(zip(ROWS, MISTAKES, strict=True)), ids=[row[:40] for row in ROWS])
def test_a_row_is_what_the_program_says(row: str, make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "PATIENCE", 0.0)
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole message is compared below
        make(tmp_path)
    parts = re.split(r"\.\.\.|\b(?:FILE|FOLDER|URL|A|B)\b|2980", row)
    pattern = ".*".join(re.escape(part) for part in parts)
    assert re.fullmatch(f".*{pattern}.*", str(error.value)), str(error.value)
