"""The demonstration corpus: sentences of a synchronous English-German grammar.

A rule of `Grammar` draws words and puts them into a `Clause`, which says itself in both languages. "You" is always Sie.
"""

import contextlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tzip.data import language
from tzip.data.language import WORDS, Clause, Noun, Pair, Part, Phrase, Verb, fitting, noun_phrase, sentence
from tzip.options import option

RULES = {"simple": 38, "complex": 30, "reported": 15, "infinitival": 8}
TENSES = {"present": 3, "progressive": 2, "past": 4, "perfect": 2, "future": 1, "modal": 2, "past modal": 1}
THE, A, BARE = ("the", "", "the"), ("a", "ein", "ein"), ("", "", "strong")
IS = next(verb for verb in WORDS["verb"] if verb.english == language.BE)
SIMPLE = {"progressive": "present", "modal": "present", "past progressive": "past", "past modal": "past"}
DOING = [verb for verb in WORDS["verb"] if not verb.flags & {"state", "once", "calm"}]
FREQUENCIES = list(itertools.accumulate(1 / (rank + 15) for rank in range(300)))
PERSON, PLACE = frozenset(["person"]), frozenset(["place"])
PRONOUNS = [Phrase(*word[:2], word.german[4], PERSON) for word in WORDS["pronoun"]]
WHO = Phrase(("who", "who", "his"), ("wer", "wen", "wem", "sein"), "m", PERSON)
IT = PRONOUNS[-1]._replace(tags=frozenset(["weather"]))


@dataclass(frozen=True)
class Options:
    """Sizes of the embedded corpus"""

    train: int = option(25000, "training pairs", low=1)
    dev: int = option(500, "development pairs", low=1)
    test: int = option(1000, "test pairs", low=1)
    seed: int = option(1, "seed of the sentences", low=0)


