"""Sentences of two clauses: subordinate, reported, infinitive, contrasted."""

from __future__ import annotations

from dataclasses import replace

from tzip.language import nominals
from tzip.language.morphology import Verb, english_verb, german_verb
from tzip.language.nominals import NounPhrase, Pair
from tzip.language.phrases import PERSON, NoWord, animate, natural
from tzip.language.statements import Statements
from tzip.language.syntax import TO_BE, Clause, Part, sentence

KNOW = Verb(english_verb("know/knew/known"), german_verb("wissen"))
CONJUNCTIONS = {  # English, German, tense of the main clause, tense of the other ("": any, and the same)
    ("because", "weil", "", ""): 6,
    ("although", "obwohl", "", ""): 3,
    ("if", "wenn", "present", "present"): 2,
    ("when", "wenn", "present", "present"): 2,
    ("when", "als", "past", "past"): 3,
    ("while", "während", "", ""): 1.5,
    ("before", "bevor", "past", "past"): 1.5,
    ("after", "nachdem", "past", "pluperfect"): 2.5,
    ("until", "bis", "past", "past"): 1,
}
REASONS = ("because", "although", "if")  # take a state; the others take an event
LASTING = ("while", "until")
ASKED = (("whether", "ob"), ("where", "wo"), ("why", "warum"), ("when", "wann"), ("how", "wie"))


