"""Questions and orders, where German must know who "you" is."""

from __future__ import annotations

from dataclasses import replace

from tzip.language import nominals, syntax
from tzip.language.morphology import Agreement
from tzip.language.nominals import NounPhrase, Pair
from tzip.language.periods import Periods
from tzip.language.phrases import PERSON
from tzip.language.syntax import TO_BE, Clause, sentence


class Dialogue(Periods):
    """What is said to somebody: questions and orders."""

    def spoken_to(self) -> tuple[Agreement, Pair]:
        """A person addressed, by whose name German chooses du, ihr or Sie for "you"."""
        kind = self.weighted({"first": 5, "family": 4, "children": 1})
        if kind == "first":
            names = [*self.words.names["woman"], *self.words.names["man"]]
            return Agreement(2), self.random.choice(names)
        if kind == "children":
            return Agreement(2, True), ("children", "Kinder")
        english, german = self.zipf(self.words.names["family"])
        title = self.random.choice([("Mr", "Herr"), ("Mrs", "Frau")])
        return Agreement(2, False, formal=True), (f"{title[0]} {english}", f"{title[1]} {german}")

    def asked(self) -> Pair:
        """Yes/no questions, to somebody or about somebody."""
        if self.chance(0.5):
            agreement, called = self.spoken_to()
            clause = _asking(self.clause(subject=nominals.pronoun(agreement), negation=0.05, adverbials=0.7))
            (english, _), (_, german) = clause.question(), _spoken(clause).question()
            return sentence((f"{english}, {called[0]}", f"{german}, {called[1]}"), "?")
        clause = self.described() if self.chance(0.2) else self.clause(negation=0.05, adverbials=0.7)
        return sentence(_asking(clause).question(), "?")

    def wondered(self) -> Pair:
        """Who, what, whom, where, where to, when or why."""
        if self.chance(0.25):
            who = NounPhrase("who", ("wer", "wen", "wem", "wessen"), Agreement(), kind="question")
            return sentence(self.clause(subject=who, negation=0.0, verb=self._personal()).statement(), "?")
        clause = _asking(self.clause(negation=0.0, adverbials=0.4, verb=self._personal()))
        word = _gap(clause) if clause.verb.slots else None
        if word and self.chance(0.65):
            return sentence(clause.dropping("place").question(word, clause.parts[0]), "?")
        if self.chance(0.5):
            return sentence(clause.question(("why", "warum")), "?")
        tense = {"progressive": "future"}.get(clause.tense, clause.tense)
        tense = "past" if tense in ("perfect", "past progressive") else tense
        clause = replace(clause, tense=tense).dropping("time", "frequency")
        return sentence(clause.question(("when", "wann")), "?")

    def ordered(self) -> Pair:
        """'Open the window, Anna!', öffne das Fenster, Anna!"""
        agreement, called = self.spoken_to()
        verb = self._willing()
        clause = self.clause(subject=nominals.pronoun(agreement), verb=verb, tense="present", adverbials=0.5)
        english, german = clause.dropping("frequency", "time").imperative(agreement)
        if self.chance(0.3):
            english, german = f"please {english}", f"bitte {german}"
        return sentence((f"{english}, {called[0]}", f"{german}, {called[1]}"), "!")


def _asking(clause: Clause) -> Clause:
    """Nobody asks "must he?"."""
    must = clause.modal in (syntax.MUST, syntax.MUST_NOT)
    return replace(clause, modal=syntax.HAVE_TO) if must else clause


def _gap(clause: Clause) -> Pair | None:
    """The question word that stands for the first complement; German asks in its case."""
    slot = clause.verb.slots[0]
    place = {"at": ("where", "wo"), "on": ("where", "wo"), "to": ("where", "wohin")}.get(slot.case)
    if place or slot.english or slot.german or slot.article:
        return place
    if slot.case == "dat":
        return ("who", "wem") if len(clause.verb.slots) == 1 else None
    person = slot.tags >= PERSON
    if slot.case != "acc" or (person and len(slot.tags) > 1):
        return None
    return ("who", "wen") if person else ("what", "was")


def _spoken(clause: Clause) -> Clause:
    """In conversation the German past is the perfect: 'Did you sleep?', hast du geschlafen?"""
    plain = clause.modal or clause.verb is TO_BE or clause.verb.english.base == "have"
    return clause if plain or not clause.tense.startswith("past") else replace(clause, tense="perfect")
