"""Phrases and clauses of the embedded corpus: one structure, spelled out in English and in German word order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tzip.lexicon import (
    CASES,
    HABEN,
    MODALS,
    SEIN,
    WERDEN,
    Adjective,
    Agreement,
    EnglishVerb,
    GermanVerb,
    Noun,
    Verb,
)

Pair = tuple[str, str]  # the same thing in English and in German

# Noun phrases -----------------------------------------------------------------------------------------------

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


# Verb groups ------------------------------------------------------------------------------------------------


BE = EnglishVerb("be", "was", "been")
HAVE = EnglishVerb("have", "had", "had")
WILL = EnglishVerb("will", "would", "")
TO_BE = Verb(BE, SEIN)


@dataclass(frozen=True)
class Modal:
    german: str  # a key of lexicon.MODALS; "" where an adverb says it: "likes to read", liest gern
    english: EnglishVerb
    link: str = ""


CAN = Modal("können", EnglishVerb("can", "could", ""))
MUST = Modal("müssen", EnglishVerb("must", "", ""))
HAVE_TO = Modal("müssen", HAVE, "to")
WANT = Modal("wollen", EnglishVerb("want", "wanted", ""), "to")
SHOULD = Modal("sollen", EnglishVerb("should", "should", ""))
ALLOWED = Modal("dürfen", BE, "allowed to")
MUST_NOT = Modal("dürfen", EnglishVerb("must", "", ""))  # "must not" forbids: darf nicht
LIKE = Modal("", EnglishVerb("like", "liked", ""), "to")
PREFER = Modal("", EnglishVerb("prefer", "preferred", ""), "to")
WOULD_LIKE = Modal("möchten", WILL, "like to")
AUXILIARIES = ("can", "must", "should", "will")

Group = tuple[list[str], list[str]]  # the operator, to which "not" is added and which questions move; the rest


def finite(verb: EnglishVerb, agreement: Agreement, past: bool, do: bool) -> Group:
    """The finite verb, as (['does'], ['buy']) instead of ([], ['buys']) where `do` asks for an operator."""
    third = agreement.person == 3 and not agreement.plural
    first = agreement.person == 1 and not agreement.plural
    if verb is BE:
        was = "was" if third or first else "were"
        return [was if past else "is" if third else "am" if first else "are"], []
    if verb.base in AUXILIARIES:
        return [verb.past if past else verb.base], []
    if do:
        return ["did" if past else "does" if third else "do"], [verb.base]
    return [], [verb.past if past else verb.third if third else verb.base]


def english_group(
    verb: EnglishVerb, tense: str, agreement: Agreement, modal: Modal | None, passive: bool, do: bool
) -> Group:
    """The words of the verb: 'has been built' is (['has'], ['been', 'built'])."""
    built = [verb.participle] if passive else []
    head = BE if passive else verb
    past = tense.startswith("past") or modal is WOULD_LIKE
    if modal:
        operator, rest = finite(modal.english, agreement, past, do)
        return operator, [*rest, *modal.link.split(), head.base, *built]
    if tense.endswith("perfect progressive"):
        return [*finite(HAVE, agreement, False, False)[1]], ["been", head.ing]
    if tense.endswith("progressive"):
        return finite(BE, agreement, past, False)[0], ["being" if passive else head.ing, *built]
    if tense in ("perfect", "perfect since", "pluperfect"):
        return finite(HAVE, agreement, tense == "pluperfect", False)[1], [head.participle, *built]
    if tense == "future":
        return ["will"], [head.base, *built]
    operator, rest = finite(head, agreement, past, do)
    return operator, [*rest, *built]


def german_group(
    verb: GermanVerb, tense: str, agreement: Agreement, modal: Modal | None, passive: bool
) -> tuple[str, list[str], str]:
    """(finite verb, words of the right bracket, separable prefix left behind)."""
    index = agreement.german
    head, rest = (WERDEN, [verb.participle]) if passive else (verb, [])
    infinitive = [*rest, "werden"] if passive else [verb.joined]
    if modal and modal.german:
        forms = MODALS[modal.german]
        return (forms.past if tense.startswith("past") else forms.present)[index], infinitive, ""
    if tense == "future":
        return WERDEN.present[index], infinitive, ""
    if tense in ("perfect", "pluperfect"):
        auxiliary = SEIN if passive or verb.auxiliary == "sein" else HABEN
        participle = [*rest, "worden"] if passive else [verb.participle]
        return (auxiliary.present if tense == "perfect" else auxiliary.past)[index], participle, ""
    finite = (head.past if tense.startswith("past") else head.present)[index]
    return finite, rest, "" if passive else verb.prefix


# Clauses ----------------------------------------------------------------------------------------------------

ENGLISH_ORDER = ("object pronoun", "indirect", "object", "complement", "manner", "place", "time")
GERMAN_ORDER = (
    "pronoun", "time", "dative", "known", "frequency", "manner", "place", "new", "complement",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A phrase of a clause and its place there; the places are those of the two ORDER tuples, or "after"."""

    english: str
    german: str
    english_slot: str
    german_slot: str
    phrase: NounPhrase | None = None


def _sorted(parts: tuple[Part, ...], slot: Callable[[Part], str], order: tuple[str, ...]) -> list[Part]:
    return sorted((part for part in parts if slot(part) in order), key=lambda part: order.index(slot(part)))


