"""Statements: one main clause, about deeds, states, places, numbers and the weather."""

from __future__ import annotations

from dataclasses import replace

from tzip.language import nominals, numerals, syntax
from tzip.language.clauses import SCENES, Clauses
from tzip.language.morphology import WERDEN, Agreement, Verb, english_verb, german_verb
from tzip.language.nominals import FEW, MANY, NO, SOME, THE, THIS, A, NounPhrase, Pair
from tzip.language.phrases import KIN
from tzip.language.syntax import TO_BE, Clause, Part, sentence

BECOME = Verb(english_verb("become/became/become"), WERDEN)
COST = Verb(english_verb("cost/cost/cost"), german_verb("kosten"))
LAST = Verb(english_verb("last"), german_verb("dauern"))
RAIN = Verb(english_verb("rain"), german_verb("regnen"))
SNOW = Verb(english_verb("snow"), german_verb("schneien"))
EXIST = Verb(syntax.BE, german_verb("geben,gibt,gab,gegeben"))
ITSELF = nominals.pronoun(Agreement(gender="n"))
DESCRIBED = frozenset(
    [
        "thing",
        "vehicle",
        "animal",
        "building",
        "room",
        "outdoors",
        "person",
        "event",
        "abstract",
        "edible",
        "drink",
    ]
)
SOLD = frozenset(["thing", "vehicle", "edible"])
HOUSED = frozenset(["furniture", "vessel", "device", "animal"])
NO_PART = ("time", "frequency", "manner")
SINCE = (("Monday", "Montag"), ("yesterday", "gestern"), ("last year", "letztem Jahr"), ("1998", "1998"),
         ("this morning", "heute Morgen"), ("last week", "letzter Woche"))  # fmt: skip
SKIES = (("cold", "kalt"), ("warm", "warm"), ("hot", "heiß"), ("dark", "dunkel"), ("windy", "windig"),
         ("foggy", "neblig"), ("late", "spät"))  # fmt: skip


