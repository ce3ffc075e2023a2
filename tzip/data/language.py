"""The words of lexicon.txt, and the phrases and clauses of English and German that are made of them."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

Pair = tuple[str, str]  # English, German
CASES = {"acc": 1, "dat": 2}  # indices of German forms
# By gender, and p for the plural: the endings of "dieser", and the articles, also used as relative pronouns.
ENDINGS = {"m": "er en em es", "f": "e e er er", "n": "es es em es", "p": "e e en er"}
ARTICLES = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
# The order of a clause's parts. it: an accusative pronoun; known, new: an accusative; him, someone: a dative.
ENGLISH = "it particle known new him someone rest manner place time"
GERMAN = "it him time someone known often not gern place new manner rest"


class Word(NamedTuple):
    """An adjective (with its German stem), an adverb, a pronoun, or another word without forms."""

    english: tuple[str, ...]
    german: tuple[str, ...]
    tags: frozenset[str]


class Noun(NamedTuple):
    forms: dict[str, tuple[str, ...]]  # English and four German cases, by gender and, of the plural, by p
    tags: frozenset[str]
    at: list[str]  # prepositions: "at the station", am Bahnhof
    to: str  # German preposition: zum Bahnhof

    def compound(self, word: Word) -> Noun:
        """'door' with 'kitchen', 'Küchen' → 'kitchen door', 'Küchentür', inflected like its head."""
        forms = {}
        for column, (english, *cases) in self.forms.items():
            forms[column] = f"{word.english[0]} {english}", *(word.german[0] + form.lower() for form in cases)
        return self._replace(forms=forms)


class Forms(NamedTuple):
    """A verb in one language; the forms of a tense are for I, for he, and for we, you and they."""

    base: str
    present: tuple[str, ...]
    past: tuple[str, ...]
    participle: str
    ing: str  # "" in German
    particle: str  # "on" of turn on, "auf" of aufstehen
    auxiliary: bool  # English: takes "not"; German: has a perfect with sein
    reflexive: bool = False


class Verb(NamedTuple):
    english: Forms
    german: Forms
    tags: frozenset[str]  # of its subjects
    complements: list[tuple]  # prepositions, kind (acc, dat; at, to: a place; fit: an adjective), tags
    objects: frozenset[str]  # the tags of the first complement, if it has a case
    flags: frozenset[str]


def english_forms(text: str) -> Forms:
    """'turn turns turned turned turning on'"""
    base, third, past, participle, ing, *particle = text.split()
    present, pasts = (base, third, base), (past, past, past)
    if base == "be":
        present, pasts = ("am", "is", "are"), ("was", "was", "were")
    return Forms(base, present, pasts, participle, ing, " ".join(particle), base in ("be", third))


def german_forms(text: str) -> Forms:
    """'sich aus|ruhen ruhe ruht ruhte ausgeruht'; a sein behind it: perfect with sein."""
    base, first, third, past, participle, *sein = text.removeprefix("sich ").split()
    prefix, _, base = base.rpartition("|")
    present = first, third, "sind" if base == "sein" else base
    pasts = past, past, past + ("n" if past.endswith("e") else "en")
    return Forms(base, present, pasts, participle, "", prefix, bool(sein), text.startswith("sich "))


HAVE, DO = (english_forms(text)._replace(auxiliary=True) for text in ("have has had - -", "do does did - -"))
BE = english_forms("be is was been being")
HABEN, SEIN = german_forms("haben habe hat hatte gehabt"), german_forms("sein bin ist war gewesen")


def read_verb(english: str, german: str, subject: str, complements: str, flags: str = "") -> Verb:
    """A complement: for>auf+acc:person|vehicle."""
    slots = re.findall(r"(?:(\w+)>)?(?:(\w+)\+)?(\w+)(?::(\S+))?", complements)
    slots = [(*slot[:3], frozenset(slot[3].split("|")) - {""}) for slot in slots]
    objects = slots[0][3] if slots and slots[0][2] in CASES else frozenset()
    tags, flags = frozenset(subject.split("|")), frozenset(flags.split())
    return Verb(english_forms(english), german_forms(german), tags, slots, objects, flags)


def read_noun(english: str, german: str, tags: list[str]) -> Noun:
    """'child/children' and 'das Kind Kindes Kinder'; a masculine whose genitive ends in -n is weak."""
    singular, _, plural = english.partition("/")
    article, nominative, *rest = german.split()
    gender = {"der": "m", "die": "f", "das": "n"}[article]
    genitive = nominative if gender == "f" else rest.pop(0)
    other = genitive if gender == "m" and genitive[-1] == "n" != nominative[-1] else nominative
    forms = {gender: (singular, nominative, other, other, genitive)}
    for form in rest:  # the plural
        forms["p"] = plural or f"{singular}s", form, form, form + ("" if form[-1] in "ns" else "n"), form
    places = {"at": "in+in", "to": "in"} | dict(tag.split("=") for tag in tags if "=" in tag)
    return Noun(forms, frozenset([*tags, singular]), places["at"].split("+"), places["to"])


def load() -> dict[str, list]:
    """The words of lexicon.txt by kind, in its order: common ones first."""
    result, kind, tags = defaultdict(list), "", []
    text = Path(__file__).with_name("lexicon.txt").read_text(encoding="utf-8")
    for line in re.findall("^[^#\n].*", text, re.MULTILINE):
        first, second, *rest = [*re.split("  +", line), ""]
        words = [*tags, *" ".join(rest).split()]
        if line.startswith("["):
            kind, *tags = line.strip("[]").split()
        elif kind in ("verb", "modal", "that", "whether", "inf"):
            result[kind].append(read_verb(first, second, *rest[:-1]))
        elif kind == "noun":
            result[kind].append(read_noun(first, second, words))
        elif kind in ("adjective", "pronoun"):
            result[kind].append(Word(tuple(first.split()), tuple(second.split()), frozenset(words)))
        else:
            pairs = [pair.split("=") for pair in first.split(", ")]
            result[kind] += [Word((one,), (two,), frozenset(second.split())) for one, two in pairs]
    return result


WORDS = load()
CONTRACTIONS = {word.english[0]: word.german[0] for word in WORDS["contraction"]}


@functools.cache
def fitting(kind: str, tags: frozenset[str]) -> list:
    """The words of a kind that have one of the tags."""
    return [word for word in WORDS[kind] if word.tags & tags]


class Phrase(NamedTuple):
    english: tuple[str, ...]  # subject, object, possessive
    german: tuple[str, ...]  # four cases; a pronoun has its possessive instead of a genitive
    column: str  # of ENDINGS; "1": ich
    tags: frozenset[str]
    noun: Noun | None = None
    known: bool = True  # definite


class Part(NamedTuple):
    english: str
    german: str
    place: str  # in ENGLISH and GERMAN


def join(*words: str) -> str:
    return " ".join(" ".join(words).split())


def noun_phrase(noun: Noun, column: str, determiner: tuple, adjectives: list[Word], tail="") -> Phrase:
    """determiner: English, German stem, declension (the: articles; der: as dieser; ein: as mein; strong)."""
    article, stem, declension = determiner
    cases, stems = [], [word.german[-1].removesuffix("e") for word in adjectives]
    for case, (strong, form) in enumerate(zip(ENDINGS[column].split(), noun.forms[column][1:], strict=True)):
        first, ending = stem + strong, "e" if f"{column}{case}" in "m0 f0 n0 f1 n1" else "en"
        if declension == "the":
            first = ARTICLES[column].split()[case]
        elif declension == "strong":  # viele, vielen; but zwei
            first, ending = re.sub("e$", strong, stem), "en" if f"{column}{case}" in "m3 n3" else strong
        elif declension == "ein" and f"{column}{case}" in "m0 n0 n1":
            first, ending = stem, strong
        cases.append(join(first, *(stem + ending for stem in stems), form, tail))
    text = join(article, *(word.english[0] for word in adjectives), noun.forms[column][0])
    english = text, text, text + ("'" if text[-1] == "s" else "'s")
    known = "name" in noun.tags or (declension != "strong" and stem not in ("ein", "kein"))
    return Phrase(english, tuple(cases), column, noun.tags, noun, known)


def complement(english: str, german: str, case: str, phrase: Phrase) -> Part:
    """A noun phrase or pronoun with the prepositions and the case of a verb's complement."""
    place = "it" if not phrase.noun else "known" if phrase.known else "new"
    if case == "dat":
        place = "someone" if phrase.noun else "him"
    elif case != "acc":
        english, german = phrase.noun.at if case == "at" else ("to", phrase.noun.to)
        case = "dat" if case == "at" or german in ("zu", "nach") else "acc"
    texts = join(english, phrase.english[1]), join(german, phrase.german[CASES[case]])
    return Part(*texts, "rest" if german else place)


