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
from tzip.language import lexicon, morphology, nominals, numerals, syntax
from tzip.language.clauses import Clauses
from tzip.language.lexicon import load
from tzip.language.morphology import Agreement, english_verb, german_verb
from tzip.language.nominals import BARE, EVERY, MANY, NO, THE, THIS, A, noun_phrase, pronoun
from tzip.language.phrases import NoWord
from tzip.language.syntax import Clause, Part, sentence

ROOT = Path(__file__).parents[1]
WORDS = load()
ADJECTIVES = {word.english[0]: word for word in WORDS.adjectives}
VERBS = {(verb.german.prefix + verb.german.infinitive, verb.english.particle): verb for verb in WORDS.verbs}


@pytest.fixture(scope="module")
def corpus() -> list[tuple[str, str]]:
    return list(generate(6000, 7))


def verb(german: str, particle: str = "") -> morphology.Verb:
    return VERBS[german, particle]


def declined(
    noun: str, determiner: nominals.Determiner, adjective: str, plural: bool = False
) -> tuple[str, ...]:
    return noun_phrase(WORDS.noun(noun), determiner, (ADJECTIVES[adjective],), plural).german


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


# Declension -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "determiner", "forms"),
    [
        ("man", THE, "der alte Mann/den alten Mann/dem alten Mann/des alten Mannes"),
        ("woman", THE, "die alte Frau/die alte Frau/der alten Frau/der alten Frau"),
        ("house", THE, "das alte Haus/das alte Haus/dem alten Haus/des alten Hauses"),
        ("man", A, "ein alter Mann/einen alten Mann/einem alten Mann/eines alten Mannes"),
        ("woman", A, "eine alte Frau/eine alte Frau/einer alten Frau/einer alten Frau"),
        ("house", A, "ein altes Haus/ein altes Haus/einem alten Haus/eines alten Hauses"),
        ("man", NO, "kein alter Mann/keinen alten Mann/keinem alten Mann/keines alten Mannes"),
        ("man", EVERY, "jeder alte Mann/jeden alten Mann/jedem alten Mann/jedes alten Mannes"),
        ("house", THIS, "dieses alte Haus/dieses alte Haus/diesem alten Haus/dieses alten Hauses"),
        ("neighbour", THE, "der alte Nachbar/den alten Nachbarn/dem alten Nachbarn/des alten Nachbarn"),
        ("colleague", A, "ein alter Kollege/einen alten Kollegen/einem alten Kollegen/eines alten Kollegen"),
    ],
)
def test_singular(noun, determiner, forms):
    assert "/".join(declined(noun, determiner, "old")) == forms


@pytest.mark.parametrize(
    ("noun", "determiner", "forms"),
    [
        ("man", THE, "die alten Männer/die alten Männer/den alten Männern/der alten Männer"),
        ("woman", A, "alte Frauen/alte Frauen/alten Frauen/alter Frauen"),
        ("house", BARE, "alte Häuser/alte Häuser/alten Häusern/alter Häuser"),
        ("car", MANY, "viele alte Autos/viele alte Autos/vielen alten Autos/vieler alter Autos"),
        ("boy", NO, "keine alten Jungen/keine alten Jungen/keinen alten Jungen/keiner alten Jungen"),
    ],
)
def test_plural(noun, determiner, forms):
    assert "/".join(declined(noun, determiner, "old", plural=True)) == forms


def test_strong_mass_nouns_and_irregular_stems():
    assert declined("water", BARE, "cold") == (
        "kaltes Wasser",
        "kaltes Wasser",
        "kaltem Wasser",
        "kalten Wassers",
    )
    assert declined("coffee", BARE, "strong")[2] == "starkem Kaffee"
    assert declined("tower", A, "high")[0] == "ein hoher Turm"
    assert declined("forest", THE, "dark")[2] == "dem dunklen Wald"
    assert declined("hotel", A, "expensive")[3] == "eines teuren Hotels"


