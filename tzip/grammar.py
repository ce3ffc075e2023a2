"""The embedded corpus: sentences of a synchronous English-German grammar, in English and German at once.

A rule is a method that returns a pair. It draws its words through `derive.Phrases`, puts them into a
`syntax.Clause`, and lets the clause say itself in both word orders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tzip import numerals, syntax
from tzip.derive import PERSON, Phrases, natural
from tzip.lexicon import WERDEN, Agreement, Verb, english_verb, german_verb
from tzip.options import option
from tzip.syntax import A, BARE, THE, TO_BE, Clause, NounPhrase, Pair, Part, sentence

BECOME = Verb(english_verb("become/became/become"), WERDEN)
COST = Verb(english_verb("cost/cost/cost"), german_verb("kosten"))
LAST = Verb(english_verb("last"), german_verb("dauern"))
RAIN = Verb(english_verb("rain"), german_verb("regnen"))
SNOW = Verb(english_verb("snow"), german_verb("schneien"))
EXIST = Verb(syntax.BE, german_verb("geben,gibt,gab,gegeben"))
KNOW = Verb(english_verb("know/knew/known"), german_verb("wissen"))
ITSELF = syntax.pronoun(Agreement(gender="n"))
NONE = Agreement(gender="n")
DESCRIBED = frozenset("thing vehicle animal building room outdoors person event abstract edible drink".split())


@dataclass(frozen=True)
class Options:
    """Sizes of the embedded corpus"""

    train: int = option(25000, "training pairs", low=1)
    dev: int = option(500, "development pairs", low=1)
    test: int = option(1000, "test pairs", low=1)
    seed: int = option(1, "seed of the sentences", low=0)


class Grammar(Phrases):
    """The sentences. `RULES` gives each rule's share."""

    def sentence(self) -> Pair:
        """A sentence of a random rule; a rule for which no word fits makes room for another."""
        while True:
            with contextlib.suppress(LookupError):
                return self.weighted(RULES)(self)

    # Main clauses

    def declarative(self) -> Pair:
        """Verb second; now and then an adverbial stands in front, or a relative clause hangs on a noun."""
        clause = self.clause()
        if self.chance(0.35) and self._relatable(clause.subject):
            return sentence(replace(clause, subject=self.relative(clause.subject)).statement())
        if self.chance(0.25):
            return sentence(self._about_its_object(clause).statement())
        return sentence(self.fronted(clause))

    def fronted(self, clause: Clause) -> Pair:
        movable = [part for part in clause.parts if part.english_slot == "time"]
        if movable and self.chance(0.45):
            return clause.statement(movable[0])
        if clause.tense != "perfect" and self.chance(0.09):
            words = self.words.adverbs["sentence"]
            word = self.zipf([word for word in words if "past" not in word.tags or _event(clause)])
            english, german = clause.statement(), clause.german(word.german)
            comma = "" if word.english in ("perhaps", "suddenly") else ","
            return f"{word.english}{comma} {english[0]}", german
        return clause.statement()

    def _relatable(self, phrase: NounPhrase) -> bool:
        return phrase.noun is not None and phrase.kind == "noun" and not phrase.noun.mass and not phrase.heavy

    def _about_its_object(self, clause: Clause) -> Clause:
        """A relative clause on the object, where nothing follows it."""
        clause = self.clause(adverbials=0.3, negation=0.0, simple=True)
        if clause.verb.german.prefix or clause.tense in ("perfect", "pluperfect") or len(clause.verb.slots) != 1:
            return clause
        part, *others = clause.parts
        others = [other for other in others if other.english_slot in ("time", "frequency")]
        if part.phrase is None or not self._relatable(part.phrase):
            return clause
        slot = clause.verb.slots[0]
        heavy = self.relative(part.phrase)
        english, german = syntax.prepositional(slot.english, slot.german, slot.case, heavy)
        return replace(clause, parts=(replace(part, english=english, german=german), *others))

    def passive(self) -> Pair:
        """'The house was built by the architect': wurde ... gebaut, ist ... gebaut worden."""
        verbs = [verb for verb in self.groups["acc"] if "passive" in verb.flags and not verb.slots[0].english]
        verb = self.zipf(verbs)
        slot = verb.slots[0]
        subject = self.thing(slot.tags)
        parts = []
        tense = self.weighted({"past": 6, "present": 2, "perfect": 2, "future": 1})
        if self.chance(0.45):
            agent = self.person() if "person" in verb.subject else self.thing(verb.subject)
            parts.append(Part(*syntax.prepositional("by", "von", "dat", agent), "manner", "manner"))
        if tense in ("past", "future") and self.chance(0.5):
            parts.append(Part(*self.time(tense), "time", "time"))
        negated = subject.known and self.chance(0.08)
        modal = syntax.HAVE_TO if tense == "present" and "state" not in verb.flags else None
        if tense == "present" and modal is None:
            tense = "past"
        clause = Clause(subject, verb, tense, tuple(parts), modal, "nicht" if negated else "", passive=True)
        return sentence(self.fronted(clause))

    def fond(self) -> Pair:
        """'likes to read', liest gern; 'prefers to read', liest lieber."""
        clause = self.clause(flag="fun", tense="present", negation=0.1, adverbials=0.6)
        parts = tuple(part for part in clause.parts if part.english_slot not in ("time", "frequency", "manner"))
        modal, german = self.zipf(((syntax.LIKE, "gern"), (syntax.PREFER, "lieber")))
        negated = "nicht" if clause.negated and modal is syntax.LIKE else ""
        if clause.negated == "kein" or (clause.negated and not negated):
            return self.fond()
        fond = Part("", f"{negated} {german}".strip(), "manner", "frequency")
        clause = replace(clause, parts=(*parts, fond), modal=modal, negated="")
        if negated:
            english = replace(clause, negated="nicht").english()
            return sentence((english, clause.german()))
        return sentence(clause.statement())

    def lasting(self) -> Pair:
        """English perfect, German present: 'has lived here for three years', wohnt seit drei Jahren hier."""
        clause = self.clause(flag="since", tense="present", negation=0.0, adverbials=0.4)
        if clause.verb.slots and clause.verb.slots[0].case == "at" and any(p.english_slot == "place" for p in clause.parts):
            return self.lasting()
        tense = "perfect since" if "state" in clause.verb.flags else "perfect progressive"
        parts = tuple(part for part in clause.parts if part.english_slot not in ("time", "frequency", "manner"))
        if self.chance(0.7):
            english, german = self.duration("dat")
            since = Part(f"for {english}", f"seit {german}", "time", "time")
        else:
            english, german = self.zipf(
                (("Monday", "Montag"), ("yesterday", "gestern"), ("last year", "letztem Jahr"),
                 ("this morning", "heute Morgen"), ("last week", "letzter Woche"), ("1998", "1998"))
            )  # fmt: skip
            since = Part(f"since {english}", f"seit {german}", "time", "time")
        return sentence(self.fronted(replace(clause, tense=tense, parts=(*parts, since))))

    # To be

    def described(self, subject: NounPhrase | None = None, tense: str = "") -> Clause:
        """'The kitchen is very small', die Küche ist sehr klein."""
        while subject is None or (subject.noun and self.adjective(subject.noun) is None):
            subject = self.thing(DESCRIBED, plain=True, determiner=self.known())
            if subject.noun.mass and subject.article is not THE:
                subject = None
        if subject.noun:
            word = self.adjective(subject.noun)
        else:
            word = self.zipf([word for word in self.words.adjectives if word.tags & {"state", "trait"}])
        degree = ("", "")
        if "fixed" not in word.tags and self.chance(0.3):
            adverb = self.zipf(self.words.adverbs["degree"])
            degree = adverb.english, adverb.german
        text = syntax.join(degree[0], word.english[0]), syntax.join(degree[1], word.german[0])
        tense = tense or self.weighted({"present": 6, "past": 4})
        negated = "nicht" if not degree[0] and subject.known and self.chance(0.1) else ""
        verb = TO_BE
        if "state" in word.tags and subject.kind != "noun" and tense == "past" and self.chance(0.2):
            verb, negated = BECOME, ""
        return Clause(subject, verb, tense, (Part(*text, "complement", "complement"),), None, negated)

    def copula(self) -> Pair:
        subject = self.person(0.5, topic=True) if self.chance(0.35) else None
        clause = self.described(subject if subject is None or subject.known else None)
        if clause.tense == "past" and clause.verb is TO_BE and self.chance(0.25):
            clause = replace(clause, parts=(*clause.parts, Part("yesterday", "gestern", "time", "time")))
        return sentence(self.fronted(clause))

    def compared(self) -> Pair:
        """'is bigger than', ist größer als; 'is as big as', ist so groß wie."""
        kind = self.random.choice(["person", "room", "building", "vehicle", "animal", "furniture", "wear", "text"])
        first, second = (self.thing(frozenset([kind]), plural=0, plain=True, determiner=self.known()) for _ in range(2))
        word = self.adjective(first.noun)
        if word is None or "fixed" in word.tags or not second.noun.is_a(word.tags) or first.noun == second.noun:
            return self.compared()
        if self.chance(0.7):
            text = f"{word.english[1]} than {second.english}", f"{word.german[1]} als {second.german_case('nom')}"
        else:
            text = f"as {word.english[0]} as {second.english}", f"so {word.german[0]} wie {second.german_case('nom')}"
        negated = "nicht" if text[0].startswith("as ") and first.known and self.chance(0.3) else ""
        part = Part(*text, "complement", "complement")
        return sentence(Clause(first, TO_BE, self.zipf(("present", "past")), (part,), None, negated).statement())

    def profession(self) -> Pair:
        """'is a doctor', ist Arzt; 'is a good doctor', ist ein guter Arzt."""
        jobs = self.nouns_of(frozenset(["job"]))
        gender = "f" if self.chance(0.3) else "m"
        named = syntax.name(*self.zipf(self.words.names["woman" if gender == "f" else "man"]), gender)
        kin = [noun for noun in self.nouns_of(frozenset(["kin"])) if noun.gender == gender]
        mine = syntax.noun_phrase(self.zipf(kin), self.possessive(None))
        subject = self.zipf((syntax.pronoun(Agreement(gender=gender)), named, mine))
        noun = self.zipf([job for job in jobs if job.gender == gender])
        noun = self.compound(noun) if noun.modifiers and self.chance(0.4) else noun
        adjectives = ()
        if self.chance(0.35):
            traits = [word for word in self.words.adjectives if "trait" in word.tags and word.english[0] != "patient"]
            adjectives = (self.zipf(traits),)
        phrase = syntax.noun_phrase(noun, A, adjectives)
        german = phrase.german_case("nom") if adjectives else noun.german
        part = Part(phrase.english, german, "complement", "complement")
        if self.chance(0.25):
            modal = self.zipf((syntax.WANT, syntax.WOULD_LIKE))
            return sentence(Clause(subject, BECOME, "present", (part,), modal).statement())
        verb = self.weighted({TO_BE: 5, BECOME: 1})
        tense = "past" if verb is BECOME or self.chance(0.3) else "present"
        return sentence(Clause(subject, verb, tense, (part,)).statement())

    def located(self) -> Pair:
        """'The key is in the kitchen', der Schlüssel ist in der Küche."""
        small = self.chance(0.5)
        subject = self.thing(frozenset(["small", "lying", "pet"])) if small else self.person(0.3)
        places = frozenset(["room", "public", "outdoors"]) if not small else frozenset(["room"])
        where = self.place(places) if self.chance(0.8) else self.city("at") if not small else self.place(places)
        tense = self.zipf(("present", "past"))
        negated = "nicht" if subject.known and self.chance(0.15) else ""
        parts = [Part(*where, "complement", "complement")]
        if tense == "past" and self.chance(0.4):
            parts.append(Part(*self.time("past"), "time", "time"))
        return sentence(self.fronted(Clause(subject, TO_BE, tense, tuple(parts), None, negated)))

    def existing(self) -> Pair:
        """'There is a church in the village', es gibt im Dorf eine Kirche."""
        public = self.chance(0.6)
        tags = frozenset(["building"]) if public else frozenset(["furniture", "vessel", "device", "animal"])
        where = self.place(frozenset(["settled"]) if public else frozenset(["room"]))
        where = where if not public or self.chance(0.6) else self.city("at")
        many = self.chance(0.35)
        count = syntax.number(*numerals.words(2 + self.random.randrange(20)))
        choices = {syntax.MANY: 2, syntax.SOME: 1, syntax.FEW: 0.6, syntax.NO: 1, count: 3} if many else {A: 5, syntax.NO: 1}
        phrase = self.thing(tags, plural=float(many), determiner=self.weighted(choices))
        tense = self.weighted({"present": 3, "past": 1})
        there = NounPhrase("there", ITSELF.german, replace(NONE, plural=phrase.agreement.plural), kind="pronoun")
        parts = (Part(phrase.english, phrase.german_case("acc"), "object", "new"), Part(*where, "place", "place"))
        clause = Clause(there, EXIST, tense, parts)
        german = replace(clause, subject=ITSELF)
        front = parts[1] if self.chance(0.3) else None
        text = german.without(front).german(front.german) if front else german.german()
        english = clause.without(front).english() if front else clause.english()
        return sentence((syntax.join(front.english, english) if front else english, text))

    def weather(self) -> Clause:
        if self.chance(0.5):
            verb = self.zipf((RAIN, SNOW))
            return Clause(ITSELF, verb, self.weighted({"past": 3, "progressive": 3, "past progressive": 2}))
        english, german = self.zipf((("cold", "kalt"), ("warm", "warm"), ("hot", "heiß"), ("dark", "dunkel"),
                                     ("windy", "windig"), ("foggy", "neblig"), ("late", "spät")))  # fmt: skip
        very = self.zipf((("", ""), ("very", "sehr"), ("too", "zu")))
        part = Part(syntax.join(very[0], english), syntax.join(very[1], german), "complement", "complement")
        return Clause(ITSELF, TO_BE, self.zipf(("past", "present")), (part,))

    def raining(self) -> Pair:
        clause = self.weather()
        parts = list(clause.parts)
        if self.chance(0.6):
            parts.append(Part(*self.time(clause.tense.replace("present", "progressive")), "time", "time"))
        if self.chance(0.5):
            parts.append(Part(*self.zipf((self.city, self._settled))("at"), "place", "place"))
        return sentence(self.fronted(replace(clause, parts=tuple(parts))))

    def _settled(self, direction: str) -> Pair:
        return self.place(frozenset(["settled", "mountain", "coast", "forest"]), direction)

    # Numbers

    def aged(self) -> Pair:
        """'is twenty-one years old', ist einundzwanzig Jahre alt."""
        n = 2 + self.random.randrange(88)
        english, german = numerals.words(n) if self.chance(0.6) else numerals.digits(n)
        pet = frozenset(["pet", "building"])
        subject = self.person(0.5, topic=True) if self.chance(0.7) else self.thing(pet, plural=0, plain=True, topic=True)
        if not subject.known:
            return self.aged()
        part = Part(f"{english} years old", f"{german} Jahre alt", "complement", "complement")
        parts = (part,)
        if self.chance(0.2):
            parts = (*parts, Part("tomorrow", "morgen", "time", "time"))
            clause = Clause(subject, replace(BECOME, english=syntax.BE), "future", parts)
        else:
            clause = Clause(subject, TO_BE, self.zipf(("present", "past")), parts)
        return sentence(clause.statement())

    def priced(self) -> Pair:
        """'costs 3,500 euros', kostet 3.500 Euro."""
        subject = self.thing(frozenset(["thing", "vehicle", "edible"]), plural=0.2, determiner=self.zipf((THE, syntax.THIS)))
        if subject.noun.mass:
            return self.priced()
        n = int(self.random.lognormvariate(4, 1.5)) + 2
        spell = numerals.words if n < 100 and self.chance(0.6) or n % 100 == 0 and n < 1000 else numerals.digits
        english, german = spell(n)
        part = Part(f"{english} euros", f"{german} Euro", "object", "complement")
        return sentence(Clause(subject, COST, self.zipf(("present", "past")), (part,)).statement())

    def long(self) -> Pair:
        """'lasts three hours', dauert drei Stunden."""
        subject = self.thing(frozenset(["planned", "show"]), plural=0.1, determiner=self.zipf((THE, syntax.THIS)))
        units = self.nouns_of(frozenset(["period"] if subject.noun.is_a(["weeks"]) else ["span"]))
        noun = self.zipf(units)
        count = 2 + self.random.randrange(58 if noun.english == "minute" else 8)
        phrase = syntax.noun_phrase(noun, syntax.number(*numerals.words(count)), plural=True)
        part = Part(phrase.english, phrase.german_case("acc"), "object", "complement")
        return sentence(Clause(subject, LAST, self.zipf(("past", "present")), (part,)).statement())

    # Sentences of two clauses

    def subordinate(self) -> Pair:
        """A subordinate clause behind or in front of the main clause."""
        english, german, tense, second = self.weighted(CONJUNCTIONS)
        now = tense or self.weighted({"present": 3, "past": 4})
        main = self.clause(tense=now, adverbials=0.35, negation=0.06, verb=self._personal(english in ("while", "until")))
        event = english not in ("because", "although", "if")
        other = self._second(main, second or now, event)
        if event:
            main, other = _once(main), _once(other)
        pair = other.subordinate(english, german)
        if self.chance(0.35):
            return sentence((f"{pair[0]}, {main.english()}", main.german(f"{pair[1]},")))
        text = main.statement()
        return sentence((f"{text[0]} {pair[0]}", f"{text[1]}, {pair[1]}"))

    def _personal(self, lasting: bool = False) -> Verb:
        while True:
            verb = self.verb(event=lasting)
            if verb.subject == PERSON and (not lasting or verb.flags & {"where", "since"}):
                return verb

    def _second(self, main: Clause, tense: str, event: bool) -> Clause:
        """A clause that goes on about what the main clause spoke of, its people and things now pronouns."""
        again = _refer(main.subject)
        objects = [part.phrase for part in main.parts if part.phrase and part.phrase.noun and part.phrase.known]
        theme = objects[0] if len(objects) == 1 and not objects[0].noun.is_a(PERSON) else None
        if tense != "pluperfect":
            kind = self.weighted({"state": 3, "weather": 1.2, "theme": 3, "other": 3})
            if kind == "state" and not event:
                states = [word for word in self.words.adjectives if "state" in word.tags]
                word = self.zipf(states)
                return Clause(again, TO_BE, tense, (Part(word.english[0], word.german[0], "complement", "complement"),))
            if kind == "weather" and (not event or self.chance(0.5)):
                clause = self.weather()
                return replace(clause, tense=tense)
        else:
            kind = self.weighted({"theme": 1, "other": 2})
        if kind == "theme" and theme is not None:
            try:
                verb = self.verb(again, theme, event=event)
                if verb is main.verb:
                    raise LookupError("nothing new")
                return self.clause(subject=again, verb=verb, theme=theme, tense=tense, adverbials=0.2)
            except LookupError:
                pass
        subject = again if self.chance(0.7) or tense == "pluperfect" else self.person(topic=True)
        verb = self.verb(subject, event=event)
        return self.clause(subject=subject, verb=verb, tense=tense, adverbials=0.4)

    def reported(self) -> Pair:
        """'says that ...', sagt, dass ...; 'asks whether ...', fragt, ob ..."""
        verb = self.zipf([verb for verb in self.groups["clause"] if verb.slots[-1].case in ("that", "whether")])
        tense = self.zipf(("present", "past"))
        main = self.clause(verb=verb, tense=tense, fill=False, adverbials=0.0, negation=0.0)
        kind = verb.slots[-1].case
        inner_tense = {"present": self.zipf(("present", "perfect", "future", "past")), "past": "past"}[tense]
        subject = _refer(main.subject) if self.chance(0.4) else None
        inner = self.clause(subject=subject, tense=inner_tense, adverbials=0.7, negation=0.1)
        if self.chance(0.2):
            inner = self.described(tense=inner_tense if inner_tense in ("present", "past") else "present")
        elif self.chance(0.15):
            reason = self._second(inner, inner.tense if inner.tense in ("present", "past") else "present", False)
            part = Part(*reason.subordinate("because", ", weil"), "after", "after")
            inner = replace(inner, parts=(*inner.parts, part))
        pair = inner.subordinate(*{"that": ("that", ", dass"), "whether": ("whether", ", ob")}[kind])
        parts = [self.complement(slot, main.subject, False) for slot in verb.slots[:-1]]
        return sentence(replace(main, parts=(*parts, Part(*pair, "after", "after"))).statement())

    def ignorance(self) -> Pair:
        """'I do not know where he lives', ich weiß nicht, wo er wohnt."""
        word = self.zipf((("whether", "ob"), ("where", "wo"), ("why", "warum"), ("when", "wann"), ("how", "wie")))
        subject = self.person(0.7)
        if not subject.known:
            return self.ignorance()
        if word[0] == "where":
            place = [verb for verb in self.verbs_with("at", "on") if "person" in verb.subject]
            inner = self.clause(verb=self.zipf(place), tense="present", fill=False, adverbials=0.0, simple=True)
        elif word[0] == "how":
            skills = [verb for verb in self.words.verbs if verb.flags >= {"well"} and verb.subject == PERSON
                      and "state" not in verb.flags]  # fmt: skip
            inner = self.clause(verb=self.zipf(skills), tense="past", adverbials=0.0, simple=True)
        else:
            inner = self.clause(verb=self._personal(), adverbials=0.3 if word[0] != "when" else 0.0, negation=0.0)
        pair = inner.subordinate(word[0], f", {word[1]}")
        tense = "past" if inner.tense.startswith("past") and self.chance(0.5) else "present"
        part = Part(*pair, "after", "after")
        return sentence(Clause(subject, KNOW, tense, (part,), None, "nicht").statement())

    def verbs_with(self, *cases: str) -> list[Verb]:
        return [verb for verb in self.words.verbs if verb.slots and verb.slots[0].case in cases]

    def infinitival(self) -> Pair:
        """'tries to open the window', versucht, das Fenster zu öffnen; 'in order to', um ... zu."""
        inner = self.clause(verb=self._willing(), tense="present", adverbials=0.2, negation=0.0)
        if self.chance(0.4):
            main = self.clause(subject=inner.subject, verb=self._going(), negation=0.0, adverbials=0.4, simple=True)
            pair = _timeless(inner).infinitive(("in order to", ", um"))
            return sentence(replace(main, parts=(*main.parts, Part(*pair, "after", "after"))).statement())
        verb = self.zipf([verb for verb in self.groups["clause"] if verb.slots[-1].case == "inf"])
        tense, modal = self.tense(verb)
        if modal or tense == "future":
            tense, modal = "past", None
        pair = _timeless(inner).infinitive(("to", ","))
        parts = [self.complement(slot, inner.subject, False) for slot in verb.slots[:-1]]
        parts.append(Part(*pair, "after", "after"))
        return sentence(Clause(inner.subject, verb, tense, tuple(parts)).statement())

    def _willing(self) -> Verb:
        while True:
            verb = self.verb()
            if verb.subject == PERSON and "order" in verb.flags:
                return verb

    def _going(self) -> Verb:
        return self.zipf([verb for verb in self.verbs_with("to") if "person" in verb.subject])

    def contrast(self) -> Pair:
        """'The lamp is old, but it is beautiful', die Lampe ..., aber sie ...: gender across the comma."""
        if self.chance(0.45):
            first = self.described()
            while first.subject.kind == "pronoun" or first.negated or first.subject.noun.is_a(["child"]):
                first = self.described()
            second = self.described(_with_noun(_refer(first.subject), first.subject), first.tense)
            if second.parts[0].english.split()[-1] == first.parts[0].english.split()[-1]:
                return self.contrast()
            joint = self.zipf((("but", "aber"), ("and", "und")))
            comma = "," if joint[0] == "but" else ""
            return sentence((f"{first.english()}{comma} {joint[0]} {second.english()}",
                             f"{first.german()}{comma} {joint[1]} {second.german()}"))  # fmt: skip
        verb = self.zipf([verb for verb in self.words.verbs if verb.slots and verb.slots[0].case == "acc"
                          and len(verb.slots) == 1 and not verb.slots[0].article and verb.subject == PERSON])  # fmt: skip
        tense = self.zipf(("past", "present"))
        first = self.clause(verb=verb, tense=tense, adverbials=0.3, negation=0.0)
        phrase = first.parts[0].phrase
        if phrase.noun is None or phrase.noun.is_a(PERSON | {"mass"}) or not self.adjective(phrase.noun):
            return self.contrast()
        if self.chance(0.5):
            try:
                second = self.clause(subject=_refer(first.subject), theme=phrase, tense=tense, adverbials=0.0,
                                     negation=0.6)  # fmt: skip
            except LookupError:
                return self.contrast()
        else:
            it = _with_noun(syntax.pronoun(phrase.agreement, animate=False), phrase)
            second = self.described(it, tense)
        joint = self.weighted({("but", "aber"): 3, ("and", "und"): 1 if second.verb is TO_BE else 0.2})
        return sentence((f"{first.english()}, {joint[0]} {second.english()}",
                         f"{first.german()}, {joint[1]} {second.german()}"))  # fmt: skip

    # Questions and orders

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
            clause = self.clause(subject=syntax.pronoun(agreement), negation=0.05, adverbials=0.7)
            if clause.modal in (syntax.MUST, syntax.MUST_NOT):
                clause = replace(clause, modal=syntax.HAVE_TO)
            (english, _), (_, german) = clause.question(), _spoken(clause).question()
            return sentence((f"{english}, {called[0]}", f"{german}, {called[1]}"), "?")
        clause = self.described() if self.chance(0.2) else self.clause(negation=0.05, adverbials=0.7)
        if clause.modal in (syntax.MUST, syntax.MUST_NOT):
            clause = replace(clause, modal=syntax.HAVE_TO)
        return sentence(clause.question(), "?")

    def wondered(self) -> Pair:
        """Who, what, whom, where, where to, when, why, how long."""
        if self.chance(0.25):
            who = NounPhrase("who", ("wer", "wen", "wem", "wessen"), Agreement(), kind="question")
            clause = self.clause(subject=who, negation=0.0, verb=self._personal())
            return sentence(clause.statement(), "?")
        clause = self.clause(negation=0.0, adverbials=0.4, verb=self._personal())
        if clause.modal is syntax.MUST:
            clause = replace(clause, modal=syntax.HAVE_TO)
        times = [part for part in clause.parts if part.english_slot in ("time", "frequency")]
        slot, part = (clause.verb.slots[0], clause.parts[0]) if clause.verb.slots else (None, None)
        if slot and not slot.article and not slot.german and not slot.english and part.phrase and self.chance(0.6):
            person = slot.tags >= PERSON and len(slot.tags) == 1
            word = {("acc", False): ("what", "was"), ("acc", True): ("who", "wen")}.get((slot.case, person))
            word = word or (("who", "wem") if slot.case == "dat" and len(clause.verb.slots) == 1 else None)
            if word:
                return sentence(clause.question(word, part), "?")
        if slot and slot.case in ("at", "on") and self.chance(0.7):
            return sentence(_without_places(clause).question(("where", "wo"), part), "?")
        if slot and slot.case == "to" and self.chance(0.7):
            return sentence(clause.question(("where", "wohin"), part), "?")
        word = self.zipf((("why", "warum"), ("when", "wann")))
        if word[0] == "when":
            parts = tuple(part for part in clause.parts if part not in times)
            tense = "past" if clause.tense in ("perfect", "past progressive") else clause.tense
            clause = replace(clause, parts=parts, tense="future" if tense == "progressive" else tense)
        return sentence(clause.question(word), "?")

    def ordered(self) -> Pair:
        """'Open the window, Anna!', öffne das Fenster, Anna!"""
        agreement, called = self.spoken_to()
        verb = self._willing()
        clause = self.clause(subject=syntax.pronoun(agreement), verb=verb, tense="present", adverbials=0.5)
        parts = tuple(part for part in clause.parts if part.english_slot not in ("frequency", "time"))
        english, german = replace(clause, parts=parts).imperative(agreement)
        if self.chance(0.3):
            english, german = f"please {english}", f"bitte {german}"
        return sentence((f"{english}, {called[0]}", f"{german}, {called[1]}"), "!")


