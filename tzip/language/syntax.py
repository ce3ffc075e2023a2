"""Clauses: subject, verb and parts, spelled out in English and in German word order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tzip.language.morphology import HABEN, MODALS, SEIN, WERDEN, Agreement, EnglishVerb, GermanVerb, Verb
from tzip.language.nominals import NounPhrase, Pair, join, pronoun, reflexive

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

Group = tuple[
    list[str], list[str]
]  # the operator, to which "not" is added and which questions move; the rest


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

    def adding(self, *parts: Part) -> Clause:
        return replace(self, parts=(*self.parts, *parts))

    def dropping(self, *slots: str) -> Clause:
        """Without the parts that have one of these places in English."""
        return replace(self, parts=tuple(part for part in self.parts if part.english_slot not in slots))

    # English

    def _english_verb(self, inverted: bool = False) -> Group:
        """The words of the verb, "not" and the frequency adverb among them."""
        verb, agreement, not_ = self.verb.english, self.subject.agreement, bool(self.negated)
        operator, rest = english_group(
            verb, self.tense, agreement, self.modal, self.passive, inverted or not_
        )
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


def sentence(pair: Pair, mark: str = ".") -> Pair:
    """A pair as it is written: a capital first, commas neither doubled nor before the end."""

    def written(text: str) -> str:
        text = re.sub(r"\s+", " ", f"{text}{mark}")
        text = re.sub(r"(\s*,)+", ",", text)
        text = re.sub(r",\s*([.?!])", r"\1", text)
        return text[0].upper() + text[1:]

    return written(pair[0]), written(pair[1])
