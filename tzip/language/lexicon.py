"""The words of the embedded corpus, read from lexicon.txt."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tzip.language.morphology import (
    Adjective,
    Noun,
    Place,
    Verb,
    adjective,
    english_plural,
    english_verb,
    genitive,
    german_verb,
    slot,
)


@dataclass(frozen=True)
class Adverb:
    english: str
    german: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Lexicon:
    """All words, in the order of the list: common ones first."""

    nouns: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    adverbs: dict[str, tuple[Adverb, ...]]  # by kind: time, frequency, manner, place, sentence, degree
    names: dict[str, tuple[tuple[str, str], ...]]  # by kind: woman, man, family, city

    def noun(self, english: str) -> Noun:
        return next(noun for noun in self.nouns if noun.english == english)


def sections(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """(kind, words of the section's header, columns) for each entry of the list."""
    kind, header = "", []
    for line in text.splitlines():
        if line.startswith("["):
            kind, *header = line.strip("[]").split()
        elif line.strip() and not line.startswith("#"):
            yield kind, header, [*re.split(r"\s{2,}", line.strip()), "", "", ""]


def _noun(columns: list[str], header: list[str]) -> Noun:
    english, german, plural, given = columns[:4]
    singular, _, plural_en = english.partition("/")
    article, _, german = german.partition(" ")
    words = given.split()
    special = dict(word.split("=") for word in words if "=" in word)
    tags = frozenset([*header, *(word for word in words if "=" not in word), singular])
    gender = {"der": "m", "die": "f", "das": "n"}[article]
    regular = german if gender == "f" else plural if "weak" in tags else genitive(german)
    places = {}
    for key in special.keys() & {"at", "to"}:
        made = slot(special[key])
        places[key] = Place(made.english, made.german, made.case)
    return Noun(
        singular,
        plural_en or english_plural(singular),
        german,
        gender,
        plural,
        special.get("gen", regular),
        tags,
        **places,
    )


@functools.cache
def load() -> Lexicon:
    """The list in lexicon.txt, parsed."""
    entries = list(sections(Path(__file__).with_name("lexicon.txt").read_text(encoding="utf-8")))
    compounds: dict[str, list[tuple[str, str]]] = {}
    adverbs: dict[str, list[Adverb]] = {}
    names: dict[str, list[tuple[str, str]]] = {}
    verbs, adjectives = [], []
    for kind, header, (first, second, third, *more) in entries:
        if kind == "compound":
            pairs = [tuple(modifier.split("=")) for modifier in first.split()]
            for head in third.split():
                compounds.setdefault(head.replace("_", " "), []).extend(pairs)
        elif kind == "verb":
            slots = tuple(slot(text) for text in more[0].split() if text != "-")
            tags = frozenset(third.split("|"))
            verbs.append(
                Verb(english_verb(first), german_verb(second), tags, slots, frozenset(more[1].split()))
            )
        elif kind == "adjective":
            adjectives.append(adjective(first, second, frozenset(third.split())))
        elif kind == "adverb":
            adverbs.setdefault(header[0], []).append(Adverb(first, second, frozenset(third.split())))
        elif kind == "name":
            names.setdefault(header[0], []).append((first, second))
    nouns = [_noun(columns, header) for kind, header, columns in entries if kind == "noun"]
    return Lexicon(
        tuple(replace(noun, modifiers=tuple(compounds.get(noun.english, ()))) for noun in nouns),
        tuple(verbs),
        tuple(adjectives),
        {kind: tuple(words) for kind, words in adverbs.items()},
        {kind: tuple(words) for kind, words in names.items()},
    )
