"""Random noun phrases, adverbials and clauses of the embedded corpus: what is said, not yet how it is ordered."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

from tzip import numerals, syntax
from tzip.lexicon import Adjective, Agreement, Noun, Slot, Verb, load
from tzip.syntax import BARE, THE, Clause, Modal, NounPhrase, Pair, Part

PERSON = frozenset(["person"])
KIN = frozenset(["kin"])
TENSES = {"present": 6, "progressive": 5, "past": 9, "past progressive": 2, "perfect": 3, "future": 3, "modal": 5}
STATIVE = {"present": 6, "past": 5, "future": 1}
USE = {  # which adverbs of time go with a tense
    "present": "habit", "progressive": "now", "past": "past", "past progressive": "past", "future": "future",
}  # fmt: skip
MODALS = (syntax.CAN, syntax.MUST, syntax.HAVE_TO, syntax.WANT, syntax.SHOULD, syntax.ALLOWED, syntax.WOULD_LIKE)
SPOTS = (
    ("on", "auf", 8), ("under", "unter", 2), ("next to", "neben", 2), ("behind", "hinter", 1), ("in front of", "vor", 1),
)  # fmt: skip
PATTERNS = {"none": 4, "acc": 9, "dat": 2, "dat acc": 3, "prepositional": 5, "place": 5}


def pattern(verb: Verb) -> str:
    """The kind of complements a verb takes, by which verbs are grouped before one is chosen."""
    kinds = [slot.case for slot in verb.slots]
    if not kinds:
        return "none"
    if any(kind in ("that", "whether", "inf") for kind in kinds):
        return "clause"
    if any(kind not in ("acc", "dat") for kind in kinds):
        return "place"
    return "prepositional" if any(slot.german for slot in verb.slots) else " ".join(kinds)


class Phrases:
    """Rules that draw from the lexicon, common words more often than rare ones (Zipf)."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.words = load()
        self.nouns_of = functools.cache(self._nouns_of)
        self.adjectives_for = functools.cache(self._adjectives_for)
        self.groups: dict[str, list[Verb]] = {}
        for verb in self.words.verbs:
            self.groups.setdefault(pattern(verb), []).append(verb)

    # Choosing

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def zipf(self, items: Sequence) -> object:
        """An item, with a probability that falls with its rank."""
        return items[self.random.choices(range(len(items)), cum_weights=_zipf(len(items)))[0]]

    def weighted(self, weights: dict) -> object:
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
    ) -> syntax.Determiner:
        """What stands before a noun; a `topic`, of which something is said, is rarely new."""
        if noun.is_a(["unique"]) or (noun.mass and noun.is_a(["cause", "told"])):
            return THE
        near = 0.75 if noun.is_a(["single"]) else 0.45 if noun.is_a(["kin"]) else 0.04 if noun.is_a(PERSON) else 0.15
        if self.chance(near):
            return self.possessive(owner)
        if noun.mass:
            return BARE if self.chance(0.65) else THE
        if plural:
            count = syntax.number(*numerals.words(2 + int(self.random.expovariate(0.25))))
            options = {THE: 8, BARE: 0.5 if topic else 4, syntax.SOME: 2, syntax.MANY: 2, count: 3, syntax.THIS: 1, syntax.FEW: 0.7}
            return self.weighted(options | {syntax.ALL: 0.8})
        return self.weighted({THE: 10, syntax.A: 1.5 if topic else 7, syntax.THIS: 1.2, syntax.EVERY: 0.3})

    def known(self) -> syntax.Determiner:
        return self.weighted({THE: 8, syntax.THIS: 2, self.possessive(None): 3})

    def possessive(self, owner: NounPhrase | None) -> syntax.Determiner:
        """The subject's own mostly: 'the woman ... her dog', 'the cat ... its food'."""
        if owner is not None and owner.kind != "question" and self.chance(0.8):
            if owner.noun is None or not owner.noun.is_a(["child", "thing", "vehicle", "building"]):
                return syntax.possessive(natural(owner), _animate(owner))
        return syntax.possessive(self.zipf([Agreement(1), Agreement(), Agreement(3, False, "f"), Agreement(1, True)]))

    def thing(
        self,
        tags: frozenset[str],
        *,
        owner: NounPhrase | None = None,
        determiner: syntax.Determiner | None = None,
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
        adjectives, degree, adverb = (), 0, ("", "")
        word = self.adjective(base)
        if word and not plain and self.chance(0.38) and base is noun:
            adjectives = (word,)
            fixed = "fixed" in word.tags
            if chosen is THE and not fixed and self.chance(0.08) and not noun.mass:
                degree = 2
            elif chosen is syntax.A and not fixed and self.chance(0.12):
                adverb = ("very", "sehr")
            elif "colour" not in word.tags and self.chance(0.08):
                colours = [colour for colour in self.adjectives_for(base.tags) if "colour" in colour.tags]
                adjectives = (word, self.zipf(colours)) if colours and word.english[0] in SIZES else adjectives
        phrase = syntax.noun_phrase(noun, chosen, adjectives, many, degree, adverb)
        if chosen is THE and not plain and self.chance(0.07) and base.is_a(OWNABLE):
            return self.owned(noun, adjectives, many)
        return phrase

    def owned(self, noun: Noun, adjectives: tuple[Adjective, ...], plural: bool) -> NounPhrase:
        """'Anna's old car', Annas altes Auto; 'the teacher's car', das Auto des Lehrers."""
        if self.chance(0.4):
            english, german = self.zipf([*self.words.names["woman"], *self.words.names["man"]])
            if german[-1] in "sxz":
                german, english = "Anna", "Anna"
            owner = syntax.number(f"{english}'s", f"{german}s")
            return replace(syntax.noun_phrase(noun, owner, adjectives, plural), known=True)
        owner = self.thing(PERSON, plural=0, plain=True, determiner=self.zipf([THE, self.possessive(None)]))
        phrase = syntax.noun_phrase(noun, THE, adjectives, plural)
        english = syntax.join(f"{owner.english}'s", phrase.english.removeprefix("the "))
        forms = tuple(f"{form} {owner.german_case('gen')}" for form in phrase.german)
        return replace(phrase, english=english, german=forms)

    def person(
        self, pronouns: float = 0.0, owner: NounPhrase | None = None, topic: bool = False
    ) -> NounPhrase:
        if self.chance(pronouns):
            return syntax.pronoun(self.zipf(SPEAKERS))
        if self.chance(0.22):
            gender, kind = self.random.choice([("f", "woman"), ("m", "man")])
            one = syntax.name(*self.zipf(self.words.names[kind]), gender)
            if self.chance(0.12):
                return syntax.coordinate(one, self.thing(KIN, plural=0, plain=True, determiner=self.possessive(one)))
            return one
        return self.thing(PERSON, owner=owner, topic=topic)

    def subject(self, verb: Verb, pronouns: float = 0.3) -> NounPhrase:
        if "person" in verb.subject and (len(verb.subject) == 1 or self.chance(0.75)):
            return self.person(pronouns, topic=True)
        return self.thing(verb.subject, topic=True)

    def relative(self, phrase: NounPhrase) -> NounPhrase:
        """With a clause about it: 'the book that the teacher is reading', das Buch, das der Lehrer liest."""
        noun, agreement = phrase.noun, phrase.agreement
        forms = tuple("denen" if form == "den" and case == "dat" and agreement.plural else form
                      for case, form in ((case, syntax.ARTICLE[case][agreement.column]) for case in syntax.CASES))  # fmt: skip
        who = "who" if noun.is_a(PERSON) else "that"
        objects = [verb for verb in self.groups["acc"] if _takes(verb, noun)]
        if objects and self.chance(0.5):
            verb = self.zipf(objects)
            clause = self.clause(verb=verb, simple=True, fill=False, pronouns=0.5)
            english, german = clause.subordinate("that", forms[1])
        else:
            subject = NounPhrase(who, forms, agreement, noun, kind="pronoun")
            clause = self.clause(subject=subject, simple=True, adverbials=0.5)
            english, german = clause.subordinate("", "")
        return phrase.extend(f" {english}", f", {german},", heavy=True)

    # Places and times

    def place(self, tags: frozenset[str], direction: str = "at") -> Pair:
        """'in the old park', im alten Park; direction at or to."""
        phrase = self.thing(tags, plural=0, determiner=self.weighted({THE: 9, syntax.A: 1}))
        place = phrase.noun.at if direction == "at" else phrase.noun.to
        return syntax.prepositional(place.english, place.german, place.case, phrase)

    def city(self, direction: str) -> Pair:
        english, german = self.zipf(self.words.names["city"])
        if german.startswith("die "):
            country = german.removeprefix("die ")
            german = {"at": "in der ", "to": "in die ", "from": "aus der "}[direction] + country
            return f"{CITY[direction][0]} {english}", german
        before, preposition = CITY[direction]
        return f"{before} {english}", f"{preposition} {german}"

    def time(self, tense: str) -> Pair:
        """An adverbial of time that agrees with the tense."""
        use = USE.get(tense)
        if use in ("habit", "now") or self.chance(0.55):
            adverbs = [word for word in self.words.adverbs["time"] if use in word.tags]
            word = self.zipf(adverbs)
            return word.english, word.german
        choices = {self._clock: 3, self._weekday: 3, self._month: 2, self._span: 3, self._date: 1.5, self._event: 2}
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
        return syntax.prepositional(english, german, case, phrase)

    def _span(self, use: str) -> Pair:
        """'three days ago', vor drei Tagen; 'in three days', in drei Tagen."""
        english, german = self.duration("dat")
        return (f"{english} ago", f"vor {german}") if use == "past" else (f"in {english}", f"in {german}")

    def duration(self, case: str) -> Pair:
        noun = self.random.choice(self.nouns_of(frozenset(["period"])))
        count = self.random.choices(range(2, 13), [1 / n for n in range(2, 13)])[0]
        phrase = syntax.noun_phrase(noun, syntax.number(*numerals.words(count)), plural=True)
        return phrase.english, phrase.german_case(case)

    def cause(self) -> Pair:
        """'because of the rain', wegen des Regens."""
        phrase = self.thing(frozenset(["cause", "trouble"]), plural=0, plain=True, determiner=THE)
        english, german = self.zipf((("because of", "wegen"), ("despite", "trotz")))
        return syntax.prepositional(english, german, "gen", phrase)

    # Complements

    def complement(self, slot: Slot, subject: NounPhrase, negated: bool) -> Part:
        """What fills a slot of a verb; a negated verb takes kein or something definite."""
        if slot.case in ("at", "on", "to", "onto", "from", "state"):
            return Part(*self._placed(slot), "complement", "complement")
        if slot.article:
            determiner = BARE if slot.article == "bare" else syntax.TUNE
            plural = 1.0 if determiner is BARE else 0.0
            phrase = self.thing(slot.tags, plural=plural, determiner=determiner, plain=True)
            text = syntax.prepositional(slot.english, slot.german, slot.case, phrase)
            return Part(*text, "complement" if slot.english else "object", "complement", phrase)
        phrase = self.object(slot, subject, negated)
        return place_object(slot, phrase)

    def object(self, slot: Slot, subject: NounPhrase, negated: bool) -> NounPhrase:
        person = slot.tags >= PERSON and (len(slot.tags) == 1 or self.chance(0.5))
        if person and self.chance(0.3):
            others = [other for other in SPEAKERS if other.person != subject.agreement.person]
            return syntax.pronoun(self.zipf(others))
        if person and not negated:
            return self.person(owner=subject)
        if negated:
            direct = slot.case == "acc" and not slot.german and not person
            options = {THE: 3, self.possessive(subject): 1} | ({syntax.NOT_A: 3} if direct else {})
            determiner = self.weighted(options)
            return self.thing(slot.tags, plural=0.1, determiner=determiner, plain=determiner is not THE)
        return self.thing(slot.tags, owner=subject)

    def _placed(self, slot: Slot) -> Pair:
        if slot.case == "state":
            words = [word for word in self.words.adjectives if "state" in word.tags]
            word = self.zipf(words)
            return word.english[0], word.german[0]
        if "city" in slot.tags and (len(slot.tags) == 1 or self.chance(0.5)):
            return self.city(slot.case)
        tags = slot.tags - {"city"}
        if slot.case in ("at", "to"):
            return self.place(tags, slot.case)
        phrase = self.thing(tags, plural=0, determiner=self.weighted({THE: 6, syntax.A: 1.5}))
        noun = phrase.noun
        if slot.case == "from":
            inside = noun.at.german == "in"
            return syntax.prepositional("from", "aus" if inside else "von", "dat", phrase)
        if noun.is_a(["place"]):
            return syntax.prepositional(noun.at.english, noun.at.german, noun.at.case, phrase)
        english, german = ("in", "in")
        if not noun.is_a(["inside"]):
            spots = {(english, german): weight for english, german, weight in SPOTS}
            english, german = self.weighted(spots)
        return syntax.prepositional(english, german, "acc" if slot.case == "onto" else "dat", phrase)

    # Clauses

    def verb(
        self, subject: NounPhrase | None = None, theme: NounPhrase | None = None, flag: str = "", event: bool = False
    ) -> Verb:
        """A verb that this subject can have, that can be about `theme`, has this flag, and is no state."""
        for _ in range(40):
            group = self.groups["acc" if theme else self.weighted(PATTERNS)]
            fitting = [
                verb for verb in group
                if (subject is None or _can(subject, verb)) and (not flag or flag in verb.flags)
                and (theme is None or _takes(verb, theme.noun)) and not (event and "state" in verb.flags)
            ]  # fmt: skip
            if fitting:
                return self.zipf(fitting)
        raise LookupError("no verb fits")

    def tense(self, verb: Verb) -> tuple[str, Modal | None]:
        tense = self.weighted(STATIVE if "state" in verb.flags else TENSES)
        if tense != "modal":
            return tense, None
        modal = self.zipf(MODALS)
        past = self.chance(0.3) and modal not in (syntax.MUST, syntax.SHOULD, syntax.WOULD_LIKE)
        return ("past" if past else "present"), modal

    def clause(
        self,
        *,
        subject: NounPhrase | None = None,
        verb: Verb | None = None,
        theme: NounPhrase | None = None,
        tense: str = "",
        simple: bool = False,
        fill: bool = True,
        adverbials: float = 1.0,
        negation: float = 0.08,
        pronouns: float = 0.3,
        flag: str = "",
    ) -> Clause:
        """A clause: `theme` is an object already spoken of, `simple` allows neither modals nor negation."""
        verb = verb or self.verb(subject, theme, flag)
        subject = subject or self.subject(verb, pronouns)
        chosen, modal = self.tense(verb)
        while simple and (modal or chosen in ("future", "modal")):
            chosen, modal = self.tense(verb)
        if tense:
            chosen, modal = tense, None
        if "state" in verb.flags:
            chosen = chosen.replace("past progressive", "past").replace("progressive", "present")
        if not subject.agreement.plural and subject.agreement.person == 3 and not _animate(subject):
            modal = None
        negated = not simple and subject.known and self.chance(negation) and chosen != "pluperfect"
        parts = self.parts(verb, subject, theme, negated) if fill else ()
        if modal is syntax.MUST and negated:
            modal = syntax.MUST_NOT
        negation_word = "" if not negated else "kein" if any(_says_no(part) for part in parts) else "nicht"
        clause = Clause(subject, verb, chosen, parts, modal, negation_word)
        return self.with_adverbials(clause, adverbials)

    def parts(self, verb: Verb, subject: NounPhrase, theme: NounPhrase | None, negated: bool) -> tuple[Part, ...]:
        parts = []
        for slot in verb.slots:
            if theme is not None and slot.case == "acc" and not slot.german:
                it = syntax.pronoun(theme.agreement, _animate(theme))
                parts.append(place_object(slot, it))
            else:
                parts.append(self.complement(slot, subject, negated))
        pronouns = [part for part in parts if part.german_slot == "pronoun"]
        if len(pronouns) > 1:  # two pronouns in one field have an order of their own
            return self.parts(verb, subject, theme, negated)
        return tuple(parts)

    def with_adverbials(self, clause: Clause, amount: float) -> Clause:
        """Manner, place, time, frequency, company: what the verb's flags and the tense allow."""
        verb, parts = clause.verb, list(clause.parts)
        flags, free = verb.flags, not clause.negated
        manners = [word for word in self.words.adverbs["manner"] if flags & word.tags
                   and not (clause.modal and word.english == "badly")]  # fmt: skip
        if manners and self.chance(0.2 * amount):
            word = self.zipf(manners)
            parts.append(Part(word.english, word.german, "manner", "manner"))
        elif flags & {"fun", "where"} and "person" in verb.subject and self.chance(0.1 * amount):
            friend = self.thing(KIN, owner=clause.subject, plural=0, plain=True)
            parts.append(Part(*syntax.prepositional("with", "mit", "dat", friend), "manner", "manner"))
        elif "where" in flags and not clause.modal and self.chance(0.25 * amount):
            where = self.weighted({"adverb": 3, "place": 5, "city": 1.5})
            word = self.zipf(self.words.adverbs["place"])
            places = frozenset(["room", "outdoors", "public"])
            pair = {"adverb": lambda: (word.english, word.german), "place": lambda: self.place(places),
                    "city": lambda: self.city("at")}[where]()  # fmt: skip
            parts.append(Part(*pair, "place", "place"))
        if free and "progressive" not in clause.tense and "state" not in flags and not clause.modal and self.chance(0.17 * amount):
            use = USE.get(clause.tense, "perfect")
            often = [word for word in self.words.adverbs["frequency"] if use in word.tags]
            if often:
                word = self.zipf(often)
                parts.append(Part(word.english, word.german, "frequency", "frequency"))
        frequent = any(part.english_slot == "frequency" for part in parts)
        timed = clause.tense in USE and (free or USE[clause.tense] != "habit") and "state" not in flags and not clause.modal and not frequent
        if timed and self.chance(0.6 * amount):
            parts.append(Part(*self.time(clause.tense), "time", "time"))
        elif clause.tense in USE and not clause.modal and self.chance(0.03 * amount):
            parts.append(Part(*self.cause(), "time", "time"))
        return replace(clause, parts=tuple(parts))


def place_object(slot: Slot, phrase: NounPhrase) -> Part:
    """An object as a part: pronouns early, definite things before adverbs, new things after them."""
    text = syntax.prepositional(slot.english, slot.german, slot.case, phrase)
    english = "complement" if slot.english else "indirect" if slot.case == "dat" else "object"
    if phrase.kind == "pronoun" and english == "object":
        english = "object pronoun"
    if slot.german:
        return Part(*text, english, "complement", phrase)
    if phrase.kind == "pronoun":
        return Part(*text, english, "pronoun", phrase)
    return Part(*text, english, "dative" if slot.case == "dat" else "known" if phrase.known else "new", phrase)


@functools.cache
def _zipf(n: int) -> list[float]:
    return list(itertools.accumulate((rank + 3) ** -0.8 for rank in range(n)))


def _animate(phrase: NounPhrase) -> bool:
    return phrase.noun is None or phrase.noun.is_a(PERSON)


def natural(phrase: NounPhrase) -> Agreement:
    """How a pronoun agrees with a phrase: in gender, but a girl (das Mädchen) is a she."""
    girl = phrase.noun is not None and phrase.noun.is_a(["girl"]) and not phrase.agreement.plural
    return replace(phrase.agreement, gender="f") if girl else phrase.agreement


def _can(subject: NounPhrase, verb: Verb) -> bool:
    """Whether the verb takes this subject; pronouns and names are persons."""
    return subject.noun.is_a(verb.subject) if subject.noun else "person" in verb.subject


def _takes(verb: Verb, noun: Noun) -> bool:
    """Whether the verb takes the noun as its direct object, in both languages."""
    return any(slot.case == "acc" and not slot.german and not slot.english and not slot.article
               and noun.is_a(slot.tags) for slot in verb.slots)  # fmt: skip


def _ownable(noun: Noun) -> bool:
    """Whether one says "my" of it: not of any man, nor of a bear."""
    return not noun.is_a(["adult", "animal", "sky"]) or noun.is_a(["pet", "farm"])


def _says_no(part: Part) -> bool:
    return part.phrase is not None and part.phrase.article is syntax.NOT_A


SPEAKERS = (
    Agreement(3, False, "m"), Agreement(3, False, "f"), Agreement(1), Agreement(1, True), Agreement(3, True),
)  # fmt: skip
POSSESSIVES = ("my", "your", "his", "her", "its", "our", "their")
CITY = {"at": ("in", "in"), "to": ("to", "nach"), "from": ("from", "aus")}
SIZES = ("big", "small", "old", "new", "expensive", "cheap", "beautiful")
OWNABLE = ("thing", "vehicle", "home", "pet", "plan", "idea", "dream", "answer", "wear", "decision")