def test_possessives_follow_the_owner_in_german_and_its_nature_in_english():
    dog, key = WORDS.noun("dog"), WORDS.noun("key")
    cases = {
        (1, False, "m"): ("my key", "mein Schlüssel"),
        (3, False, "f"): ("her key", "ihr Schlüssel"),
        (2, True, "m"): ("your key", "euer Schlüssel"),
        (3, True, "m"): ("their key", "ihr Schlüssel"),
    }
    for owner, (english, german) in cases.items():
        phrase = noun_phrase(key, nominals.possessive(Agreement(*owner)))
        assert (phrase.english, phrase.german[0]) == (english, german)
    assert noun_phrase(key, nominals.possessive(Agreement(2, True))).german[1] == "euren Schlüssel"
    cat = nominals.possessive(Agreement(gender="f"), animate=False)
    assert noun_phrase(dog, cat).english == "its dog"
    assert noun_phrase(dog, cat).german[1] == "ihren Hund"


def test_a_and_an():
    assert noun_phrase(WORDS.noun("apple"), A).english == "an apple"
    assert noun_phrase(WORDS.noun("uniform"), A).english == "a uniform"
    assert noun_phrase(WORDS.noun("man"), A, (ADJECTIVES["honest"],)).english == "an honest man"
    assert noun_phrase(WORDS.noun("man"), A, (ADJECTIVES["old"],), plural=True).english == "old men"


def test_degrees():
    assert ADJECTIVES["big"].english == ("big", "bigger", "biggest")
    assert ADJECTIVES["good"].german == ("gut", "besser", "best")
    assert ADJECTIVES["beautiful"].english[2] == "most beautiful"
    forms = noun_phrase(WORDS.noun("house"), THE, (ADJECTIVES["old"],), degree=2)
    assert (forms.english, forms.german[2]) == ("the oldest house", "dem ältesten Haus")


@pytest.mark.parametrize(
    ("head", "modifier", "compound", "genitive"),
    [
        ("table", ("kitchen", "Küchen"), "der Küchentisch", "des Küchentisches"),
        ("present", ("birthday", "Geburtstags"), "das Geburtstagsgeschenk", "des Geburtstagsgeschenks"),
        ("teacher", ("history", "Geschichts"), "der Geschichtslehrer", "des Geschichtslehrers"),
        ("room", ("children's", "Kinder"), "das Kinderzimmer", "des Kinderzimmers"),
        ("food", ("dog", "Hunde"), "das Hundefutter", "des Hundefutters"),
        ("cake", ("cherry", "Kirsch"), "der Kirschkuchen", "des Kirschkuchens"),
        ("student", ("music", "Musik"), "der Musikstudent", "des Musikstudenten"),
    ],
)
def test_compounds_with_linking_elements(head, modifier, compound, genitive):
    noun = WORDS.noun(head)
    assert modifier in noun.modifiers
    phrase = noun_phrase(noun.compound(*modifier), THE)
    assert phrase.english == f"the {modifier[0]} {head}"
    assert (phrase.german[0], phrase.german[3]) == (compound, genitive)


def test_contractions():
    def said(preposition: str, case: str, noun: str, determiner=THE) -> str:
        return nominals.prepositional("", preposition, case, noun_phrase(WORDS.noun(noun), determiner))[1]

    assert said("in", "dat", "garden") == "im Garten"
    assert said("in", "acc", "house") == "ins Haus"
    assert said("zu", "dat", "school") == "zur Schule"
    assert said("in", "dat", "kitchen") == "in der Küche"
    assert said("in", "dat", "garden", THIS) == "in diesem Garten"
    assert said("auf", "acc", "table") == "auf den Tisch"


