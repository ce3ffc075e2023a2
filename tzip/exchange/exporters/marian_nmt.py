"""A folder of Marian itself, laid out like an archive of OPUS-MT: model.npz, vocab.yml, SentencePiece models.

Marian reads text that was cut into pieces beforehand (`spm_encode --model source.spm`), and numbers the pieces by
vocab.yml.
"""

from pathlib import Path

import yaml

from tzip import files
from tzip.data.pieces import Pieces
from tzip.exchange import exporting, marianfile
from tzip.exchange.marianform import FORM, SPECIAL, settings, spelled, values
from tzip.nmt.model import Transformer

TYPES = ("float32",)
USES = ()
OPEN = """
Marian reads text in pieces:

    spm_encode --model source.spm < TEXT | marian-decoder --config decoder.yml | spm_decode --model target.spm
"""
SEARCH = {"relative-paths": True, "beam-size": 5, "normalize": 0.6, "word-penalty": 0.0}


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write model.npz, vocab.yml (or one per side), source.spm, target.spm and decoder.yml.

    ValueError in one line if Marian has no model of this form, or its vocabulary two pieces of one name.
    """
    exporting.only(model, FORM, "Marian")
    shared = model.config.tie == "all"
    lists = ["vocab.yml"] if shared else ["src.vocab.yml", "trg.vocab.yml"]
    for side, name in enumerate(lists):
        words = spelled(pieces, bool(side))
        if len(set(words)) < len(words):
            raise ValueError(f"a piece is called like one of {', '.join(SPECIAL)}, which are special in Marian")
        text = yaml.safe_dump({word: row for row, word in enumerate(words)}, sort_keys=False, allow_unicode=True)
        files.write_text(folder / name, text)
    exporting.write_pieces(folder, pieces)
    search = {"models": ["model.npz"], "vocabs": [lists[0], lists[-1]]} | SEARCH
    files.write_text(folder / "decoder.yml", yaml.safe_dump(search, sort_keys=False))
    marianfile.save_archive(folder / "model.npz", values(model), settings(model.config))
