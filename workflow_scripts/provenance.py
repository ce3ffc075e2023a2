"""Record the origin of a run: revision, configuration, checksums of its data, packages, devices."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from tzip.cli import run
from tzip.files import read_json, sha256, write_json
from tzip.report import results

PACKAGES = (
    *("tzip", "torch", "numpy", "sentencepiece", "sacrebleu", "safetensors", "constriction", "scikit-learn"),
    *("pandas", "seaborn", "ctranslate2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the run's configuration, JSON")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="files to record the SHA-256 of")
    parser.add_argument("--origin", type=Path, help="of an imported baseline: its checkpoint's origin.json")
    results.add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()

    config = read_json(args.config)
    text = json.dumps(config, sort_keys=True)
    folder = os.path.commonpath(args.data)
    places = (results.place(args.results, seed, row, "compress.json") for seed in args.seeds for row in args.rows)
    devices = sorted({results.load(place, ("device",))["device"] for place in places})
    write_json(
        args.output,
        {
            "revision": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain")),
            "config": config,
            "configuration": hashlib.sha256(text.encode()).hexdigest(),
            "data": {path.relative_to(folder).as_posix(): sha256(path) for path in args.data},
            **({"imported": read_json(args.origin)} if args.origin else {}),
            "device": ", ".join(devices),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "packages": {name: version(name) for name in PACKAGES},
        },
    )


def git(*arguments: str) -> str:
    """What git says of this checkout; nothing where there is no git or no checkout (a downloaded archive)."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the environment of the report has no torch
        return ""


if __name__ == "__main__":
    run(main)