def _refer(subject: NounPhrase) -> NounPhrase:
    """The pronoun that goes on about a subject."""
    animate = subject.noun is None or subject.noun.is_a(PERSON)
    agreement = natural(subject)
    if agreement.gender == "n" and animate and not agreement.plural and subject.kind == "noun":
        return syntax.noun_phrase(subject.noun, THE)  # a child: English cannot tell he from she
    return subject if subject.kind == "question" else syntax.pronoun(agreement, animate)


def _with_noun(pronoun: NounPhrase, phrase: NounPhrase) -> NounPhrase:
    """The pronoun, still known to stand for the noun, so that fitting adjectives are said of it."""
    return replace(pronoun, noun=phrase.noun)


def _timeless(clause: Clause) -> Clause:
    keep = tuple(part for part in clause.parts if part.english_slot not in ("time", "frequency"))
    return replace(clause, parts=keep)


def _once(clause: Clause) -> Clause:
    """Without "often" or "always"."""
    return replace(clause, parts=tuple(part for part in clause.parts if part.english_slot != "frequency"))


def _without_places(clause: Clause) -> Clause:
    return replace(clause, parts=tuple(part for part in clause.parts if part.english_slot != "place"))


def _spoken(clause: Clause) -> Clause:
    """In conversation the German past is the perfect: 'Did you sleep?', hast du geschlafen?"""
    plain = clause.modal or clause.verb is TO_BE or clause.verb.english.base == "have"
    return clause if plain or not clause.tense.startswith("past") else replace(clause, tense="perfect")


