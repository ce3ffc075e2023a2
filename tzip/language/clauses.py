"""Random clauses: a verb with what it takes, and the adverbials that go with it."""

from __future__ import annotations

from tzip.language import nominals, syntax
from tzip.language.morphology import CASES, Noun, Slot, Verb
from tzip.language.nominals import BARE, THE, NounPhrase, Pair
from tzip.language.phrases import KIN, PERSON, SPEAKERS, USE, NoWord, Phrases, animate
from tzip.language.syntax import ALLOWED, CAN, HAVE_TO, MUST, SHOULD, WANT, WOULD_LIKE, Clause, Modal, Part

TENSES = {
    "present": 6, "progressive": 5, "past": 9, "past progressive": 2, "perfect": 3, "future": 3, "modal": 5,
}  # fmt: skip
STATIVE = {"present": 6, "past": 5, "future": 1}
MODALS = (CAN, MUST, HAVE_TO, WANT, SHOULD, ALLOWED, WOULD_LIKE)
SCENES = frozenset(["room", "outdoors", "public"])
SPOTS = {
    ("on", "auf"): 8, ("under", "unter"): 2, ("next to", "neben"): 2, ("behind", "hinter"): 1,
    ("in front of", "vor"): 1,
}  # fmt: skip
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


class Clauses(Phrases):
    """Rules for clauses: a verb, what it is said of, what it takes and what may be added."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.groups: dict[str, list[Verb]] = {}
        for verb in self.words.verbs:
            self.groups.setdefault(pattern(verb), []).append(verb)

    def subject(self, verb: Verb, pronouns: float = 0.3) -> NounPhrase:
        if "person" in verb.subject and (len(verb.subject) == 1 or self.chance(0.75)):
            return self.person(pronouns, topic=True)
        return self.thing(verb.subject, topic=True)

    # Complements

    def complement(self, slot: Slot, subject: NounPhrase, negated: bool) -> Part:
        """What fills a slot of a verb; a negated verb takes kein or something definite."""
        if slot.case in ("at", "on", "to", "onto", "from", "state"):
            return Part(*self._placed(slot), "complement", "complement")
        if slot.article:
            determiner = BARE if slot.article == "bare" else nominals.TUNE
            plural = 1.0 if determiner is BARE else 0.0
            phrase = self.thing(slot.tags, plural=plural, determiner=determiner, plain=True)
            text = nominals.prepositional(slot.english, slot.german, slot.case, phrase)
            return Part(*text, "complement" if slot.english else "object", "complement", phrase)
        phrase = self.object(slot, subject, negated)
        return place_object(slot, phrase)

    def object(self, slot: Slot, subject: NounPhrase, negated: bool) -> NounPhrase:
        person = slot.tags >= PERSON and (len(slot.tags) == 1 or self.chance(0.5))
        if person and self.chance(0.3):
            others = [other for other in SPEAKERS if other.person != subject.agreement.person]
            return nominals.pronoun(self.zipf(others))
        if person and not negated:
            return self.person(owner=subject)
        if negated:
            direct = slot.case == "acc" and not slot.german and not person
            options = {THE: 3, self.possessive(subject): 1} | ({nominals.NOT_A: 3} if direct else {})
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
        phrase = self.thing(tags, plural=0, determiner=self.weighted({THE: 6, nominals.A: 1.5}))
        noun = phrase.noun
        if slot.case == "from":
            inside = noun.at.german == "in"
            return nominals.prepositional("from", "aus" if inside else "von", "dat", phrase)
        if noun.is_a(["place"]):
            return nominals.prepositional(noun.at.english, noun.at.german, noun.at.case, phrase)
        english, german = ("in", "in")
        if not noun.is_a(["inside"]):
            english, german = self.weighted(SPOTS)
        return nominals.prepositional(english, german, "acc" if slot.case == "onto" else "dat", phrase)

    # Clauses

    def verb(
        self,
        subject: NounPhrase | None = None,
        theme: NounPhrase | None = None,
        flag: str = "",
        event: bool = False,
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
        raise NoWord("no verb fits")

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
        if not animate(subject):
            modal = None
        negated = not simple and subject.known and chosen != "pluperfect" and self.chance(negation)
        parts = self.parts(verb, subject, theme, negated) if fill else ()
        if modal is syntax.MUST and negated:
            modal = syntax.MUST_NOT
        word = "kein" if any(_says_no(part) for part in parts) else "nicht"
        clause = Clause(subject, verb, chosen, parts, modal, word if negated else "")
        return self.with_adverbials(clause, adverbials)

    def parts(
        self, verb: Verb, subject: NounPhrase, theme: NounPhrase | None, negated: bool
    ) -> tuple[Part, ...]:
        parts = []
        for slot in verb.slots:
            if theme is not None and slot.case == "acc" and not slot.german:
                it = nominals.pronoun(theme.agreement, animate(theme))
                parts.append(place_object(slot, it))
            else:
                parts.append(self.complement(slot, subject, negated))
        pronouns = [part for part in parts if part.german_slot == "pronoun"]
        if len(pronouns) > 1:  # two pronouns in one field have an order of their own
            return self.parts(verb, subject, theme, negated)
        return tuple(parts)

    def with_adverbials(self, clause: Clause, amount: float) -> Clause:
        """With what the verb's flags and the tense allow, `amount` times as often as usual."""
        circumstance = self._circumstance(clause, amount)
        if circumstance:
            clause = clause.adding(circumstance)
        if clause.modal:
            return clause
        eventful = "state" not in clause.verb.flags
        use = USE.get(clause.tense, "perfect")
        often = [word for word in self.words.adverbs["frequency"] if use in word.tags]
        countable = eventful and not clause.negated and "progressive" not in clause.tense
        if often and countable and self.chance(0.17 * amount):
            word = self.zipf(often)
            return clause.adding(Part(word.english, word.german, "frequency", "frequency"))
        datable = eventful and clause.tense in USE and not (clause.negated and use == "habit")
        if datable and self.chance(0.6 * amount):
            return clause.adding(Part(*self.time(clause.tense), "time", "time"))
        if clause.tense in USE and self.chance(0.03 * amount):
            return clause.adding(Part(*self.cause(), "time", "time"))
        return clause

    def _circumstance(self, clause: Clause, amount: float) -> Part | None:
        """How, with whom or where something is done."""
        flags = clause.verb.flags
        manners = [word for word in self.words.adverbs["manner"] if flags & word.tags]
        if manners and self.chance(0.2 * amount):
            word = self.zipf([word for word in manners if not clause.modal or word.english != "badly"])
            return Part(word.english, word.german, "manner", "manner")
        alone = all(slot.german != "mit" for slot in clause.verb.slots)
        if alone and "fun" in flags and self.chance(0.1 * amount):
            friend = self.thing(KIN, owner=clause.subject, plural=0, plain=True)
            return Part(*nominals.prepositional("with", "mit", "dat", friend), "manner", "manner")
        if "where" in flags and not clause.modal and self.chance(0.25 * amount):
            word = self.zipf(self.words.adverbs["place"])
            kind = self.weighted({"here": 3, "place": 5, "city": 1.5})
            pair = (word.english, word.german)
            if kind != "here":
                pair = self.city("at") if kind == "city" else self.place(SCENES)
            return Part(*pair, "place", "place")
        return None

    # Relative clauses

    def relative(self, phrase: NounPhrase) -> NounPhrase:
        """With a clause about it: 'the book that the teacher is reading', das Buch, das der Lehrer liest."""
        noun, agreement = phrase.noun, phrase.agreement
        forms = tuple(nominals.ARTICLE[case][agreement.column] for case in CASES)
        if agreement.plural:
            forms = (*forms[:2], "denen", forms[3])
        objects = [verb for verb in self.groups["acc"] if _takes(verb, noun)]
        kind = self.weighted({"subject": 5, "object": 5 * bool(objects), "dative": 1.5, "place": 4})
        if kind == "object":
            clause = self.clause(verb=self.zipf(objects), simple=True, fill=False, pronouns=0.5)
            english, german = clause.subordinate("that", forms[1])
        elif kind == "dative" and noun.is_a(PERSON):
            helping = [verb for verb in self.groups["dat"] if _personal(verb) and not verb.slots[0].english]
            clause = self.clause(verb=self.zipf(helping), simple=True, fill=False, pronouns=0.6)
            english, german = clause.subordinate("that", forms[2])
        elif kind == "place" and noun.is_a(["place"]):
            staying = [verb for verb in self.words.verbs if _stays(verb)]
            clause = self.clause(verb=self.zipf(staying), simple=True, fill=False, pronouns=0.5, adverbials=0)
            english, german = clause.subordinate(f"{noun.at.english} which", f"{noun.at.german} {forms[2]}")
        else:
            who = "who" if noun.is_a(PERSON) else "that"
            subject = NounPhrase(who, forms, agreement, noun, kind="pronoun")
            clause = self.clause(subject=subject, simple=True, adverbials=0.5)
            english, german = clause.subordinate("", "")
        return phrase.extend(f" {english}", f", {german},", heavy=True)