class Grammar:
    """The sentences of one seed. A rule raises IndexError where no word fits."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def weighted(self, choices: dict):
        return self.random.choices(list(choices), choices.values())[0]

    def word(self, words: list):
        """One of the words, of which common ones come first; IndexError where there is none."""
        return self.random.choices(words, cum_weights=FREQUENCIES[: len(words)])[0]

    def again(self, phrase: Phrase) -> Phrase:
        """The pronoun that goes on about a phrase."""
        if not phrase.noun:
            return phrase
        column = "f" if "girl" in phrase.tags and phrase.column == "n" else phrase.column
        thing = "person" not in phrase.tags or column == "n"
        english = "they" if column == "p" else "it" if thing else {"m": "he", "f": "she"}[column]
        pronouns = {(word.english[0], word.column): word for word in PRONOUNS}
        return pronouns[english, column]._replace(tags=phrase.tags)

    def determiner(self, noun: Noun, plural: bool, kind: str, owner: Phrase) -> tuple[str, str, str]:
        choices = {THE: 5, ("these" if plural else "this", "dies", "der"): 0.5}
        article = A if "p" in noun.forms and not plural else BARE
        if kind == "kein":
            choices[article[0], "kein", "ein"] = 4
        elif not kind and "kin" not in noun.tags:
            (english,), (german,), _ = self.word(WORDS["many"])
            choices |= {article: 4, (english, german, "strong"): 3 * plural}
        if "own" in noun.tags:
            whose = self.word(PRONOUNS[:6]) if owner is IT or self.chance(0.3) else self.again(owner)
            choices[whose.english[2], whose.german[3], "ein"] = 3
        return self.weighted(choices)

    def phrase(self, tags: frozenset[str], kind: str = "", owner: Phrase = IT) -> Phrase:
        """A pronoun or noun, perhaps the owner's. kind: known; place, owner (known and shorter); kein."""
        tag = self.random.choice(sorted(tags))
        if tag == "weather":
            return IT
        if tag == "person" and kind != "owner" and self.chance(0.25):
            taken = {owner.english[0], "I", "we"} if owner.english[0] in ("I", "we") else {owner.english[0]}
            return self.word([phrase for phrase in PRONOUNS[:6] if phrase.english[0] not in taken])
        noun = self.word(fitting("noun", frozenset([tag])))
        column, *plural = noun.forms
        if "name" in noun.tags:
            return noun_phrase(noun, column, BARE, [])
        column = "p" if plural and kind != "place" and self.chance(0.2) else column
        determiner, adjectives = self.determiner(noun, column == "p", kind, owner), []
        if self.chance(0.3):
            adjectives = [self.word(fitting("adjective", noun.tags))]
        elif self.chance(0.15):
            noun = noun.compound(self.word(fitting("compound", noun.tags)))
        if determiner is not THE or kind == "owner" or self.chance(0.85):
            return noun_phrase(noun, column, determiner, adjectives)
        if "own" not in noun.tags:
            return self.relative(noun_phrase(noun, column, THE, adjectives))
        owner = self.phrase(frozenset(["kin", "job"]), "owner")
        return noun_phrase(noun, column, (owner.english[2], "", "the"), adjectives, owner.german[3])

    def relative(self, phrase: Phrase) -> Phrase:
        """The phrase with a relative clause about it."""
        cases = language.ARTICLES[phrase.column].replace("den der", "denen deren").split()
        if self.chance(0.4):
            own, who = self.again(phrase), "who" if "person" in phrase.tags else "that"
            it = own._replace(english=(who, who, own.english[2]), german=(*cases[:3], own.german[3]))
            pair = self.clause(it).subordinate("", "")
        else:
            verb = self.word([verb for verb in WORDS["verb"] if verb.objects & phrase.tags])
            english, german, case, _ = verb.complements[0]
            clause = self.clause(None, verb, first=Part(english, "", "rest"))
            pair = clause.subordinate("that", f"{german} {cases[language.CASES[case]]}")
        english, german = (tuple(f"{form} {pair[side]}" for form in phrase[side]) for side in (0, 1))
        return phrase._replace(english=english, german=german)

    def clause(self, subject=None, verb=None, tense="", negation=0.1, adverbs=0.4, first=None) -> Clause:
        """A clause of random words where none are given. first: the Part that is its first complement."""
        verb = verb or self.word(fitting("verb", subject.tags) if subject else WORDS["verb"])
        subject = subject or self.phrase(verb.tags)
        tense = when = tense or self.weighted(TENSES)
        if verb.flags & {"state", "once"}:
            tense = when = SIMPLE.get(tense, tense)
        negated, modal, gern, theme = subject.known and self.chance(negation), None, False, None
        if when.endswith(("modal", "future")):
            tense = SIMPLE.get(when, "present")
            tag = tense if subject.tags & {"person", "animal"} and when != "future" else "future"
            words = [word for word in WORDS["modal"] if tag in word.flags]
            modal = self.word([word for word in words if ("no" if negated else "yes") in word.flags])
            gern = modal.german.base == "gern"
        parts = [Part(verb.english.particle, "", "particle"), *([first] if first else [])]
        for english, german, case, tags in verb.complements[len(parts) - 1 :]:
            if case == "fit":
                words = [word for word in fitting("adjective", subject.tags) if tags <= word.tags]
                word = self.word([word for word in words if word.english[0] not in subject.english[0]])
                parts.append(Part(word.english[0], word.german[0], "rest"))
                continue
            kind = "kein" if case == "acc" and not german and not gern else "known"
            phrase = self.phrase(tags, "place" if case in ("at", "to") else kind * negated, subject)
            parts.append(language.complement(english, german, case, phrase))
            theme = phrase if case == "acc" and not german and phrase.noun and phrase.known else theme
        if verb.german.reflexive:
            parts.append(Part("", subject.german[1] if subject.english[0] in ("I", "we") else "sich", "itself"))
        if negated:
            parts.append(Part("not", "" if any("kein" in part.german for part in parts) else "nicht", "not"))
        if gern:
            parts.append(Part("", "gern", "gern"))
        elif self.chance(adverbs) and "state" not in verb.flags:
            parts.append(self.adverb(verb, when, negated))
        return Clause(subject, verb, tense, parts, modal, negated, theme)

    def adverb(self, verb: Verb, tense: str, negated: bool) -> Part:
        """Time, frequency, manner, place or the speaker's opinion."""
        kinds = {"time": 4, "often": 2 * (not negated), "sentence": 1, "place": 2 * ("where" in verb.flags)}
        kind = self.weighted(kinds | {"manner": 2 * bool(fitting("manner", verb.flags) and not negated)})
        if kind == "place":
            return language.complement("", "", "at", self.phrase(PLACE, kind))._replace(place=kind)
        (english,), (german,), _ = self.word(fitting(kind, verb.flags | {tense, "any"}))
        front = kind == "sentence" or (kind == "time" and self.chance(0.35))
        return Part(english, german, "front" if front else kind)

    def simple(self) -> Pair:
        """'He is reading.', 'Is he reading?', 'Why is he reading?', 'Who is reading?'"""
        kinds = {(".", "", ""): 30, ("?", "", ""): 4, ("?", "why", "warum"): 2, ("?", "who", ""): 2}
        mark, english, german = self.weighted(kinds)
        clause = self.clause(WHO if english == "who" else None)
        if mark == "." or english == "who":
            return sentence(clause.stated(), mark=mark)
        return sentence((english, german), (clause.english(ask=True), clause.german("first")), mark=mark)

    def complex(self) -> Pair:
        """Two clauses, the second of which goes on about the first."""
        (english,), (german,), tags = self.word(WORDS["conjunction"])
        tense, other = self.random.choice([pair.split("/") for pair in sorted(tags)])
        verb, front, reason = self.word(DOING), self.chance(0.35), other == "reason"
        subject = self.phrase(verb.tags)
        one, two = (self.again(subject), subject) if front else (subject, self.again(subject))
        main = self.clause(one, verb, tense, negation=0.1 * reason, adverbs=0.3 * reason)
        main = main._replace(theme=None) if front else main
        second = self.reason(main, two) if reason else self.event(main, two, other)
        pair = second.subordinate(english, german)
        if front:
            return sentence((f"{pair[0]}, {main.english()}", main.german(first=pair[1])))
        return sentence(main.stated(), pair)

    def event(self, main: Clause, subject: Phrase, tense: str) -> Clause:
        """Something else that the subject does, perhaps with the same thing."""
        verbs = [verb for verb in DOING if verb.tags & subject.tags and verb is not main.verb]
        verbs = [verb for verb in verbs if not verb.flags & main.verb.flags & {"alone"}]
        if not main.theme or self.chance(0.4):
            return self.clause(subject, self.word(verbs), tense, 0, 0)
        before, after = ("first", "last") if tense == "pluperfect" else ("last", "first")
        able = [verb for verb in verbs if verb.objects & main.theme.tags and after not in verb.flags]
        verb = self.word([verb for verb in able if before not in main.verb.flags])
        it = language.complement(*verb.complements[0][:3], self.again(main.theme))
        return self.clause(subject, verb, tense, 0, 0, it)

    def reason(self, main: Clause, subject: Phrase) -> Clause:
        """How the subject, its object or the weather is, or what it can, must or wants to do."""
        if self.chance(0.3):
            return self.event(main, subject, "past modal" if main.tense == "past" else "modal")
        theme = self.again(main.theme) if main.theme else subject
        return self.clause(self.random.choice([subject, theme, theme, IT]), IS, main.tense, adverbs=0)

    def reported(self) -> Pair:
        """'says that ...', sagt, dass ...; 'asks whether ...', fragt, ob ..."""
        links = [("that", "dass"), ("that", "dass"), ("whether", "ob"), ("why", "warum")]
        link, tense = self.random.choice(links), self.random.choice(["past", "present"])
        main = self.clause(None, self.word(WORDS["that" if link[0] == "that" else "whether"]), tense, 0, 0)
        inner = self.weighted({"past": 2, "pluperfect": 1} if tense == "past" else TENSES)
        clause = self.clause(self.again(main.subject) if self.chance(0.3) else None, None, inner)
        return sentence(main.stated(), clause.subordinate(*link))

    def infinitival(self) -> Pair:
        """'tries to open the window', versucht, das Fenster zu öffnen; 'in order to', um ... zu."""
        going = [verb for verb in DOING if verb.complements and verb.complements[0][2] == "to"]
        verbs, link = self.random.choice([(going, ("in order to", ", um")), (WORDS["inf"], ("to", ","))])
        main = self.clause(None, self.word(verbs), "", 0, 0)
        return sentence(main.stated(), link, self.event(main, main.subject, "present").infinitive())


def generate(pairs: int, seed: int) -> Iterator[Pair]:
    """`pairs` pairs (English, German) of 3 to 25 words, no English and no German sentence twice.

    The same seed gives the same pairs; a longer corpus begins with the shorter one.
    """
    grammar, seen = Grammar(seed), set()
    while pairs:
        with contextlib.suppress(IndexError):
            pair = getattr(grammar, grammar.weighted(RULES))()
            if all(3 <= len(text.split()) <= 25 for text in pair) and not seen.intersection(pair):
                seen.update(pair)
                pairs -= 1
                yield pair
