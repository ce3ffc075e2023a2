"""Inflection: nouns, verbs and adjectives of English and German, from the forms that a dictionary gives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

CASES = ("nom", "acc", "dat", "gen")
VOWELS = "aeiouäöüy"


@dataclass(frozen=True)
class Agreement:
    """What a subject asks of its verb and a noun of its pronoun: person 1-3, number, gender m, f or n."""

    person: int = 3
    plural: bool = False
    gender: str = "m"
    formal: bool = False  # the German "Sie": one person, inflected as third person plural

    @property
    def column(self) -> str:
        """The column of a German table of endings: m, f, n, or p for every plural."""
        return "p" if self.plural else self.gender

    @property
    def english(self) -> int:
        """Index into ich, du, er, wir, ihr, sie: six forms, of which English tells few apart."""
        return self.person - 1 + 3 * self.plural

    @property
    def german(self) -> int:
        return 5 if self.formal else self.english


# Nouns ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """How a noun becomes a place: prepositions of both languages and the German case."""

    english: str
    german: str
    case: str


@dataclass(frozen=True)
class Noun:
    english: str
    english_plural: str
    german: str
    gender: str
    german_plural: str  # "-": none
    genitive: str
    tags: frozenset[str]
    at: Place = Place("in", "in", "dat")
    to: Place = Place("to", "in", "acc")
    modifiers: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def mass(self) -> bool:
        return "mass" in self.tags

    def is_a(self, tags: Iterable[str]) -> bool:
        """Whether any of `tags` is a tag of this noun; its English name counts as one."""
        return not self.tags.isdisjoint(tags)

    def in_english(self, plural: bool) -> str:
        return self.english_plural if plural else self.english

    def in_german(self, case: str, plural: bool) -> str:
        """The noun in `case`: dative plural -n, genitive -(e)s, n-declension (der Junge, den Jungen)."""
        if plural:
            bare = case != "dat" or self.german_plural[-1] in "ns"
            return self.german_plural + ("" if bare else "n")
        if case == "gen":
            return self.genitive
        return self.german_plural if "weak" in self.tags and case != "nom" else self.german

    def compound(self, english: str, german: str) -> Noun:
        """'door' with 'kitchen', 'Küchen' → 'kitchen door', 'Küchentür', inflected like its head."""
        joined = {
            name: german + getattr(self, name).lower() for name in ("german", "german_plural", "genitive")
        }
        names = {name: f"{english} {getattr(self, name)}" for name in ("english", "english_plural")}
        return replace(self, **joined, **names, modifiers=())


def syllables(word: str) -> int:
    return len(re.findall(f"[{VOWELS}]+", word.lower()))


def genitive(german: str) -> str:
    """The regular genitive of a masculine or neuter noun."""
    if german.endswith(("s", "ß", "x", "z", "sch")):
        return german + "es"
    return german + ("es" if syllables(german) == 1 and german[-1] not in VOWELS + "h" else "s")


def english_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if re.search("[^aeiou]y$", noun) else noun + "s"


# Verbs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EnglishVerb:
    base: str
    past: str
    participle: str
    particle: str = ""  # "turn on": follows the verb, or its pronoun object

    @property
    def third(self) -> str:
        if self.base == "have":
            return "has"
        if self.base.endswith(("s", "x", "z", "ch", "sh", "o")):
            return self.base + "es"
        return self.base[:-1] + "ies" if re.search("[^aeiou]y$", self.base) else self.base + "s"

    @property
    def ing(self) -> str:
        if self.base.endswith("ie"):
            return self.base[:-2] + "ying"
        silent = self.base.endswith("e") and not self.base.endswith("ee")
        return doubled(self.base[:-1] if silent else self.base, silent) + "ing"


def doubled(base: str, silent: bool = False) -> str:
    """'swim' → 'swimm', 'travel' → 'travell' (British): the stem before -ing and -ed."""
    short = re.fullmatch("[^aeiou]*[aeiou][^aeiouwxy]", base) or base in (
        "begin",
        "forget",
        "travel",
        "cancel",
    )
    return base + base[-1] if short and not silent else base


def english_verb(text: str) -> EnglishVerb:
    """'take/took/taken off' is written 'take off/took/taken'; regular past forms may be left out."""
    base, *irregular = text.split("/")
    base, _, particle = base.partition(" ")
    if not irregular:
        if base.endswith("e"):
            regular = base + "d"
        else:
            regular = base[:-1] + "ied" if re.search("[^aeiou]y$", base) else doubled(base) + "ed"
        irregular = [regular, regular]
    return EnglishVerb(base, *irregular, particle=particle)


@dataclass(frozen=True)
class GermanVerb:
    """A German verb; forms of person are six each, in the order ich, du, er, wir, ihr, sie."""

    infinitive: str  # without the separable prefix
    present: tuple[str, ...]
    past: tuple[str, ...]
    participle: str  # complete: "aufgemacht"
    imperative: str  # to one friend; the plural is present[4], the polite form present[5]
    prefix: str = ""  # separable: last in a main clause, attached everywhere else
    auxiliary: str = "haben"
    reflexive: bool = False

    @property
    def joined(self) -> str:
        return self.prefix + self.infinitive

    @property
    def zu(self) -> str:
        """'aufzumachen', 'zu lesen'."""
        return f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}"


def german_verb(text: str) -> GermanVerb:
    """'auf|machen' (regular) or 'lesen,liest,las,gelesen' with ',ist' where the perfect takes sein."""
    if text == "wissen":
        return WISSEN
    infinitive, *parts = text.removeprefix("sich ").split(",")
    prefix, _, infinitive = infinitive.rpartition("|")
    stem = re.sub("e?n$", "", infinitive)
    e = "e" if re.search("([td]|[^aeiouäöülrhmn][mn]|ch[mn])$", stem) else ""  # arbeitet, öffnet, but wohnt
    third, past = parts[:2] or (f"{stem}{e}t", f"{stem}{e}te")
    bare = infinitive.endswith("ieren") or re.match("be|emp|ent|er|ge|ver|über|unter|wider|zer", stem)
    participle = parts[2] if parts else f"{prefix}{'' if bare else 'ge'}{stem}{e}t"
    if not participle.startswith(prefix):
        participle = prefix + participle
    first = f"{stem[:-2]}le" if infinitive.endswith("eln") else f"{stem}e"
    own = third[:-1] if third != f"{stem}{e}t" else stem + e  # the stem of the second and third person
    second = own + ("t" if own[-1] in "sßzx" else "st")
    vowels = [re.findall("[aeiouäöü]+", word) for word in (stem, own)]
    raised = vowels[0][-1] == "e" and vowels[1][len(vowels[0]) - 1] in ("i", "ie")  # lesen: lies
    return GermanVerb(
        infinitive,
        (first, second, third, infinitive, f"{stem}{e}t", infinitive),
        preterite(past),
        participle,
        own if raised else first if past.endswith("e") or e else stem,
        prefix,
        "sein" if len(parts) > 3 else "haben",
        text.startswith("sich "),
    )


def preterite(past: str) -> tuple[str, ...]:
    """'machte' → machte, machtest, ...; 'las' → las, last, las, lasen, last, lasen."""
    if past.endswith("e"):
        return (past, past + "st", past, past + "n", past + "t", past + "n")
    e = "e" if past[-1] in "td" else ""
    second = past + ("t" if past[-1] in "sßz" else e + "st")
    return (past, second, past, past + "en", f"{past}{e}t", past + "en")


def irregular(present: str, past: str, participle: str, auxiliary: str = "haben") -> GermanVerb:
    forms = tuple(present.split())
    return GermanVerb(forms[3], forms, preterite(past), participle, forms[0], auxiliary=auxiliary)


SEIN = replace(
    irregular("bin bist ist sind seid sind", "war", "gewesen", "sein"), infinitive="sein", imperative="sei"
)
HABEN = irregular("habe hast hat haben habt haben", "hatte", "gehabt")
HABEN = replace(HABEN, imperative="hab")
WERDEN = irregular("werde wirst wird werden werdet werden", "wurde", "geworden", "sein")
WISSEN = replace(irregular("weiß weißt weiß wissen wisst wissen", "wusste", "gewusst"), imperative="wisse")
MODALS = {
    "können": irregular("kann kannst kann können könnt können", "konnte", "gekonnt"),
    "müssen": irregular("muss musst muss müssen müsst müssen", "musste", "gemusst"),
    "dürfen": irregular("darf darfst darf dürfen dürft dürfen", "durfte", "gedurft"),
    "sollen": irregular("sollte solltest sollte sollten solltet sollten", "sollte", "gesollt"),
    "wollen": irregular("will willst will wollen wollt wollen", "wollte", "gewollt"),
    "möchten": irregular("möchte möchtest möchte möchten möchtet möchten", "wollte", "gewollt"),
}


@dataclass(frozen=True)
class Slot:
    """A complement of a verb: how each language marks it, and what may fill it."""

    case: str  # a case; or at, on, to, onto, from (places); or state (an adjective)
    tags: frozenset[str]
    english: str = ""  # preposition
    german: str = ""  # preposition
    article: str = ""  # "bare": plays football; "tune": plays the piano, spielt Klavier


@dataclass(frozen=True)
class Verb:
    english: EnglishVerb
    german: GermanVerb
    subject: frozenset[str] = frozenset(["person"])
    slots: tuple[Slot, ...] = ()
    flags: frozenset[str] = frozenset()


def slot(text: str) -> Slot:
    """'for>auf+acc:person|vehicle' → Slot('acc', {person, vehicle}, 'for', 'auf')."""
    kind, _, tags = text.partition(":")
    kind, _, article = kind.partition("/")
    english, _, kind = kind.rpartition(">")
    german, _, case = kind.rpartition("+")
    words = frozenset(tags.replace("_", " ").split("|")) if tags else frozenset()
    return Slot(case, words, english.replace("_", " "), german, article)


# Adjectives -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adjective:
    """Degrees are 0 positive, 1 comparative, 2 superlative."""

    english: tuple[str, str, str]
    german: tuple[str, str, str]
    attributive: str
    tags: frozenset[str]

    def in_german(self, ending: str, degree: int = 0) -> str:
        """Before a noun: the stem of that degree and an ending."""
        stem = self.attributive if degree == 0 else self.german[degree]
        return (stem[:-1] if stem.endswith("e") else stem) + ending


def adjective(english: str, german: str, tags: frozenset[str]) -> Adjective:
    positive, *degrees = english.split("/")
    if not degrees:
        short = syllables(re.sub("(?<=[^aeiou])e$", "", positive)) == 1
        if short or positive in ("clever", "narrow", "quiet", "simple"):
            stem = re.sub("e$", "", doubled(positive, positive.endswith("e")))
            degrees = [stem + "er", stem + "est"]
        elif positive.endswith("y"):
            degrees = [positive[:-1] + "ier", positive[:-1] + "iest"]
        else:
            degrees = [f"more {positive}", f"most {positive}"]
    base, *forms = german.split(",")
    soft = re.search("([dt]|s|ß|x|z|(?<!i)sch)$", base) and not base.endswith("end")
    comparative, superlative = forms[:2] or (base + "er", base + ("est" if soft else "st"))
    return Adjective(
        (positive, *degrees), (base, comparative, superlative), forms[2] if forms[2:] else base, tags
    )