class Clause(NamedTuple):
    """A subject, a verb and what else there is; each method says it in an order of its own."""

    subject: Phrase
    verb: Verb
    tense: str
    parts: list[Part]
    modal: Verb | None
    negated: bool
    theme: Phrase | None  # the object, which "it" can stand for afterwards

    def words(self, language: int, places: str) -> list[str]:
        """What stands at these places, in English (0) or German (1)."""
        return [part[language] for place in places.split() for part in self.parts if part.place == place]

    def finite(self, verb: Forms) -> str:
        forms = verb.past if self.tense in ("past", "past progressive", "pluperfect") else verb.present
        return forms[{"1": 0, "p": 2}.get(self.subject.column, 1)]

    def english(self, ask: bool = False) -> str:
        """A statement, or what a question has from its auxiliary on."""
        verb, rest = self.verb.english, []
        if self.tense.endswith("perfect"):
            verb, rest = HAVE, [verb.participle]
        elif self.tense.endswith("progressive"):
            verb, rest = BE, [verb.ing]
        elif self.modal:
            verb, rest = self.modal.english, [self.modal.english.particle, verb.base]
        if (ask or self.negated) and not verb.auxiliary:
            verb, rest = DO, [verb.base, *rest]
        start, often = [self.subject.english[0], self.finite(verb)], self.words(0, "not often")
        start = [*(start[::-1] if ask else start), *often] if verb.auxiliary else [start[0], *often, start[1]]
        return join(*start, *rest, *self.words(0, ENGLISH))

    def german(self, order: str = "second", first: str = "") -> str:
        """The finite verb second (behind `first`, or else the subject), first (in a question) or last."""
        verb, end = self.verb.german, self.verb.german.particle
        if self.modal and self.modal.german.base != "gern":
            verb, end = self.modal.german, f"{end}{verb.base} "
        elif self.tense.endswith("perfect"):
            verb, end = SEIN if verb.auxiliary else HABEN, f"{verb.participle} "
        finite, subject, middle = self.finite(verb), [self.subject.german[0]], self.words(1, GERMAN)
        itself = self.words(1, "itself")
        if order == "second" and not first:
            return join(*subject, finite, *itself, *middle, end)
        middle = [*itself, *subject, *middle] if self.subject.noun else [*subject, *itself, *middle]
        return join(first, *middle, end + finite) if order == "last" else join(first, finite, *middle, end)

    def stated(self) -> Pair:
        """A main clause, perhaps with an adverb in front of it."""
        english, german = (join(*self.words(language, "front")) for language in (0, 1))
        return join(english, self.english()), self.german(first=german)

    def subordinate(self, english: str, german: str) -> Pair:
        """Behind a conjunction or a relative pronoun; the German verb goes last."""
        return join(english, self.english()), f", {self.german('last', german)} ,"

    def infinitive(self) -> Pair:
        """'open the window', das Fenster zu öffnen."""
        prefix, base = self.verb.german.particle, self.verb.german.base
        zu = f"{prefix}zu{base}" if prefix else f"zu {base}"
        english = join(self.verb.english.base, *self.words(0, ENGLISH))
        return english, join(*self.words(1, f"itself {GERMAN}"), zu)


def sentence(*pairs: Pair, mark: str = ".") -> Pair:
    """The sentence as it is written: a capital, "an", contractions, commas neither doubled nor at an end."""
    english, german = (join(*texts) for texts in zip(*pairs, strict=True))
    english = re.sub(r"\ba(?= [aeiou])", "an", english.replace("can not", "cannot"))
    german = re.sub(rf"(?<!, )\b({'|'.join(CONTRACTIONS)})\b", lambda match: CONTRACTIONS[match[1]], german)
    texts = (re.sub("( ?,)+", ",", text).strip(" ,") + mark for text in (english, german))
    return tuple(text[0].upper() + text[1:] for text in texts)