@dataclass(frozen=True)
class Clause:
    """Subject, verb and parts without an order: `statement`, `question`, ... put them into one."""

    subject: NounPhrase
    verb: Verb
    tense: str
    parts: tuple[Part, ...] = ()
    modal: Modal | None = None
    negated: str = ""  # "nicht", or "kein" where a part already says so in German
    passive: bool = False

    def without(self, part: Part | None) -> Clause:
        return replace(self, parts=tuple(other for other in self.parts if other is not part))

    # English

    def _english_verb(self, inverted: bool = False) -> Group:
        """The words of the verb, "not" and the frequency adverb among them."""
        verb, agreement, not_ = self.verb.english, self.subject.agreement, bool(self.negated)
        operator, rest = english_group(verb, self.tense, agreement, self.modal, self.passive, inverted or not_)
        often = [part.english for part in self.parts if part.english_slot == "frequency"]
        return operator, ["not" if not_ else "", *often, *rest]

    def _english_rest(self) -> list[str]:
        parts = _sorted(self.parts, lambda part: part.english_slot, ENGLISH_ORDER)
        pronouns = [part.english for part in parts if part.english_slot == "object pronoun"]
        others = [part.english for part in parts if part.english_slot != "object pronoun"]
        after = [part.english for part in self.parts if part.english_slot == "after"]
        return [*pronouns, self.verb.english.particle, *others, *after]

    def english(self) -> str:
        """Subject, verb, objects, manner, place, time."""
        operator, rest = self._english_verb()
        return join(self.subject.english, *operator, *rest, *self._english_rest())

    def english_question(self) -> str:
        operator, rest = self._english_verb(inverted=True)
        return join(*operator, self.subject.english, *rest, *self._english_rest())

    # German

    def _german_verb(self) -> tuple[str, list[str], str]:
        return german_group(self.verb.german, self.tense, self.subject.agreement, self.modal, self.passive)

    def _middle(self, subject: str = "") -> str:
        """The field between the brackets: subject, pronouns, time, known things, "nicht", ..., new things."""
        parts = self.parts
        if self.negated == "nicht":
            parts = (*parts, Part("", "nicht", "", "frequency"))
        texts = [part.german for part in _sorted(parts, lambda part: part.german_slot, GERMAN_ORDER)]
        itself = reflexive(self.subject.agreement) if self.verb.german.reflexive else ""
        first = (itself, subject) if self.subject.kind in ("noun", "name") else (subject, itself)
        return join(*first, *texts)

    def _after(self) -> str:
        return join(*(part.german for part in self.parts if part.german_slot == "after"))

    def german(self, front: str = "") -> str:
        """Verb second: the subject, or what stands in front instead of it, then the finite verb."""
        finite, rest, prefix = self._german_verb()
        subject = self.subject.german[0]
        middle = self._middle(subject) if front else self._middle()
        return join(front or subject, finite, middle, *rest, prefix, self._after())

    def german_question(self) -> str:
        """Verb first."""
        finite, rest, prefix = self._german_verb()
        return join(finite, self._middle(self.subject.german[0]), *rest, prefix, self._after())

    def german_final(self) -> str:
        """Verb last, as in every subordinate clause; the separable prefix stays on its verb."""
        finite, rest, prefix = self._german_verb()
        return join(self._middle(self.subject.german[0]), *rest, prefix + finite, self._after())

    # Both

    def statement(self, front: Part | None = None) -> Pair:
        """A main clause, with one of its parts moved to the front if asked."""
        if front is None:
            return self.english(), self.german()
        rest = self.without(front)
        return join(front.english, rest.english()), rest.german(front.german)

    def question(self, word: Pair = ("", ""), gap: Part | None = None) -> Pair:
        """A yes/no question, or one about the part `gap` that the question word stands for."""
        rest = self.without(gap)
        return join(word[0], rest.english_question()), join(word[1], rest.german_question())

    def subordinate(self, english: str, german: str, gap: Part | None = None) -> Pair:
        """After a conjunction, or after a relative pronoun that stands for the part `gap`."""
        rest = self.without(gap)
        return join(english, rest.english()), join(german, rest.german_final())

    def infinitive(self, joiner: Pair = ("to", "")) -> Pair:
        """'to open the window', das Fenster zu öffnen."""
        verb = self.verb
        english = join(joiner[0], verb.english.base, *self._english_rest())
        return english, join(joiner[1], self._middle(), verb.german.zu)

    def imperative(self, agreement: Agreement) -> Pair:
        """An order to du, ihr or Sie: 'open the window', öffne / öffnet / öffnen Sie das Fenster."""
        verb = self.verb
        forms = verb.german
        finite = {1: forms.imperative, 4: forms.present[4]}.get(agreement.german, f"{forms.present[5]} Sie")
        if forms is SEIN and agreement.formal:
            finite = "seien Sie"
        clause = replace(self, subject=pronoun(agreement))
        english = join("do not" if self.negated else "", verb.english.base)
        rest = clause._english_rest()
        return join(english, *rest), join(finite, clause._middle(), forms.prefix, clause._after())


def join(*words: str) -> str:
    return " ".join(word for word in words if word)


def sentence(pair: Pair, mark: str = ".") -> Pair:
    """A pair as it is written: a capital first, commas neither doubled nor before the end."""

    def written(text: str) -> str:
        text = re.sub(r"\s+", " ", f"{text}{mark}")
        text = re.sub(r"(\s*,)+", ",", text)
        text = re.sub(r",\s*([.?!])", r"\1", text)
        return text[0].upper() + text[1:]

    return written(pair[0]), written(pair[1])