class Periods(Statements):
    """Sentences of two clauses, whose people and things come back as pronouns."""

    def again(self, subject: NounPhrase) -> NounPhrase:
        """The pronoun that goes on about a subject."""
        agreement = natural(subject)
        if subject.noun is not None and subject.noun.is_a(["child"]) and not agreement.plural:
            return self.person(topic=True)  # English cannot tell he from she; somebody else, then
        return subject if subject.kind == "question" else nominals.pronoun(agreement, animate(subject))

    # Subordinate clauses

    def subordinate(self) -> Pair:
        """A subordinate clause behind or in front of the main clause."""
        english, german, tense, second = self.weighted(CONJUNCTIONS)
        now = tense or self.weighted({"present": 3, "past": 4})
        verb = self._personal(lasting=english in LASTING)
        main = self.clause(tense=now, adverbials=0.35, negation=0.06, verb=verb)
        event = english not in REASONS
        other = self._second(main, second or now, event)
        if event:
            main, other = main.dropping("frequency"), other.dropping("frequency")
        pair = other.subordinate(english, german)
        if self.chance(0.35):
            return sentence((f"{pair[0]}, {main.english()}", main.german(f"{pair[1]},")))
        text = main.statement()
        return sentence((f"{text[0]} {pair[0]}", f"{text[1]}, {pair[1]}"))

    def _personal(self, lasting: bool = False) -> Verb:
        """Something that people do; `lasting`: for a while."""
        while True:
            verb = self.verb(event=lasting)
            if verb.subject == PERSON and (not lasting or verb.flags & {"where", "since"}):
                return verb

    def _second(self, main: Clause, tense: str, event: bool) -> Clause:
        """A clause that goes on about what the main clause spoke of, its people and things now pronouns."""
        again = self.again(main.subject)
        kind = self.weighted({"state": 3, "weather": 1.2, "theme": 3, "other": 3})
        if tense != "pluperfect":
            if kind == "state" and not event:
                word = self.zipf([word for word in self.words.adjectives if "state" in word.tags])
                part = Part(word.english[0], word.german[0], "complement", "complement")
                return Clause(again, TO_BE, tense, (part,))
            if kind == "weather":
                return replace(self.weather(), tense=tense)
        spoken = [
            part.phrase for part in main.parts if part.phrase and part.phrase.noun and part.phrase.known
        ]
        more = {"tense": tense, "negation": 0.0 if event else 0.12}
        if kind == "theme" and len(spoken) == 1 and not spoken[0].noun.is_a(PERSON):
            verb = self.verb(again, spoken[0], event=event)
            if verb is main.verb:
                raise NoWord("nothing new to say")
            return self.clause(subject=again, verb=verb, theme=spoken[0], adverbials=0.2, **more)
        subject = again if tense == "pluperfect" or self.chance(0.7) else self.person(topic=True)
        return self.clause(subject=subject, verb=self.verb(subject, event=event), adverbials=0.4, **more)

    def reported(self) -> Pair:
        """'says that ...', sagt, dass ...; 'asks whether ...', fragt, ob ..."""
        verb = self.zipf(
            [verb for verb in self.groups["clause"] if verb.slots[-1].case in ("that", "whether")]
        )
        tense = self.zipf(("present", "past"))
        main = self.clause(verb=verb, tense=tense, fill=False, adverbials=0.0, negation=0.0)
        then = "past" if tense == "past" else self.zipf(("present", "perfect", "future", "past"))
        simple = then if then in ("present", "past") else "present"
        if self.chance(0.2):
            inner = self.described(tense=simple)
        else:
            subject = self.again(main.subject) if self.chance(0.4) else None
            inner = self.clause(subject=subject, tense=then, adverbials=0.7, negation=0.1)
            if self.chance(0.15):
                reason = self._second(inner, simple, event=False).subordinate("because", ", weil")
                inner = inner.adding(Part(*reason, "after", "after"))
        conjunction = {"that": ("that", ", dass"), "whether": ("whether", ", ob")}[verb.slots[-1].case]
        hearers = [self.complement(slot, main.subject, False) for slot in verb.slots[:-1]]
        content = Part(*inner.subordinate(*conjunction), "after", "after")
        return sentence(main.adding(*hearers, content).statement())

    def ignorance(self) -> Pair:
        """'I do not know where he lives', ich weiß nicht, wo er wohnt."""
        english, german = self.zipf(ASKED)
        subject = self.person(0.7, topic=True)
        if not subject.known:
            return self.ignorance()
        if english == "where":
            verb = self.zipf([verb for verb in self._verbs_with("at", "on") if "person" in verb.subject])
            inner = self.clause(verb=verb, tense="present", fill=False, adverbials=0.0, simple=True)
        elif english == "how":
            verbs = [verb for verb in self.words.verbs if "well" in verb.flags and verb.subject == PERSON]
            verb = self.zipf([verb for verb in verbs if "state" not in verb.flags])
            inner = self.clause(verb=verb, tense="past", adverbials=0.0, simple=True)
        else:
            amount = 0.0 if english == "when" else 0.3
            inner = self.clause(verb=self._personal(), adverbials=amount, negation=0.0)
        tense = "past" if inner.tense.startswith("past") and self.chance(0.5) else "present"
        part = Part(*inner.subordinate(english, f", {german}"), "after", "after")
        return sentence(Clause(subject, KNOW, tense, (part,), None, "nicht").statement())

    def _verbs_with(self, *cases: str) -> list[Verb]:
        return [verb for verb in self.words.verbs if verb.slots and verb.slots[0].case in cases]

    # Infinitives

    def infinitival(self) -> Pair:
        """'tries to open the window', versucht, das Fenster zu öffnen; 'in order to', um ... zu."""
        inner = self.clause(verb=self._willing(), tense="present", adverbials=0.2, negation=0.0)
        inner = inner.dropping("time", "frequency")
        if self.chance(0.4):
            going = self.zipf([verb for verb in self._verbs_with("to") if "person" in verb.subject])
            main = self.clause(subject=inner.subject, verb=going, negation=0.0, adverbials=0.4, simple=True)
            purpose = inner.infinitive(("in order to", ", um"))
            return sentence(main.adding(Part(*purpose, "after", "after")).statement())
        verb = self.zipf([verb for verb in self.groups["clause"] if verb.slots[-1].case == "inf"])
        main = self.clause(subject=inner.subject, verb=verb, fill=False, adverbials=0.0, simple=True)
        hearers = [self.complement(slot, inner.subject, False) for slot in verb.slots[:-1]]
        content = Part(*inner.infinitive(("to", ",")), "after", "after")
        return sentence(main.adding(*hearers, content).statement())

    def _willing(self) -> Verb:
        """Something that people can be told to do."""
        while True:
            verb = self.verb()
            if verb.subject == PERSON and "order" in verb.flags:
                return verb

    # Coordination

    def contrast(self) -> Pair:
        """Two main clauses, of which the second says "it" or "he": er, sie or es across the comma."""
        return self._two_sides() if self.chance(0.45) else self._two_deeds()

    def _two_sides(self) -> Pair:
        """'The lamp is old, but it is beautiful', die Lampe ist alt, aber sie ist schön."""
        first = self.described()
        if first.subject.noun.is_a(["child"]) or first.negated:
            return self._two_sides()
        again = replace(self.again(first.subject), noun=first.subject.noun)
        second = self.described(again, first.tense)
        if second.parts[0].english.split()[-1] == first.parts[0].english.split()[-1]:
            return self._two_sides()
        return _coordinated(first, second, *self.zipf(((",", "but", "aber"), ("", "and", "und"))))

    def _two_deeds(self) -> Pair:
        """'He looks for the key, but he does not find it', ..., aber er findet ihn nicht."""
        verb = self.zipf(
            [verb for verb in self.groups["acc"] if verb.subject == PERSON and not verb.slots[0].article]
        )
        tense = self.zipf(("past", "present"))
        first = self.clause(verb=verb, tense=tense, adverbials=0.3, negation=0.0)
        thing = first.parts[0].phrase
        if thing.noun is None or thing.noun.is_a(PERSON | {"mass"}) or not self.adjective(thing.noun):
            return self._two_deeds()
        if self.chance(0.5):
            again = self.again(first.subject)
            second = self.clause(subject=again, theme=thing, tense=tense, adverbials=0.0, negation=0.7)
            if second.verb is verb:
                raise NoWord("nothing new to say")
            opposed = bool(second.negated)
        else:
            it = replace(nominals.pronoun(thing.agreement, animate=False), noun=thing.noun)
            second = self.described(it, tense)
            opposed = self.chance(0.6)
        return _coordinated(first, second, ",", *(("but", "aber") if opposed else ("and", "und")))


def _coordinated(first: Clause, second: Clause, comma: str, english: str, german: str) -> Pair:
    return sentence((f"{first.english()}{comma} {english} {second.english()}",
                     f"{first.german()}{comma} {german} {second.german()}"))  # fmt: skip
