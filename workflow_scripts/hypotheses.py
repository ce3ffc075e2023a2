"""Translate training text for students to learn from, a block at a time. Resumes by itself."""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

from tzip import files, options
from tzip.cli import run
from tzip.format import model as model_file
from tzip.nmt import device
from tzip.nmt.options import Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="model.tzip of the teacher")
    parser.add_argument("--source", required=True, type=Path, help="sentences, one per line")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", required=True, type=Path, help="folder for the blocks to resume from")
    parser.add_argument("--block", type=int, default=8192, help="lines between saves [8192]")
    parser.add_argument("--output", required=True, type=Path, help="translations, one per line")
    options.add_arguments(parser, Search)
    args = parser.parse_args()

    here = device.prepare(args.threads)
    settings = options.from_arguments(args, Search, "teacher")
    made_of = [files.sha256(args.model), files.sha256(args.source), vars(settings), args.block]
    folder = args.state / hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    model, pieces, _ = model_file.restore(args.model)
    model = model_file.cast(model.to(here), settings)  # once, not once per block
    lines = files.read_lines(args.source)
    blocks = {folder / f"{start}.txt": start for start in range(0, len(lines), args.block)}
    for number, (path, start) in enumerate(blocks.items(), 1):
        if not path.exists():
            translations = model_file.translate(model, pieces, lines[start : start + args.block], settings)
            files.write_text(path, "".join(f"{line}\n" for line in translations))
            print(f"block {number} of {len(blocks)}", file=sys.stderr)
    files.write_text(args.output, "".join(path.read_text(encoding="utf-8") for path in blocks))
    shutil.rmtree(args.state)


if __name__ == "__main__":
    run(main)