class Statements(Clauses):
    """Sentences of one clause."""

    # Main clauses

    def declarative(self) -> Pair:
        """Verb second; now and then an adverbial stands in front, or a relative clause hangs on a noun."""
        clause = self.clause()
        if self.chance(0.35) and self._relatable(clause.subject):
            return sentence(replace(clause, subject=self.relative(clause.subject)).statement())
        if self.chance(0.25):
            return sentence(self._about_its_object().statement())
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

    def _about_its_object(self) -> Clause:
        """With a relative clause on the object, where nothing follows it."""
        clause = self.clause(adverbials=0.3, negation=0.0, simple=True).dropping("manner", "place", "time")
        last = len(clause.parts) == 1 and clause.tense != "perfect" and not clause.verb.german.prefix
        part = clause.parts[0] if last else None
        if part is None or part.phrase is None or not self._relatable(part.phrase):
            return clause
        slot = clause.verb.slots[0]
        text = nominals.prepositional(slot.english, slot.german, slot.case, self.relative(part.phrase))
        return replace(clause, parts=(replace(part, english=text[0], german=text[1]),))

    def passive(self) -> Pair:
        """'The house was built by the architect': wurde ... gebaut, ist ... gebaut worden."""
        verbs = [verb for verb in self.groups["acc"] if "passive" in verb.flags and not verb.slots[0].english]
        verb = self.zipf(verbs)
        subject = self.thing(verb.slots[0].tags, topic=True)
        tense = self.weighted({"past": 6, "modal": 2, "perfect": 2, "future": 1})
        modal = None
        if tense == "modal":
            tense, modal = ("past", None) if "state" in verb.flags else ("present", syntax.HAVE_TO)
        negated = "nicht" if subject.known and self.chance(0.08) else ""
        clause = Clause(subject, verb, tense, (), modal, negated, passive=True)
        if self.chance(0.45):
            agent = self.person() if "person" in verb.subject else self.thing(verb.subject)
            clause = clause.adding(
                Part(*nominals.prepositional("by", "von", "dat", agent), "manner", "manner")
            )
        if tense in ("past", "future") and self.chance(0.5):
            clause = clause.adding(Part(*self.time(tense), "time", "time"))
        return sentence(self.fronted(clause))

    def fond(self) -> Pair:
        """'likes to read', liest gern; 'prefers to read', liest lieber."""
        clause = self.clause(flag="fun", tense="present", negation=0.0, adverbials=0.6).dropping(*NO_PART)
        modal, german = self.zipf(((syntax.LIKE, "gern"), (syntax.PREFER, "lieber")))
        no = "nicht" if modal is syntax.LIKE and clause.subject.known and self.chance(0.1) else ""
        english = replace(clause, modal=modal, negated=no).english()
        return sentence(
            (english, clause.adding(Part("", nominals.join(no, german), "", "frequency")).german())
        )

    def lasting(self) -> Pair:
        """English perfect, German present: 'has lived here for three years', wohnt seit drei Jahren hier."""
        clause = self.clause(flag="since", tense="present", negation=0.0, adverbials=0.4).dropping(*NO_PART)
        tense = "perfect since" if "state" in clause.verb.flags else "perfect progressive"
        if self.chance(0.7):
            english, german = self.duration("dat")
            since = Part(f"for {english}", f"seit {german}", "time", "time")
        else:
            english, german = self.zipf(SINCE)
            since = Part(f"since {english}", f"seit {german}", "time", "time")
        return sentence(self.fronted(replace(clause, tense=tense).adding(since)))

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
        text = nominals.join(degree[0], word.english[0]), nominals.join(degree[1], word.german[0])
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
            clause = clause.adding(Part("yesterday", "gestern", "time", "time"))
        return sentence(self.fronted(clause))

    def compared(self) -> Pair:
        """'is bigger than', ist größer als; 'is as big as', ist so groß wie."""
        kind = frozenset(
            [self.random.choice(("person", "room", "building", "vehicle", "animal", "wear", "text"))]
        )
        first, second = (self.thing(kind, plural=0, plain=True, determiner=self.known()) for _ in range(2))
        word = self.adjective(first.noun)
        fits = word and "fixed" not in word.tags and second.noun.is_a(word.tags)
        if not fits or first.noun.english == second.noun.english:
            return self.compared()
        if self.chance(0.7):
            pattern, degree, negated = ("{} than {}", "{} als {}"), 1, ""
        else:
            pattern, degree, negated = ("as {} as {}", "so {} wie {}"), 0, "nicht" if self.chance(0.3) else ""
        english = pattern[0].format(word.english[degree], second.english)
        german = pattern[1].format(word.german[degree], second.german_case("nom"))
        part = Part(english, german, "complement", "complement")
        tense = self.zipf(("present", "past"))
        return sentence(Clause(first, TO_BE, tense, (part,), None, negated).statement())

    def profession(self) -> Pair:
        """'is a doctor', ist Arzt; 'is a good doctor', ist ein guter Arzt."""
        gender = self.weighted({"m": 7, "f": 3})
        kin = [noun for noun in self.nouns_of(KIN) if noun.gender == gender]
        jobs = [noun for noun in self.nouns_of(frozenset(["job"])) if noun.gender == gender]
        someone = nominals.name(*self.zipf(self.words.names["woman" if gender == "f" else "man"]), gender)
        mine = nominals.noun_phrase(self.zipf(kin), self.possessive(None))
        subject = self.zipf((nominals.pronoun(Agreement(gender=gender)), someone, mine))
        noun = self.zipf(jobs)
        noun = self.compound(noun) if noun.modifiers and self.chance(0.4) else noun
        traits = [word for word in self.words.adjectives if "trait" in word.tags]
        traits = (self.zipf(traits),) if self.chance(0.35) else ()
        phrase = nominals.noun_phrase(noun, A, traits)
        german = phrase.german_case("nom") if traits else noun.german
        part = Part(phrase.english, german, "complement", "complement")
        if self.chance(0.25):
            modal = self.zipf((syntax.WANT, syntax.WOULD_LIKE))
            return sentence(Clause(subject, BECOME, "present", (part,), modal).statement())
        verb = self.weighted({TO_BE: 5, BECOME: 1})
        tense = "past" if verb is BECOME or self.chance(0.3) else "present"
        return sentence(Clause(subject, verb, tense, (part,)).statement())

    def located(self) -> Pair:
        """'The key is in the kitchen', der Schlüssel ist in der Küche."""
        if self.chance(0.5):
            subject, where = self.thing(frozenset(["small", "lying", "pet"])), self.place(frozenset(["room"]))
        else:
            subject = self.person(0.3)
            where = self.place(SCENES) if self.chance(0.8) else self.city("at")
        tense = self.zipf(("present", "past"))
        negated = "nicht" if subject.known and self.chance(0.15) else ""
        clause = Clause(subject, TO_BE, tense, (Part(*where, "complement", "complement"),), None, negated)
        if tense == "past" and self.chance(0.4):
            clause = clause.adding(Part(*self.time("past"), "time", "time"))
        return sentence(self.fronted(clause))

    def existing(self) -> Pair:
        """'There is a church in the village', es gibt im Dorf eine Kirche."""
        if self.chance(0.6):
            tags, where = frozenset(["building"]), self.place(frozenset(["settled"]))
            where = self.city("at") if self.chance(0.4) else where
        else:
            tags, where = HOUSED, self.place(frozenset(["room"]))
        many = self.chance(0.35)
        count = nominals.number(*numerals.words(2 + self.random.randrange(20)))
        choices = {MANY: 2, SOME: 1, FEW: 0.6, NO: 1, count: 3} if many else {A: 5, NO: 1}
        phrase = self.thing(tags, plural=float(many), determiner=self.weighted(choices))
        agreement = Agreement(3, phrase.agreement.plural, "n")
        place = Part(*where, "place", "place")
        what = Part(phrase.english, phrase.german_case("acc"), "object", "new")
        english = Clause(
            replace(ITSELF, english="there", agreement=agreement), EXIST, "present", (what, place)
        )
        tense = self.weighted({"present": 3, "past": 1})
        english = replace(english, tense=tense)
        german = replace(english, subject=ITSELF)
        front = place if self.chance(0.3) else None
        return sentence((english.statement(front)[0], german.statement(front)[1]))

    def weather(self) -> Clause:
        if self.chance(0.5):
            verb = self.zipf((RAIN, SNOW))
            return Clause(ITSELF, verb, self.weighted({"past": 3, "progressive": 3, "past progressive": 2}))
        sky, very = self.zipf(SKIES), self.zipf((("", ""), ("very", "sehr"), ("too", "zu")))
        text = (nominals.join(*words) for words in zip(very, sky, strict=True))
        part = Part(*text, "complement", "complement")
        return Clause(ITSELF, TO_BE, self.zipf(("past", "present")), (part,))

    def raining(self) -> Pair:
        clause = self.weather()
        if self.chance(0.6):
            time = self.time(clause.tense.replace("present", "progressive"))
            clause = clause.adding(Part(*time, "time", "time"))
        if self.chance(0.5):
            clause = clause.adding(Part(*self.zipf((self.city, self._settled))("at"), "place", "place"))
        return sentence(self.fronted(clause))

    def _settled(self, direction: str) -> Pair:
        return self.place(frozenset(["settled", "mountain", "coast", "forest"]), direction)

    # Numbers

    def aged(self) -> Pair:
        """'is twenty-one years old', ist einundzwanzig Jahre alt."""
        n = 2 + self.random.randrange(88)
        english, german = numerals.words(n) if self.chance(0.6) else numerals.digits(n)
        part = Part(f"{english} years old", f"{german} Jahre alt", "complement", "complement")
        subject = self.person(0.5, topic=True)
        if self.chance(0.3):
            subject = self.thing(frozenset(["pet", "building"]), plural=0, plain=True, topic=True)
        if not subject.known:
            return self.aged()
        if self.chance(0.2):
            verb = replace(BECOME, english=syntax.BE)
            tomorrow = Part("tomorrow", "morgen", "time", "time")
            return sentence(Clause(subject, verb, "future", (part, tomorrow)).statement())
        return sentence(Clause(subject, TO_BE, self.zipf(("present", "past")), (part,)).statement())

    def priced(self) -> Pair:
        """'costs 3,500 euros', kostet 3.500 Euro."""
        subject = self.thing(SOLD, determiner=self.zipf((THE, THIS)))
        if subject.noun.mass:
            return self.priced()
        n = int(self.random.lognormvariate(4, 1.5)) + 2
        spelled = n < 1000 and (n % 100 == 0 or (n < 100 and self.chance(0.6)))
        english, german = numerals.words(n) if spelled else numerals.digits(n)
        part = Part(f"{english} euros", f"{german} Euro", "object", "complement")
        return sentence(Clause(subject, COST, self.zipf(("present", "past")), (part,)).statement())

    def long(self) -> Pair:
        """'lasts three hours', dauert drei Stunden."""
        subject = self.thing(frozenset(["planned", "show"]), plural=0.1, determiner=self.zipf((THE, THIS)))
        units = self.nouns_of(frozenset(["period"] if subject.noun.is_a(["weeks"]) else ["span"]))
        noun = self.zipf(units)
        count = 2 + self.random.randrange(58 if noun.english == "minute" else 8)
        phrase = nominals.noun_phrase(noun, nominals.number(*numerals.words(count)), plural=True)
        part = Part(phrase.english, phrase.german_case("acc"), "object", "complement")
        return sentence(Clause(subject, LAST, self.zipf(("past", "present")), (part,)).statement())


def _event(clause: Clause) -> bool:
    return clause.tense == "past" and "state" not in clause.verb.flags and clause.verb is not TO_BE
