"""Lines of text as the model reads them, wherever they come from."""

import unicodedata

import sentencex


def normalize(line: str) -> str:
    """A line in Unicode NFC with single spaces: the form of training text, of sources, and of all comparisons.

    All of Unicode's white space counts as space: TAB, no-break and ideographic spaces, line separators.
    """
    return " ".join(unicodedata.normalize("NFC", line).split())


def sentences(line: str, language: str | None) -> list[str]:
    """The sentences of a line in `language` (ISO 639-1), by sentencex; without one, the line itself."""
    return [part.strip() for part in sentencex.segment(language, line)] or [""] if language else [line]
