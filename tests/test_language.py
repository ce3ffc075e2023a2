from __future__ import annotations

import pytest

from tzip.language import morphology, nominals, numerals, syntax
from tzip.language.lexicon import load
from tzip.language.morphology import Agreement, english_verb, german_verb
from tzip.language.nominals import BARE, EVERY, MANY, NO, THE, THIS, A, noun_phrase, pronoun
from tzip.language.syntax import Clause, Part, sentence

WORDS = load()
ADJECTIVES = {word.english[0]: word for word in WORDS.adjectives}
VERBS = {(verb.german.prefix + verb.german.infinitive, verb.english.particle): verb for verb in WORDS.verbs}


def verb(german: str, particle: str = "") -> morphology.Verb:
    return VERBS[german, particle]


def declined(
    noun: str, determiner: nominals.Determiner, adjective: str, plural: bool = False
) -> tuple[str, ...]:
    return noun_phrase(WORDS.noun(noun), determiner, (ADJECTIVES[adjective],), plural).german


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
