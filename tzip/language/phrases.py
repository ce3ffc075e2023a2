"""Random noun phrases, places and times: common words more often than rare ones."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tzip.language import nominals, numerals
from tzip.language.lexicon import load
from tzip.language.morphology import Adjective, Agreement, Noun
from tzip.language.nominals import ALL, BARE, EVERY, FEW, MANY, SOME, THE, THIS, A, NounPhrase, Pair

PERSON = frozenset(["person"])
KIN = frozenset(["kin"])
SPEAKERS = (
    Agreement(3, False, "m"), Agreement(3, False, "f"), Agreement(1), Agreement(1, True), Agreement(3, True),
)  # fmt: skip
OWNERS = (Agreement(1), Agreement(), Agreement(3, False, "f"), Agreement(1, True))
NEAR = {"single": 0.75, "kin": 0.45, "person": 0.04}  # how often "my" stands before a noun; else 0.15
POSSESSIVES = ("my", "your", "his", "her", "its", "our", "their")
CITY = {"at": ("in", "in"), "to": ("to", "nach"), "from": ("from", "aus")}
COUNTRY = {"at": "in der", "to": "in die", "from": "aus der"}  # those that take an article
SIZES = ("big", "small", "old", "new", "expensive", "cheap", "beautiful")
OWNABLE = ("thing", "vehicle", "home", "pet", "plan", "idea", "dream", "answer", "wear", "decision")
USE = {  # which adverbs of time go with a tense
    "present": "habit", "progressive": "now", "past": "past", "past progressive": "past", "future": "future",
}  # fmt: skip


class NoWord(Exception):
    """No word of the list fits where a rule wants one; the sentence is begun anew."""


class Phrases:
    """Rules that draw from the lexicon, common words more often than rare ones (Zipf)."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.words = load()
        self.nouns_of = functools.cache(self._nouns_of)
        self.adjectives_for = functools.cache(self._adjectives_for)

    # Choosing

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def zipf(self, items: Sequence) -> Any:
        """An item, with a probability that falls with its rank."""
        return items[self.random.choices(range(len(items)), cum_weights=_zipf(len(items)))[0]]

    def weighted(self, weights: dict) -> Any:
        """A key, with the probability that its value gives it."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _nouns_of(self, tags: frozenset[str]) -> tuple[Noun, ...]:
        return tuple(noun for noun in self.words.nouns if noun.is_a(tags))

    def _adjectives_for(self, tags: frozenset[str]) -> tuple[Adjective, ...]:
        return tuple(word for word in self.words.adjectives if word.tags & tags)

    def adjective(self, noun: Noun) -> Adjective | None:
        fitting = self.adjectives_for(noun.tags)
        return self.zipf(fitting) if fitting else None

    # Noun phrases

    def noun(self, tags: frozenset[str], compounds: float = 0.22) -> tuple[Noun, Noun]:
        """(a noun, the same noun or a compound of which it is the head)."""
        noun = self.zipf(self.nouns_of(tags))
        return noun, self.compound(noun) if noun.modifiers and self.chance(compounds) else noun

    def compound(self, noun: Noun) -> Noun:
        return noun.compound(*self.zipf(noun.modifiers))

    def determiner(
        self, noun: Noun, plural: bool, owner: NounPhrase | None, topic: bool = False
    ) -> nominals.Determiner:
        """What stands before a noun; a `topic`, of which something is said, is rarely new."""
        if noun.is_a(["unique", "meal"]) or (noun.mass and noun.is_a(["cause", "told"])):
            return THE
        near = next((odds for tag, odds in NEAR.items() if noun.is_a([tag])), 0.15)
        if self.chance(near):
            return self.possessive(owner)
        if noun.mass:
            return BARE if self.chance(0.65) else THE
        if plural:
            count = nominals.number(*numerals.words(2 + int(self.random.expovariate(0.25))))
            options = {
                THE: 8,
                BARE: 0.5 if topic else 4,
                SOME: 2,
                MANY: 2,
                count: 3,
                THIS: 1,
                FEW: 0.7,
                ALL: 0.8,
            }
            return self.weighted(options)
        return self.weighted({THE: 10, A: 1.5 if topic else 7, THIS: 1.2, EVERY: 0.3 * topic})

    def known(self) -> nominals.Determiner:
        return self.weighted({THE: 8, THIS: 2, self.possessive(None): 3})

    def possessive(self, owner: NounPhrase | None) -> nominals.Determiner:
        """The subject's own mostly: 'the woman ... her dog', 'the cat ... its food'."""
        impersonal = owner is None or owner.kind == "question"
        if owner is not None and owner.noun is not None:
            impersonal |= owner.noun.is_a(["child", "thing", "vehicle", "building"])
        if not impersonal and self.chance(0.8):
            return nominals.possessive(natural(owner), animate(owner))
        return nominals.possessive(self.zipf(OWNERS))

    def thing(
        self,
        tags: frozenset[str],
        *,
        owner: NounPhrase | None = None,
        determiner: nominals.Determiner | None = None,
        plural: float = 0.17,
        plain: bool = False,
        topic: bool = False,
    ) -> NounPhrase:
        """A noun phrase about something of these tags; `plain`: nothing but article and noun."""
        base, noun = self.noun(tags)
        many = not noun.is_a(["mass", "single"]) and noun.german_plural != "-" and self.chance(plural)
        chosen = determiner or self.determiner(base, many, owner, topic)
        if chosen.english in POSSESSIVES and not _ownable(base):
            chosen = THE
        degree = 0
        adjectives, adverb = (), ("", "")
        word = self.adjective(base)
        if word and not plain and base is noun and self.chance(0.38):
            adjectives = (word, *self._colour(base, word))
            graded = "fixed" not in word.tags and len(adjectives) == 1
            if graded and chosen is THE and not noun.mass and self.chance(0.08):
                degree = 2
            elif graded and chosen is A and self.chance(0.12):
                adverb = ("very", "sehr")
        if chosen is THE and not plain and base.is_a(OWNABLE) and self.chance(0.07):
            return self.owned(noun, adjectives, many)
        return nominals.noun_phrase(noun, chosen, adjectives, many, degree, adverb)

    def _colour(self, noun: Noun, word: Adjective) -> list[Adjective]:
        """Now and then a colour for what already has a size or an age: 'a big red car'."""
        colours = [colour for colour in self.adjectives_for(noun.tags) if "colour" in colour.tags]
        return [self.zipf(colours)] if colours and word.english[0] in SIZES and self.chance(0.08) else []

    def owned(self, noun: Noun, adjectives: tuple[Adjective, ...], plural: bool) -> NounPhrase:
        """'Anna's old car', Annas altes Auto; 'the teacher's car', das Auto des Lehrers."""
        if self.chance(0.4):
            english, german = self.zipf([*self.words.names["woman"], *self.words.names["man"]])
            owner = nominals.number(f"{english}'s", f"{german}s")
            return replace(nominals.noun_phrase(noun, owner, adjectives, plural), known=True)
        owner = self.thing(PERSON, plural=0, plain=True, determiner=self.zipf([THE, self.possessive(None)]))
        phrase = nominals.noun_phrase(noun, THE, adjectives, plural)
        english = nominals.join(f"{owner.english}'s", phrase.english.removeprefix("the "))
        forms = tuple(f"{form} {owner.german_case('gen')}" for form in phrase.german)
        return replace(phrase, english=english, german=forms)

    def person(
        self, pronouns: float = 0.0, owner: NounPhrase | None = None, topic: bool = False
    ) -> NounPhrase:
        if self.chance(pronouns):
            return nominals.pronoun(self.zipf(SPEAKERS))
        if self.chance(0.22):
            gender, kind = self.random.choice([("f", "woman"), ("m", "man")])
            one = nominals.name(*self.zipf(self.words.names[kind]), gender)
            if self.chance(0.12):
                relative = self.thing(KIN, plural=0, plain=True, determiner=self.possessive(one))
                return nominals.coordinate(one, relative)
            return one
        return self.thing(PERSON, owner=owner, topic=topic)

    # Places and times

    def place(self, tags: frozenset[str], direction: str = "at") -> Pair:
        """'in the old park', im alten Park; direction at or to."""
        phrase = self.thing(tags, plural=0, determiner=self.weighted({THE: 9, A: 1}))
        place = phrase.noun.at if direction == "at" else phrase.noun.to
        return nominals.prepositional(place.english, place.german, place.case, phrase)

    def city(self, direction: str) -> Pair:
        english, german = self.zipf(self.words.names["city"])
        before, preposition = CITY[direction]
        if german.startswith("die "):  # die Schweiz
            country = german.removeprefix("die ")
            return f"{before} {english}", f"{COUNTRY[direction]} {country}"
        return f"{before} {english}", f"{preposition} {german}"

    def time(self, tense: str) -> Pair:
        """An adverbial of time that agrees with the tense."""
        use = USE.get(tense)
        if use in ("habit", "now") or self.chance(0.55):
            adverbs = [word for word in self.words.adverbs["time"] if use in word.tags]
            word = self.zipf(adverbs)
            return word.english, word.german
        choices = {
            self._clock: 3, self._weekday: 3, self._month: 2, self._span: 3, self._date: 1.5, self._event: 2,
        }  # fmt: skip
        if use == "past":
            choices[self._year] = 1.5
        return self.weighted(choices)(use)

    def _clock(self, use: str) -> Pair:
        return numerals.clock(1 + self.random.randrange(12), self.zipf((0, 2, 1, 3)))

    def _weekday(self, use: str) -> Pair:
        english, german = self.random.choice(numerals.WEEKDAYS)
        half = self.weighted({("", ""): 5, (" morning", "morgen"): 1, (" evening", "abend"): 1})
        return f"on {english}{half[0]}", f"am {german}{half[1]}"

    def _month(self, use: str) -> Pair:
        english, german = self.random.choice(numerals.MONTHS)
        return f"in {english}", f"im {german}"

    def _date(self, use: str) -> Pair:
        day = 1 + self.random.randrange(28)
        english, german = self.random.choice(numerals.MONTHS)
        if self.chance(0.5):
            return f"on {day} {english}", f"am {day}. {german}"
        first, second = numerals.ordinal(day)
        return f"on the {first} of {english}", f"am {second}en {german}"

    def _year(self, use: str) -> Pair:
        year = 1850 + self.random.randrange(170)
        return f"in {year}", f"im Jahr {year}"

    def _event(self, use: str) -> Pair:
        english, german, case = self.zipf(
            (("after", "nach", "dat"), ("before", "vor", "dat"), ("during", "während", "gen"))
        )
        phrase = self.thing(frozenset(["planned", "show", "meal"]), plural=0, plain=True, determiner=THE)
        if phrase.noun.is_a(["meal"]):  # English says no article
            phrase = replace(phrase, english=phrase.noun.english)
        return nominals.prepositional(english, german, case, phrase)

    def _span(self, use: str) -> Pair:
        """'three days ago', vor drei Tagen; 'in three days', in drei Tagen."""
        english, german = self.duration("dat")
        return (f"{english} ago", f"vor {german}") if use == "past" else (f"in {english}", f"in {german}")

    def duration(self, case: str) -> Pair:
        noun = self.random.choice(self.nouns_of(frozenset(["period"])))
        count = self.random.choices(range(2, 13), [1 / n for n in range(2, 13)])[0]
        phrase = nominals.noun_phrase(noun, nominals.number(*numerals.words(count)), plural=True)
        return phrase.english, phrase.german_case(case)

    def cause(self) -> Pair:
        """'because of the rain', wegen des Regens."""
        phrase = self.thing(frozenset(["cause", "trouble"]), plural=0, plain=True, determiner=THE)
        english, german = self.zipf((("because of", "wegen"), ("despite", "trotz")))
        return nominals.prepositional(english, german, "gen", phrase)


@functools.cache
def _zipf(n: int) -> list[float]:
    return list(itertools.accumulate((rank + 3) ** -1.3 for rank in range(n)))


def animate(phrase: NounPhrase) -> bool:
    return phrase.noun is None or phrase.noun.is_a(PERSON)


def natural(phrase: NounPhrase) -> Agreement:
    """How a pronoun agrees with a phrase: in gender, but a girl (das Mädchen) is a she."""
    girl = phrase.noun is not None and phrase.noun.is_a(["girl"]) and not phrase.agreement.plural
    return replace(phrase.agreement, gender="f") if girl else phrase.agreement


def _ownable(noun: Noun) -> bool:
    """Whether one says "my" of it: not of any man, nor of a bear."""
    return not noun.is_a(["adult", "animal", "sky"]) or noun.is_a(["pet", "farm"])