def place_object(slot: Slot, phrase: NounPhrase) -> Part:
    """An object as a part: pronouns early, definite things before adverbs, new things after them."""
    text = nominals.prepositional(slot.english, slot.german, slot.case, phrase)
    english = "complement" if slot.english else "indirect" if slot.case == "dat" else "object"
    if phrase.kind == "pronoun" and english == "object":
        english = "object pronoun"
    if slot.german:
        return Part(*text, english, "complement", phrase)
    if phrase.kind == "pronoun":
        return Part(*text, english, "pronoun", phrase)
    if slot.case == "dat":
        return Part(*text, english, "dative", phrase)
    return Part(*text, english, "known" if phrase.known else "new", phrase)


def _personal(verb: Verb) -> bool:
    return "person" in verb.subject


def _can(subject: NounPhrase, verb: Verb) -> bool:
    """Whether the verb takes this subject; pronouns and names are persons."""
    return subject.noun.is_a(verb.subject) if subject.noun else "person" in verb.subject


def _takes(verb: Verb, noun: Noun) -> bool:
    """Whether the verb takes the noun as its direct object, in both languages."""
    return any(slot.case == "acc" and not slot.german and not slot.english and not slot.article
               and noun.is_a(slot.tags) for slot in verb.slots)  # fmt: skip


def _stays(verb: Verb) -> bool:
    """Whether it is done at a place and needs nothing but one."""
    cases = [slot.case for slot in verb.slots]
    return _personal(verb) and (cases == ["at"] or (not cases and "where" in verb.flags))


def _says_no(part: Part) -> bool:
    return part.phrase is not None and part.phrase.article is nominals.NOT_A
