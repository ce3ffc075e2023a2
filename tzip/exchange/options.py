"""Options of import and export; reading them needs no torch."""

from dataclasses import dataclass
from pathlib import Path

from tzip.options import option

FOLDER = Path(__file__).parent
FORMATS, ENGINES = (
    tuple(sorted(path.stem for path in (FOLDER / kind).glob("*.py") if path.stem != "__init__"))
    for kind in ("importers", "exporters")
)


@dataclass(frozen=True)
class Import:
    """A model from elsewhere; which files belong to it, each format says."""

    format: str = option(
        "",
        f"what the model was made by, a file of tzip/exchange/importers ({', '.join(FORMATS)}) [recognized]",
        metavar="FORMAT",
    )
    pieces: str = option("", "SentencePiece model that cuts the text, where it is no part of the model", metavar="FILE")
    target_pieces: str = option("", "SentencePiece model of the target's text; `pieces` where empty", metavar="FILE")
    prefix: str = option("", "piece to put before every source, such as >>deu<<", metavar="PIECE")
    source_language: str = option("", "language of the sources as the model calls it, such as en", metavar="CODE")
    target_language: str = option("", "language of the translations, such as de", metavar="CODE")
    mapping: str = option("", "YAML file that names the tensors", metavar="FILE")
    max_length: int = option(0, "longest sentence in pieces, end included; 0: the model's own", low=0)


@dataclass(frozen=True)
class Export:
    """Export."""

    to: str = option(
        "ctranslate2", "the engine to export to: a file in tzip/exchange/exporters", choices=ENGINES, metavar="ENGINE"
    )
    type: str = option(
        "float32",
        "type of the weights; in CTranslate2 of the products with them, too",
        choices=("float32", "float16", "int16", "int8"),
        metavar="TYPE",
    )
    shortlist: str = option("", "target shortlist, of tzip shortlist; for ctranslate2, firefox", metavar="FILE")
    calibration: str = option("", "source text, of which int8 scales activations; for firefox", metavar="FILE")
    license: str = option("", "license for the model card, as cc-by-4.0 [that of the imported model]", metavar="ID")
    base_model: str = option("", "model that this one was made from, for the card [the imported one]", metavar="NAME")
