"""Noun phrases: articles, adjectives, pronouns and prepositions, declined in both languages at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tzip.language.morphology import CASES, Adjective, Agreement, Noun

Pair = tuple[str, str]  # the same thing in English and in German

ARTICLE = {  # columns m f n p
    "nom": dict(m="der", f="die", n="das", p="die"),
    "acc": dict(m="den", f="die", n="das", p="die"),
    "dat": dict(m="dem", f="der", n="dem", p="den"),
    "gen": dict(m="des", f="der", n="des", p="der"),
}
STRONG = {  # the endings of dieser, and of an adjective that stands without an article
    "nom": dict(m="er", f="e", n="es", p="e"),
    "acc": dict(m="en", f="e", n="es", p="e"),
    "dat": dict(m="em", f="er", n="em", p="en"),
    "gen": dict(m="es", f="er", n="es", p="er"),
}
THIRD = Agreement()
PRONOUNS = (  # English subject, object, possessive; German nom acc dat, possessive stem; reflexive acc
    ("I", "me", "my", "ich", "mich", "mir", "mein", "mich"),
    ("you", "you", "your", "du", "dich", "dir", "dein", "dich"),
    ("he", "him", "his", "er", "ihn", "ihm", "sein", "sich"),
    ("we", "us", "our", "wir", "uns", "uns", "unser", "uns"),
    ("you", "you", "your", "ihr", "euch", "euch", "euer", "euch"),
    ("they", "them", "their", "sie", "sie", "ihnen", "ihr", "sich"),
)
SHE = ("she", "her", "her", "sie", "sie", "ihr", "ihr", "sich")
IT = ("it", "it", "its", "es", "es", "ihm", "sein", "sich")
POLITE = ("you", "you", "your", "Sie", "Sie", "Ihnen", "Ihr", "sich")


@dataclass(frozen=True)
class Determiner:
    """An article or what stands in its place; `german` is a stem that takes endings of its `kind`."""

    english: str
    german: str
    kind: str  # der: weak adjectives follow; ein: mixed; fixed: no endings of its own, strong adjectives
    known: bool = False  # definite: stands early in a German clause


THE = Determiner("the", "d", "der", known=True)
THIS = Determiner("this", "dies", "der", known=True)
EVERY = Determiner("every", "jed", "der")
WHICH = Determiner("which", "welch", "der")
ALL = Determiner("all", "all", "der")
A = Determiner("a", "ein", "ein")
NO = Determiner("no", "kein", "ein")
NOT_A = Determiner("a", "kein", "ein")  # "does not buy a car": kauft kein Auto
MANY = Determiner("many", "viel", "many")
SOME = Determiner("some", "einig", "many")
FEW = Determiner("few", "wenig", "many")
BARE = Determiner("", "", "fixed")
TUNE = Determiner("the", "", "fixed")  # "plays the piano": spielt Klavier


def number(english: str, german: str) -> Determiner:
    return Determiner(english, german, "fixed")


def article(determiner: Determiner, case: str, column: str) -> str:
    """The German determiner in a case and a column of Agreement.column."""
    if determiner is THE:
        return ARTICLE[case][column]
    if determiner.kind == "fixed":
        return determiner.german
    if determiner.german == "ein" and column == "p":
        return ""
    ending = STRONG[case][column]
    if determiner.kind == "ein" and (case, column) in (("nom", "m"), ("nom", "n"), ("acc", "n")):
        ending = ""
    stem = "eur" if determiner.german == "euer" and ending else determiner.german
    return stem + ending


def adjective_ending(determiner: Determiner, case: str, column: str) -> str:
    """Weak where the determiner shows the case, strong where nothing does."""
    shown = determiner.kind == "der" or (
        determiner.kind == "ein" and article(determiner, case, column) not in ("", determiner.german)
    )
    if not shown:
        return "en" if case == "gen" and column in "mn" else STRONG[case][column]
    singular = column != "p"
    return "e" if singular and (case == "nom" or (case == "acc" and column in "fn")) else "en"


@dataclass(frozen=True)
class NounPhrase:
    english: str  # as a subject
    german: tuple[str, ...]  # nom, acc, dat, gen
    agreement: Agreement = THIRD
    noun: Noun | None = None
    kind: str = "noun"  # noun, name, pronoun or question
    known: bool = True
    article: Determiner | None = None
    heavy: bool = False  # carries a relative clause
    objective: str = ""  # where English tells: him

    @property
    def english_object(self) -> str:
        return self.objective or self.english

    def german_case(self, case: str) -> str:
        return self.german[CASES.index(case)]

    def extend(self, english: str, german: str, heavy: bool = False) -> NounPhrase:
        """With a relative clause or a genitive behind the noun."""
        forms = tuple(f"{form}{german}" for form in self.german)
        return replace(self, english=self.english + english, german=forms, heavy=heavy)


def noun_phrase(
    noun: Noun,
    determiner: Determiner,
    adjectives: tuple[Adjective, ...] = (),
    plural: bool = False,
    degree: int = 0,
    adverb: Pair = ("", ""),
) -> NounPhrase:
    """Article, adjectives and noun: 'the old house', das alte Haus, das alte Haus, dem alten Haus, ..."""
    agreement = Agreement(3, plural, noun.gender)

    def in_german(case: str) -> str:
        ending = adjective_ending(determiner, case, agreement.column)
        words = [article(determiner, case, agreement.column), adverb[1]]
        words += [adjective.in_german(ending, degree) for adjective in adjectives]
        return join(*words, noun.in_german(case, plural))

    head = join(adverb[0], *(adjective.english[degree] for adjective in adjectives), noun.in_english(plural))
    english = determiner.english
    if english == "a":
        english = "" if plural or noun.mass else indefinite(head)
    if english == "this" and plural:
        english = "these"
    forms = tuple(in_german(case) for case in CASES)
    return NounPhrase(join(english, head), forms, agreement, noun, known=determiner.known, article=determiner)


def indefinite(following: str) -> str:
    exception = re.match("uni|use|eu|one", following)
    return "an" if (following[0] in "aeiou" and not exception) or re.match("hon|hour", following) else "a"


def pronoun(agreement: Agreement, animate: bool = True) -> NounPhrase:
    """The personal pronoun; English asks for natural gender (`animate`), German for grammatical gender."""
    forms = _pronoun(agreement)
    english = forms if animate else IT if not agreement.plural else PRONOUNS[5]
    return NounPhrase(english[0], (*forms[3:6], ""), agreement, kind="pronoun", objective=english[1])


def possessive(agreement: Agreement, animate: bool = True) -> Determiner:
    forms = _pronoun(agreement)
    english = forms if animate or agreement.plural else IT
    return Determiner(english[2], forms[6], "ein", known=True)


def reflexive(agreement: Agreement) -> str:
    return _pronoun(agreement)[7]


def _pronoun(agreement: Agreement) -> tuple[str, ...]:
    if agreement.formal:
        return POLITE
    if agreement.english == 2 and agreement.gender != "m":
        return SHE if agreement.gender == "f" else IT
    return PRONOUNS[agreement.english]


def name(english: str, german: str, gender: str) -> NounPhrase:
    return NounPhrase(english, (german,) * 3 + (german + "s",), Agreement(gender=gender), kind="name")


def coordinate(first: NounPhrase, second: NounPhrase) -> NounPhrase:
    """'Anna and the boy', in the plural."""
    forms = tuple(f"{one} und {two}" for one, two in zip(first.german, second.german, strict=True))
    english = f"{first.english} and {second.english}"
    return NounPhrase(english, forms, Agreement(plural=True), first.noun, "name")


CONTRACTIONS = {
    "in dem": "im", "in das": "ins", "an dem": "am", "an das": "ans",
    "zu dem": "zum", "zu der": "zur", "von dem": "vom", "bei dem": "beim",
}  # fmt: skip


def prepositional(english: str, german: str, case: str, phrase: NounPhrase) -> Pair:
    """Preposition and noun phrase; German contracts preposition and article, unless a clause follows."""
    text = join(german, phrase.german_case(case))
    if phrase.kind == "noun" and not phrase.heavy:
        text = re.sub(r"^\w+ d(em|as|er)\b", lambda found: CONTRACTIONS.get(found[0], found[0]), text)
    return join(english, phrase.english_object), text


def join(*words: str) -> str:
    return " ".join(word for word in words if word)