# Conjugation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("german", "present", "past", "participle", "imperative"),
    [
        ("machen", "mache machst macht machen macht machen", "machte", "gemacht", "mache"),
        ("arbeiten", "arbeite arbeitest arbeitet arbeiten arbeitet arbeiten", "arbeitete", "gearbeitet",
         "arbeite"),
        ("öffnen", "öffne öffnest öffnet öffnen öffnet öffnen", "öffnete", "geöffnet", "öffne"),
        ("wohnen", "wohne wohnst wohnt wohnen wohnt wohnen", "wohnte", "gewohnt", "wohne"),
        ("sammeln", "sammle sammelst sammelt sammeln sammelt sammeln", "sammelte", "gesammelt", "sammle"),
        ("besuchen", "besuche besuchst besucht besuchen besucht besuchen", "besuchte", "besucht", "besuche"),
        ("reparieren", "repariere reparierst repariert reparieren repariert reparieren", "reparierte",
         "repariert", "repariere"),
        ("ein|schalten", "schalte schaltest schaltet schalten schaltet schalten", "schaltete",
         "eingeschaltet", "schalte"),
        ("lesen,liest,las,gelesen", "lese liest liest lesen lest lesen", "las", "gelesen", "lies"),
        ("nehmen,nimmt,nahm,genommen", "nehme nimmst nimmt nehmen nehmt nehmen", "nahm", "genommen", "nimm"),
        ("ein|laden,lädt,lud,geladen", "lade lädst lädt laden ladet laden", "lud", "eingeladen", "lade"),
        ("wissen", "weiß weißt weiß wissen wisst wissen", "wusste", "gewusst", "wisse"),
    ],
)  # fmt: skip
def test_german_paradigms(german, present, past, participle, imperative):
    made = german_verb(german)
    assert " ".join(made.present) == present
    assert (made.past[2], made.participle, made.imperative) == (past, participle, imperative)


def test_english_forms():
    forms = {
        "swim": "swimming",
        "lie": "lying",
        "take": "taking",
        "visit": "visiting",
        "travel": "travelling",
    }
    for base, ing in forms.items():
        assert english_verb(base).ing == ing
    assert [english_verb(base).third for base in ("watch", "carry", "play", "go")] == [
        "watches", "carries", "plays", "goes",
    ]  # fmt: skip
    assert english_verb("stop").past == "stopped"


def test_separable_participle_and_zu():
    assert verb("anrufen").german.participle == "angerufen"
    assert verb("anrufen").german.zu == "anzurufen"
    assert verb("lesen").german.zu == "zu lesen"


# Word order -------------------------------------------------------------------------------------------------

MAN = noun_phrase(WORDS.noun("man"), THE)
LAMP = noun_phrase(WORDS.noun("lamp"), THE)
YESTERDAY = Part("yesterday", "gestern", "time", "time")
TODAY = Part("today", "heute", "time", "time")


def switched(tense: str, **more) -> Clause:
    lamp = Part(LAMP.english, LAMP.german[1], "object", "known", LAMP)
    return Clause(MAN, verb("einschalten", "on"), tense, (lamp, TODAY), **more)


@pytest.mark.parametrize(
    ("clause", "english", "german"),
    [
        (switched("present"), "turns on the lamp today", "schaltet heute die Lampe ein"),
        (switched("progressive"), "is turning on the lamp today", "schaltet heute die Lampe ein"),
        (switched("perfect"), "has turned on the lamp today", "hat heute die Lampe eingeschaltet"),
        (switched("future"), "will turn on the lamp today", "wird heute die Lampe einschalten"),
        (switched("present", modal=syntax.MUST), "must turn on the lamp today",
         "muss heute die Lampe einschalten"),
        (switched("past", modal=syntax.WANT), "wanted to turn on the lamp today",
         "wollte heute die Lampe einschalten"),
        (switched("past", negated="nicht"), "did not turn on the lamp today",
         "schaltete heute die Lampe nicht ein"),
        (switched("present", modal=syntax.MUST_NOT, negated="nicht"), "must not turn on the lamp today",
         "darf heute die Lampe nicht einschalten"),
    ],
)  # fmt: skip
def test_verb_second(clause, english, german):
    assert clause.statement() == (f"the man {english}", f"der Mann {german}")


