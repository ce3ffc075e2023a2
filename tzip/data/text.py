"""Lines of text as the model reads them, wherever they come from."""

import unicodedata

import sentencex

# Soft hyphen and word joiner are dropped; zero-width space and a byte order mark within a line are spaces.
INVISIBLE = {0x00AD: None, 0x2060: None, 0x200B: " ", 0xFEFF: " "}


def spaced(line: str) -> str:
    """A line with single spaces between its words and none around it.

    All of Unicode's white space counts as space: TAB, no-break and ideographic spaces, line separators. So do
    characters without width that part words; those within a word are dropped.
    """
    return " ".join(line.translate(INVISIBLE).split())


def normalize(line: str) -> str:
    """A line `spaced` and in Unicode NFC: the form of training text, of sources, and of all comparisons."""
    return spaced(unicodedata.normalize("NFC", line))


def sentences(line: str, language: str | None) -> list[str]:
    """The sentences of a line in `language` (ISO 639-1), by sentencex; without one, the line itself."""
    return [part.strip() for part in sentencex.segment(language, line)] or [""] if language else [line]
