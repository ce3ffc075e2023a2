from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tzip.grammar import RULES, Grammar, generate
from tzip.language import lexicon, morphology, nominals
from tzip.language.clauses import Clauses
from tzip.language.lexicon import load
from tzip.language.nominals import THE
from tzip.language.phrases import NoWord

ROOT = Path(__file__).parents[1]
WORDS = load()


@pytest.fixture(scope="module")
def corpus() -> list[tuple[str, str]]:
    return list(generate(6000, 7))


# The corpus -------------------------------------------------------------------------------------------------


def test_same_seed_same_pairs_and_another_seed_others(corpus):
    assert list(generate(500, 7)) == corpus[:500]
    assert len(set(generate(500, 8)) & set(corpus)) < 100


def test_no_sentence_occurs_twice_on_either_side(corpus):
    for side in zip(*corpus, strict=True):
        assert len(set(side)) == len(corpus)


def test_lengths(corpus):
    lengths = [[len(text.split()) for text in pair] for pair in corpus]
    assert all(3 <= n <= 25 for pair in lengths for n in pair)
    means = [sum(side) / len(side) for side in zip(*lengths, strict=True)]
    assert all(8 < mean < 12 for mean in means)


def test_hash_seed_does_not_matter():
    code = "from tzip.grammar import generate; print(list(generate(100, 3)))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": n}
        )
        for n in ("1", "2")
    ]
    assert hashlib.sha256(runs[0].stdout).digest() == hashlib.sha256(runs[1].stdout).digest()


def test_every_sentence_is_written_as_a_sentence(corpus):
    for text in itertools.chain(*corpus):
        assert re.fullmatch(r"[A-ZÄÖÜ].*[.?!]", text), text
        assert not re.search(r"  | [,.?!]|,[^ ]|,,|None|[{}<>_|/=]", re.sub(r"\d,\d", "", text)), text


