"""A target shortlist: which pieces a translation may be made of, by a lexicon of the training text."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tzip import files
from tzip.data.pieces import END, PAD, Encoded, Pieces
from tzip.options import option

NULL = PAD  # the source piece that every sentence has, for target pieces that translate nothing
SEPARATORS = frozenset(" \t\n\r")  # of the file; a piece that has one cannot be in it


@dataclass(frozen=True)
class Options:
    """A target shortlist from a lexicon of the training text."""

    candidates: int = option(20, "most probable target pieces of each source piece", low=1)
    frequent: int = option(50, "most frequent target pieces, which are always allowed", low=0)
    iterations: int = option(5, "iterations of expectation maximization", low=1)
    pairs: int = option(100000, "training pairs to learn from, evenly spaced where there are more", low=1)


@dataclass(frozen=True)
class Shortlist:
    """always: target pieces that are allowed everywhere; of[source piece]: those that it allows."""

    always: tuple[int, ...]
    of: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Lexicon:
    """Probabilities p(target | source) of the pairs of pieces that occur together; NULL is a source too.

    source, target  int64 [L], sorted by source, then target
    probability     float64 [L]; of each source they sum to 1
    """

    source: np.ndarray
    target: np.ndarray
    probability: np.ndarray


def of(data: Encoded, pieces: Pieces, options: Options = Options()) -> Shortlist:
    """The shortlist of a corpus that `pieces` has encoded.

    A source piece allows its `candidates` most probable target pieces and itself, for names are copied.
    """
    copies, vocabulary = pieces.copies(), max(len(pieces), pieces.targets)
    highest = int(data.tokens.max(initial=0))
    if len(data) == 0 or highest >= vocabulary:
        raise ValueError(f"{len(data)} pairs with pieces up to {highest}, but the vocabulary has {vocabulary}")
    rows = sample(len(data), options.pairs)
    learned = lexicon(data, rows, vocabulary, options.iterations)
    order = np.lexsort((learned.target, -learned.probability, learned.source))
    source, target = learned.source[order], learned.target[order]
    begins = np.searchsorted(source, np.arange(vocabulary + 1))
    allowed = {}
    for piece in range(END + 1, len(pieces)):
        own = [] if copies[piece] is None else [copies[piece]]
        best = target[begins[piece] : begins[piece + 1]][: options.candidates].tolist()
        allowed[piece] = tuple(dict.fromkeys([*own, *best]))
    counts = np.zeros(vocabulary, np.int64)
    for row in rows.tolist():
        np.add.at(counts, data.pair(row)[1], 1)
    frequent = np.lexsort((np.arange(vocabulary), -counts))[: options.frequent]
    return Shortlist(tuple(frequent[counts[frequent] > 0].tolist()), allowed)


def sample(pairs: int, most: int) -> np.ndarray:
    """At most `most` rows, evenly spaced."""
    return np.arange(pairs) if pairs <= most else np.arange(most) * pairs // most


def lexicon(data: Encoded, rows: np.ndarray, vocabulary: int, iterations: int) -> Lexicon:
    """IBM model 1 (Brown et al. 1993, section 4.1) of the pairs `rows`, by expectation maximization.

    Starts where every target piece is as likely; sums in the order of the corpus, so the same everywhere.
    """
    keys, positions = links(data, rows, vocabulary)
    kinds, link = np.unique(keys, return_inverse=True)
    source, target = np.divmod(kinds, vocabulary)
    probability = np.full(len(kinds), 1.0)
    for _ in range(iterations):
        share = probability[link]
        share /= np.bincount(positions, weights=share)[positions]  # of the sources of one target position
        counts = np.bincount(link, weights=share, minlength=len(kinds))
        probability = counts / np.bincount(source, weights=counts)[source]
    return Lexicon(source, target, probability)


def links(data: Encoded, rows: np.ndarray, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a source piece (or NULL) and a target piece of one sentence pair.

    Returns source × vocabulary + target, int64, and the number of the target position in the corpus, int64.
    """
    keys, positions, position = [], [], 0
    for row in rows.tolist():
        source, target = (np.asarray(side, np.int64) for side in data.pair(row))
        keys.append(np.add.outer(target, np.append(source, NULL) * vocabulary).ravel())
        positions.append(np.repeat(np.arange(position, position + len(target)), len(source) + 1))
        position += len(target)
    return np.concatenate(keys), np.concatenate(positions)


def write(path: str | Path, shortlist: Shortlist, pieces: Pieces) -> None:
    """CTranslate2's vocabulary map: per line SOURCE PIECE, TAB, target pieces; without a source piece, `always`.

    CTranslate2 adds the special pieces, and allows a batch what any of its sentences allows.
    """
    sources = pieces.spell(range(len(pieces)))
    spelled = pieces.spell(range(pieces.targets), target=True)

    def line(word: str, targets: tuple[int, ...]) -> str:
        return f"{word}\t{' '.join(spelled[target] for target in targets if usable(spelled[target]))}\n"

    lines = [line("", shortlist.always)]
    lines += [line(sources[i], targets) for i, targets in shortlist.of.items() if usable(sources[i])]
    files.write_text(path, "".join(lines))


def usable(word: str) -> bool:
    """Whether the file can hold this piece."""
    return not SEPARATORS & set(word)
