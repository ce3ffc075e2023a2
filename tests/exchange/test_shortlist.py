"""The target shortlist: a lexicon by hand, what it allows, and CTranslate2's file of it."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.test_lists import ONE, SPECIAL
from tests.exchange.test_exporting import SIZE, SOURCES, compare, exported, untrained
from tests.toys.data import toy_pairs
from tzip.data.lists import Lists, pack
from tzip.data.pieces import Pieces
from tzip.exchange import inference, shortlist
from tzip.exchange.shortlist import NULL, Options, Shortlist

HAUS, BUCH, DAS, EIN = 10, 11, 12, 13
HOUSE, BOOK, THE, A = 20, 21, 22, 23
PAIRS = [([DAS, HAUS], [THE, HOUSE]), ([DAS, BUCH], [THE, BOOK]), ([EIN, BUCH], [A, BOOK])]


def spelled(*words: str) -> Pieces:
    return Pieces(pack(Lists(ONE, b"", (*SPECIAL, *words))))


def numbers(count: int) -> Pieces:
    """A vocabulary of `count` pieces."""
    return spelled(*map(str, range(4, count)))


def table(found: shortlist.Lexicon) -> dict[tuple[int, int], float]:
    keys = zip(found.source.tolist(), found.target.tolist(), strict=True)
    return dict(zip(keys, found.probability.tolist(), strict=True))


def by_hand(pairs: list[tuple[list[int], list[int]]], iterations: int) -> dict[tuple[int, int], float]:
    """IBM model 1 as the textbook writes it, with dictionaries."""
    pairs = [([*source, NULL], target) for source, target in pairs]
    chance = {(s, t): 1.0 for source, target in pairs for s in source for t in target}
    for _ in range(iterations):
        counts = dict.fromkeys(chance, 0.0)
        for source, target in pairs:
            for t in target:
                total = sum(chance[s, t] for s in source)
                for s in source:
                    counts[s, t] += chance[s, t] / total
        sums = {s: sum(count for (other, _), count in counts.items() if other == s) for s, _ in counts}
        chance = {(s, t): count / sums[s] for (s, t), count in counts.items()}
    return chance


@pytest.mark.parametrize("iterations", [1, 2, 10])
def test_the_lexicon_is_that_of_the_textbook(tmp_path: Path, iterations: int) -> None:
    repeated = [*PAIRS, ([HAUS, HAUS, NULL + 5], [HOUSE, HOUSE]), ([], [THE])]
    data = toy_pairs(tmp_path / "toy", repeated)
    found = table(shortlist.lexicon(data, np.arange(len(data)), 30, iterations))
    expected = by_hand(repeated, iterations)
    assert found.keys() == expected.keys()
    assert [found[key] for key in expected] == pytest.approx(list(expected.values()))


def test_translations_that_occur_apart_are_told_apart(tmp_path: Path) -> None:
    data = toy_pairs(tmp_path / "toy", PAIRS)
    found = table(shortlist.lexicon(data, np.arange(3), 30, 20))
    assert found[HAUS, HOUSE] > 0.9
    assert found[BUCH, BOOK] > 0.9
    assert found[DAS, THE] > found[DAS, HOUSE]
    for source in (NULL, HAUS, BUCH, DAS, EIN):
        assert sum(chance for (s, _), chance in found.items() if s == source) == pytest.approx(1)


def test_a_source_piece_allows_its_best_and_itself(tmp_path: Path) -> None:
    data = toy_pairs(tmp_path / "toy", PAIRS)
    made = shortlist.of(data, numbers(30), Options(candidates=1, frequent=2, iterations=20))
    assert made.of[HAUS] == (HAUS, HOUSE)
    assert made.of[BUCH] == (BUCH, BOOK)
    assert made.of[5] == (5,)  # never seen
    assert set(made.of) == set(range(4, 30))
    assert made.always == (BOOK, THE)  # twice each
    everything = shortlist.of(data, numbers(30), Options(candidates=30, frequent=30))
    assert set(everything.of[DAS]) == {DAS, THE, HOUSE, BOOK}
    assert set(everything.always) == {HOUSE, BOOK, THE, A}


def test_large_corpora_are_sampled_evenly() -> None:
    assert shortlist.sample(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert shortlist.sample(10, 4).tolist() == [0, 2, 5, 7]
    assert len(set(shortlist.sample(10**6, 777).tolist())) == 777


def test_pieces_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    data = toy_pairs(tmp_path / "toy", PAIRS)
    with pytest.raises(ValueError, match="3 pairs with pieces up to 23, but the vocabulary has 23"):
        shortlist.of(data, numbers(23))


def test_the_file_is_tab_separated_and_leaves_out_what_it_cannot_say(tmp_path: Path) -> None:
    words = ["▁a", "b\tc", "\n", "\N{NO-BREAK SPACE}"]
    made = Shortlist((4, 5), {4: (4, 6, 7), 5: (4,), 7: (7,)})
    shortlist.write(tmp_path / "vmap", made, spelled(*words))
    text = (tmp_path / "vmap").read_text()
    assert text == "\t▁a\n▁a\t▁a \N{NO-BREAK SPACE}\n\N{NO-BREAK SPACE}\t\N{NO-BREAK SPACE}\n"


# ── in an exported folder ────────────────────────────────────────────────────────────────────────


def test_a_shortlist_restricts_what_is_written(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(5)
    made = shortlist.Shortlist((9,), {source: (source, 100 + source) for source in range(4, 20)})
    shortlist.write(tmp_path / "list", made, vocabulary)
    translator = exported(tmp_path / "exported", model, vocabulary, tmp_path / "list")
    written = set()
    for source in SOURCES:
        allowed = {1, 9} | {piece for one in source for piece in made.of[one]}
        for beam in (1, 4):
            found = translator.search([source], inference.Options(beam=beam, shortlist=True))[0][0].pieces
            assert set(found) <= allowed
            written |= set(found)
    assert len(written) > 5
    free = {piece for (one,) in translator.search(SOURCES, inference.Options()) for piece in one.pieces}
    assert not free <= {1, 9, *range(4, 20), *range(104, 120)}
    compare(model, translator, SOURCES, beam=1)  # who does not ask for it does not get it


def test_a_shortlist_of_everything_changes_nothing(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(1)
    shortlist.write(tmp_path / "list", shortlist.Shortlist(tuple(range(4, SIZE)), {}), vocabulary)
    translator = exported(tmp_path / "exported", model, vocabulary, tmp_path / "list")
    compare(model, translator, SOURCES, beam=1, shortlist=True)
    compare(model, translator, SOURCES, beam=5, alpha=0.0, shortlist=True)


def test_a_shortlist_of_another_vocabulary_is_refused(tmp_path: Path, vocabulary: Pieces) -> None:
    (word,) = vocabulary.spell([270])
    for line, piece in [(f"{word}\tnowhere", "nowhere"), (f"nobody\t{word}", "nobody"), ("no map", "no map")]:
        (tmp_path / "list").write_text(f"\t{word}\n{line}\n", encoding="utf-8")
        with pytest.raises(ValueError, match=f"line 2: '{piece}' is not a piece"):
            exported(tmp_path / "exported", untrained(0), vocabulary, tmp_path / "list")
    assert [path.name for path in tmp_path.iterdir()] == ["list"]