def test_rare_words_exist_and_nearly_every_noun_occurs(corpus):
    english = " ".join(pair[0] for pair in corpus).lower()
    counts = Counter(re.findall(r"[a-z-]+", english))
    nouns = [noun for noun in WORDS.nouns if " " not in noun.english]
    seen = [counts[noun.english.lower()] + counts[noun.english_plural.lower()] for noun in nouns]
    assert sum(n > 0 for n in seen) > 0.95 * len(seen)
    assert max(seen) > 50 * sorted(seen)[len(seen) // 10]


def test_script_writes_disjoint_splits_and_keeps_the_test_set(tmp_path):
    def run(*arguments: str) -> dict[str, list[str]]:
        command = [sys.executable, "workflow_scripts/generate.py", "--output", str(tmp_path), *arguments]
        subprocess.run(command, check=True, cwd=ROOT)
        return {path.name: path.read_text(encoding="utf-8").splitlines() for path in tmp_path.iterdir()}

    small = run("--train", "200", "--dev", "50", "--test", "60", "--seed", "5")
    large = run("--train", "400", "--dev", "50", "--test", "60", "--seed", "5")
    assert {name: len(lines) for name, lines in large.items()} == {
        "train.en": 400, "train.de": 400, "dev.en": 50, "dev.de": 50, "test.en": 60, "test.de": 60,
    }  # fmt: skip
    assert small["test.en"] == large["test.en"]
    assert small["train.de"] == large["train.de"][:200]
    for side in ("en", "de"):
        splits = [set(large[f"{name}.{side}"]) for name in ("train", "dev", "test")]
        assert not any(one & two for one, two in itertools.combinations(splits, 2))


def test_script_refuses_a_wrong_size_in_one_line(tmp_path):
    command = [sys.executable, "workflow_scripts/generate.py", "--output", str(tmp_path), "--train", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: corpus: train = '0' is not an integer at least 1\n"
    assert not list(tmp_path.iterdir())


# The word list ----------------------------------------------------------------------------------------------


def test_a_few_hundred_lemmas_an_open_class():
    assert len(WORDS.nouns) >= 250
    assert len({v.german.joined for v in WORDS.verbs}) >= 150
    assert len(WORDS.adjectives) >= 100
    assert sum(map(len, WORDS.adverbs.values())) >= 40


def test_every_tag_that_is_asked_for_is_borne_by_a_noun():
    tags = frozenset().union(*(noun.tags for noun in WORDS.nouns)) | {"city"}
    for verb in WORDS.verbs:
        assert verb.subject <= tags, verb
        for slot in verb.slots:
            assert slot.tags <= tags, (verb, slot)
    for word in WORDS.adjectives:
        assert word.tags <= tags | {"trait", "state", "colour", "fixed"}, word


def test_no_noun_is_listed_twice_in_one_sense():
    assert max(Counter((noun.english, noun.german) for noun in WORDS.nouns).values()) == 1


# Word order -------------------------------------------------------------------------------------------------

FINITE = {
    form
    for verb in (
        *(v.german for v in WORDS.verbs),
        morphology.SEIN,
        morphology.HABEN,
        morphology.WERDEN,
        morphology.WISSEN,
    )
    for form in (*verb.present, *verb.past)
} | {form for modal in morphology.MODALS.values() for form in (*modal.present, *modal.past)}
FINITE |= {"regnet", "regnete", "schneit", "schneite", "kostet", "kostete", "dauert", "dauerte"}
FINITE |= {v.german.prefix + form for v in WORDS.verbs for form in (*v.german.present, *v.german.past)}


def test_generated_subordinate_clauses_end_in_their_verb(corpus):
    final = re.compile(
        r"(?:^|, )(?:dass|weil|obwohl|ob|bevor|nachdem) ((?:\d\.(?= )|[^,.?!])+)", re.IGNORECASE
    )
    clauses = [clause.split() for _, german in corpus for clause in final.findall(german)]
    assert len(clauses) > 500
    for words in clauses:
        assert words[-1] in FINITE, words


def test_generated_main_clauses_after_an_adverb_have_the_verb_second(corpus):
    adverbs = "Vorgestern|Bald|Leider|Vielleicht|Zum Glück|Natürlich|Letzte Woche|Jeden Tag|Am Abend"
    fronted = [re.match(rf"(?:{adverbs}) (\S+)", german) for _, german in corpus if not german.endswith("?")]
    found = [match[1] for match in fronted if match]
    assert len(found) > 40
    assert set(found) <= FINITE


def test_fronted_subordinate_clauses_invert_the_main_clause(corpus):
    pattern = re.compile(r"(?:Weil|Obwohl|Wenn|Als|Nachdem|Bevor) [^,]+, (\S+)")
    found = [match[1] for _, german in corpus if (match := pattern.match(german)) and german.count(",") == 1]
    assert len(found) > 100
    assert set(found) <= FINITE


def test_no_separable_prefix_is_lost(corpus):
    for english, german in corpus:
        if re.match(r"(He|She|The \w+) turns on ", english) and "," not in german:
            assert re.search(r"schaltet .* ein\.$", german), german


# What depends on context ------------------------------------------------------------------------------------


def test_one_english_word_two_german_ones(corpus):
    german = [german for _, german in corpus]
    for one, two in (("weiß", "kennt"), ("stellte", "legte"), ("Als", "Wenn"), ("fraß", "aß"),
                     ("verpasste", "vermisste"), ("Du|du", "Sie"), ("muss", "darf")):  # fmt: skip
        for word in (one, two):
            assert any(re.search(rf"\b({word})\b", text) for text in german), word


def test_english_it_takes_the_gender_of_its_noun():
    grammar = Grammar(5)
    seen = Counter()
    for _ in range(2000):
        with contextlib.suppress(NoWord):
            english, german = grammar.contrast()
        subject = re.match(r"(?:Der|Die|Das) \S+ (?:ist|war) [^,]+?,? (?:aber|und) (er|sie|es) ", german)
        if subject and re.search(r"(?:but|and) it ", english):
            article = german.split()[0]
            assert subject[1] == {"Der": "er", "Die": "sie", "Das": "es"}[article], german
            seen[article] += 1
    assert min(seen[article] for article in ("Der", "Die", "Das")) >= 10


def test_every_rule_speaks():
    grammar = Grammar(11)
    for rule in RULES:
        pairs = []
        while len(pairs) < 5:
            with contextlib.suppress(NoWord):
                pairs.append(rule(grammar))
        assert all(english and german for english, german in pairs), rule


def test_compounds_are_listed_once_and_their_heads_exist():
    text = Path(lexicon.__file__).with_name("lexicon.txt").read_text(encoding="utf-8")
    names = {noun.english for noun in WORDS.nouns}
    heads = [head.replace("_", " ") for kind, _, columns in lexicon.sections(text) if kind == "compound"
             for head in columns[2].split()]  # fmt: skip
    assert heads
    assert set(heads) <= names
    for noun in WORDS.nouns:
        assert len(set(noun.modifiers)) == len(noun.modifiers), noun.english


def test_relative_pronouns_agree():
    clauses, seen = Clauses(3), Counter()
    while sum(seen.values()) < 300:
        with contextlib.suppress(NoWord):
            phrase = clauses.relative(
                clauses.thing(frozenset(["person", "place"]), determiner=THE, plain=True)
            )
            column = phrase.agreement.column
            word = re.match(r"[^,]+, (?:in |an |auf )?(\w+)", phrase.german[0])[1]
            forms = {nominals.ARTICLE[case][column] for case in ("nom", "acc", "dat")}
            assert word in (forms if column != "p" else {"die", "denen"}), phrase.german[0]
            seen[column] += 1
    assert set(seen) == set("mfnp")
