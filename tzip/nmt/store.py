"""A folder in which runs and users share trained models, each named by the content of all its inputs."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tzip.files import read_json, replacing, replacing_folder, sha256, write_json

SUMS = "sums.json"


def key(about: Mapping[str, Any], inputs: Sequence[str | Path]) -> str:
    """The name of a result of these settings and these files' bytes; the files' names do not count."""
    content = {"about": about, "inputs": [sha256(path) for path in inputs]}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fetch(store: str | Path, name: str, outputs: Mapping[str, str | Path]) -> bool:
    """Copy the files that the store has under `name` to `outputs` (file: path here); False if it has none.

    Damaged files count as missing. An output has its final name only when it is written completely.
    """
    folder = Path(store, name[:2], name)
    if set(_whole(folder)) != set(outputs):
        return False
    for file, path in outputs.items():
        with replacing(path) as temporary:
            shutil.copyfile(folder / file, temporary)
    return True


def keep(store: str | Path, name: str, outputs: Mapping[str, str | Path]) -> None:
    """Put `outputs` (file: path here) into the store under `name`, all at once.

    Files that another run has put there before are the same, and stay.
    """
    folder = Path(store, name[:2], name)
    if _whole(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)  # damaged, or not there
    try:
        with replacing_folder(folder) as temporary:
            for file, path in outputs.items():
                shutil.copyfile(path, temporary / file)
            write_json(temporary / SUMS, {file: sha256(temporary / file) for file in outputs})
    except (ValueError, OSError):
        if not _whole(folder):  # no other run has put it there in the meantime
            raise


def _whole(folder: Path) -> dict[str, str]:
    """The checksums of the files in a folder of the store; nothing if one of them is missing or damaged."""
    sums = read_json(folder / SUMS) if (folder / SUMS).exists() else {}
    good = all((folder / file).exists() and sha256(folder / file) == known for file, known in sums.items())
    return sums if good else {}
