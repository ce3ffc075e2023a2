"""Trained models that runs and users share: a folder of theirs, by the content of all they follow from."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tzip.files import read_json, replacing, replacing_folder, sha256, write_json

SUMS = "sums.json"


def key(about: Mapping[str, Any], inputs: Sequence[str | Path]) -> str:
    """The name of what follows from these settings and these files' bytes, whatever the files are called."""
    known = {"about": about, "inputs": [sha256(path) for path in inputs]}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def fetch(store: str | Path, name: str, outputs: Mapping[str, str | Path]) -> bool:
    """Copy what the store has under `name` to `outputs` (name in the store: path here); False if it has not.

    What is damaged there counts as not there. An output has its final name only when all of it is written.
    """
    folder = Path(store, name[:2], name)
    if set(_whole(folder)) != set(outputs):
        return False
    for one, path in outputs.items():
        with replacing(path) as temporary:
            shutil.copyfile(folder / one, temporary)
    return True


def keep(store: str | Path, name: str, outputs: Mapping[str, str | Path]) -> None:
    """Put `outputs` (name in the store: path here) into the store under `name`, all at once.

    What is there already, because another run was faster, stays: it is the same.
    """
    folder = Path(store, name[:2], name)
    if _whole(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)  # damaged, or not there
    try:
        with replacing_folder(folder) as temporary:
            for one, path in outputs.items():
                shutil.copyfile(path, temporary / one)
            write_json(temporary / SUMS, {one: sha256(temporary / one) for one in outputs})
    except (ValueError, OSError):
        if not _whole(folder):  # another run was not faster either
            raise


def _whole(folder: Path) -> dict[str, str]:
    """The checksums of what a folder of the store holds; nothing if any of it is missing or damaged."""
    if not (folder / SUMS).exists():
        return {}
    sums = read_json(folder / SUMS)
    good = all((folder / one).exists() and sha256(folder / one) == known for one, known in sums.items())
    return sums if good else {}
