"""Model cards: a README.md beside an export, which says what the files are, whose, and how to open them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import tzip
from tzip.exchange.options import Export
from tzip.format import sizes

NAME = "README.md"
FENCE = "---\n"
LONGEST = 100  # characters of a license's name


def license_of(folder: Path) -> str:
    """The license that the model card in a folder names in its front matter; "" where there is none."""
    path = folder / NAME
    if not path.is_file():
        return ""
    begin, _, rest = path.read_text(encoding="utf-8", errors="replace").partition(FENCE)
    front, fence, _ = rest.partition("\n" + FENCE)
    try:
        read = yaml.safe_load(front) if fence and not begin.strip() else None
    except yaml.YAMLError:
        return ""
    found = read.get("license") if isinstance(read, dict) else None
    return found if isinstance(found, str) and len(found) <= LONGEST else ""


def text(history: Mapping[str, Any], options: Export, opened: str) -> str:
    """The card of an export: front matter as model hubs read it, then the same for people.

    history  the compressed file's record of what was done
    opened   how the engine's own library opens the folder, in Markdown
    """
    origin = history.get("origin") or {}
    license, base = options.license or origin.get("license", ""), options.base_model
    front: dict[str, Any] = {"pipeline_tag": "translation", "tags": ["tzip", options.to]}
    front |= {"license": license} if license else {}
    front |= {"base_model": base, "base_model_relation": "quantized"} if base else {}
    updates = history.get("updates", 0)
    lines = [
        FENCE + yaml.safe_dump(front, sort_keys=True) + FENCE,
        f"# {history.get('name', 'A translation model')}\n",
        f"Weights of a model that tzip {tzip.__version__} compressed, as {options.type} for `{options.to}`: the numbers"
        " that the compressed file holds.\n",
        f"- Compressed by: {sizes.done(history) or 'nothing'}.",
        f"- Fine-tuned: {f'{updates:,} updates' if updates else 'no'}.",
        f"- Base model: {base or 'not given'}.",
        f"- License: {license or 'not given; that of the base model and of its data holds'}.",
    ]
    if origin:
        lines.append(f"- Imported from the format `{origin['format']}`; its files, by SHA-256:")
        lines += [f"  - `{sha256}` {name}" for name, sha256 in origin["files"].items()]
    return "\n".join([*lines, "", "## How to open it", "", opened.strip()]) + "\n"