def _event(clause: Clause) -> bool:
    return clause.tense == "past" and "state" not in clause.verb.flags and clause.verb is not TO_BE


CONJUNCTIONS = {  # English, German, tense of the main clause, tense of the other
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
RULES = {
    Grammar.declarative: 24, Grammar.subordinate: 27, Grammar.reported: 13, Grammar.ignorance: 2,
    Grammar.infinitival: 7, Grammar.contrast: 8, Grammar.passive: 5, Grammar.fond: 3, Grammar.lasting: 3,
    Grammar.copula: 4, Grammar.compared: 2.5, Grammar.profession: 2, Grammar.located: 2, Grammar.existing: 2.5,
    Grammar.raining: 1, Grammar.aged: 1.2, Grammar.priced: 1.5, Grammar.long: 0.8,
    Grammar.asked: 5, Grammar.wondered: 3.5, Grammar.ordered: 3.5,
}  # fmt: skip


def generate(pairs: int, seed: int) -> Iterator[Pair]:
    """`pairs` pairs (English, German) of 3 to 25 words, no English and no German sentence twice.

    The same seed gives the same pairs; a longer corpus begins with the shorter one. Parts of one call are
    therefore disjoint on both sides.
    """
    grammar = Grammar(seed)
    seen: tuple[set[str], set[str]] = (set(), set())
    made = 0
    while made < pairs:
        english, german = grammar.sentence()
        if any(not 3 <= len(text.split()) <= 25 for text in (english, german)):
            continue
        if english in seen[0] or german in seen[1]:
            continue
        seen[0].add(english)
        seen[1].add(german)
        made += 1
        yield english, german
