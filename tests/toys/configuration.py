"""The configurations of the repository as Snakemake reads them, changed ones, and errors of one line."""

import contextlib
import copy
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def merged(below: Any, above: Any) -> Any:
    """As Snakemake merges: dicts by key, everything else replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def load(*names: str) -> dict[str, Any]:
    """As the Snakefile reads them: without names the default run."""
    files = ["config/datasets.yaml", "config.yaml", *(f"config/{name}" for name in names or ["default.yaml"])]
    return reduce(merged, [yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in files])


DEFAULT = load()


def changed(path: str, value: object) -> dict[str, Any]:
    """The default configuration with one value, at a path such as training/updates, set."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split("/")
    reduce(lambda section, key: section.setdefault(key, {}), parents, config)[last] = value
    return config


@contextlib.contextmanager
def refused(message: str) -> Iterator[None]:
    """The block raises a ValueError of one line that begins with `message`."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the message is compared below
        yield
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