def test_inversion_question_and_verb_final():
    clause = switched("present")
    assert clause.statement(TODAY) == (
        "today the man turns on the lamp",
        "heute schaltet der Mann die Lampe ein",
    )
    assert clause.question() == (
        "does the man turn on the lamp today",
        "schaltet der Mann heute die Lampe ein",
    )
    assert clause.subordinate("because", "weil") == (
        "because the man turns on the lamp today", "weil der Mann heute die Lampe einschaltet",
    )  # fmt: skip
    assert (
        switched("perfect").subordinate("that", "dass")[1]
        == "dass der Mann heute die Lampe eingeschaltet hat"
    )
    assert clause.infinitive() == ("to turn on the lamp today", "heute die Lampe einzuschalten")


def test_imperatives():
    clause = switched("present").without(TODAY)
    german = [clause.imperative(address)[1] for address in
              (Agreement(2), Agreement(2, True), Agreement(2, formal=True))]  # fmt: skip
    assert german == ["schalte die Lampe ein", "schaltet die Lampe ein", "schalten Sie die Lampe ein"]


def test_particle_and_pronoun():
    it = pronoun(LAMP.agreement, animate=False)
    part = Part(it.english_object, it.german[1], "object pronoun", "pronoun", it)
    clause = Clause(MAN, verb("einschalten", "on"), "past", (part, YESTERDAY))
    assert clause.statement() == ("the man turned it on yesterday", "der Mann schaltete sie gestern ein")


def test_passive_and_reflexive():
    built = Clause(noun_phrase(WORDS.noun("house"), THE), verb("bauen"), "perfect", passive=True)
    assert built.statement() == ("the house has been built", "das Haus ist gebaut worden")
    rest = Clause(pronoun(Agreement(1)), verb("ausruhen"), "past", (YESTERDAY,))
    assert rest.statement() == ("I rested yesterday", "ich ruhte mich gestern aus")
    assert rest.statement(YESTERDAY)[1] == "gestern ruhte ich mich aus"


def test_relative_clauses_are_enclosed_in_commas():
    phrase = MAN.extend(" who sleeps", ", der schläft,", heavy=True)
    clause = Clause(phrase, verb("singen"), "present")
    assert sentence(clause.statement()) == ("The man who sleeps sings.", "Der Mann, der schläft, singt.")


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
    for _ in range(1000):
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


def test_relative_clauses_are_enclosed_in_commas():
    phrase = MAN.extend(" who sleeps", ", der schläft,", heavy=True)
    clause = Clause(phrase, verb("singen"), "present")
    assert sentence(clause.statement()) == ("The man who sleeps sings.", "Der Mann, der schläft, singt.")


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
    for _ in range(1000):
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
        english, german = rule(grammar)
        assert english
        assert german


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


# Numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (76, "seventy-six", "sechsundsiebzig"),
        (100, "one hundred", "hundert"),
        (101, "one hundred and one", "hunderteins"),
        (345, "three hundred and forty-five", "dreihundertfünfundvierzig"),
        (1987, "one thousand nine hundred and eighty-seven", "tausendneunhundertsiebenundachtzig"),
        (21000, "twenty-one thousand", "einundzwanzigtausend"),
    ],
)
def test_cardinals(n, english, german):
    assert numerals.words(n) == (english, german)


def test_dates_times_and_digits():
    assert numerals.digits(3500) == ("3,500", "3.500")
    assert [numerals.ordinal(n) for n in (1, 3, 7, 20, 21, 30)] == [
        ("first", "erst"), ("third", "dritt"), ("seventh", "siebt"), ("twentieth", "zwanzigst"),
        ("twenty-first", "einundzwanzigst"), ("thirtieth", "dreißigst"),
    ]  # fmt: skip
    assert numerals.clock(3, 2) == ("at half past three", "um halb vier")
    assert numerals.clock(12, 2) == ("at half past twelve", "um halb eins")
    assert numerals.clock(1, 0) == ("at one o'clock", "um ein Uhr")
    assert numerals.clock(4, 3) == ("at a quarter to five", "um Viertel vor fünf")
