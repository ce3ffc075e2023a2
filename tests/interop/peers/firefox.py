"""In the environment of Firefox's engine: translate a text by an exported folder.

    python firefox.py FOLDER TEXT [SHORTLIST]

Prints the translations as a JSON list.
"""

import json
import sys
from pathlib import Path

import fxtranslate


def read(folder: Path, *names: str) -> bytes:
    """The first of these files that is there."""
    return next(path.read_bytes() for name in names if (path := folder / name).exists())


def main() -> None:
    folder, text = Path(sys.argv[1]), Path(sys.argv[2])
    translator = fxtranslate.Translator(
        model=read(folder, "model.bin", "model.intgemm.alphas.bin"),
        src_vocab=read(folder, "vocab.spm", "srcvocab.spm"),
        trg_vocab=read(folder, "vocab.spm", "trgvocab.spm"),
        **({"shortlist": Path(sys.argv[3]).read_bytes()} if sys.argv[3:] else {}),
    )
    print(json.dumps([translator.translate(line) for line in text.read_text(encoding="utf-8").splitlines()]))


main()
