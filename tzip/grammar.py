"""The embedded corpus: sentences of a synchronous English-German grammar, in English and German at once.

A rule is a method that returns a pair. It draws its words (`language.phrases`), puts them into a clause
(`language.clauses`), and lets the clause say itself in both word orders (`language.syntax`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tzip.language.dialogue import Dialogue
from tzip.language.nominals import Pair
from tzip.language.phrases import NoWord
from tzip.options import option


@dataclass(frozen=True)
class Options:
    """Sizes of the embedded corpus"""

    train: int = option(25000, "training pairs", low=1)
    dev: int = option(500, "development pairs", low=1)
    test: int = option(1000, "test pairs", low=1)
    seed: int = option(1, "seed of the sentences", low=0)


class Grammar(Dialogue):
    """The sentences. `RULES` gives each rule's share."""

    def sentence(self) -> Pair:
        """A sentence of a random rule; a rule for which no word fits makes room for another."""
        while True:
            with contextlib.suppress(NoWord):
                return self.weighted(RULES)(self)


RULES = {
    Grammar.declarative: 24, Grammar.subordinate: 27, Grammar.reported: 13, Grammar.ignorance: 2,
    Grammar.infinitival: 7, Grammar.contrast: 8, Grammar.passive: 5, Grammar.fond: 3, Grammar.lasting: 3,
    Grammar.copula: 4, Grammar.compared: 2.5, Grammar.profession: 2, Grammar.located: 2,
    Grammar.existing: 2.5, Grammar.raining: 1, Grammar.aged: 1.2, Grammar.priced: 1.5, Grammar.long: 0.8,
    Grammar.asked: 5, Grammar.wondered: 3.5, Grammar.ordered: 3.5,
}


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
