import functools
import itertools
import re
import subprocess
import sys

from tests.toys.commands import ROOT, script
from tzip.data.grammar import PRONOUNS, WHO, Grammar, generate
from tzip.data.language import WORDS, Clause, Part, Phrase, complement, noun_phrase, sentence

VERBS = [verb for kind in ("verb", "modal", "that", "whether", "inf") for verb in WORDS[kind]]
DETERMINERS = {"the": "the  the", "this": "this dies der"}
DETERMINERS |= {"a": "a ein ein", "no": "a kein ein", "many": "many viele strong"}
PARTS = [Part("not", "nicht", "not"), Part("", "gern", "gern"), Part("today", "heute", "time")]
PARTS += [Part("not", "", "not"), Part("yesterday", "gestern", "front"), Part("", "mich", "itself")]
DECLENSIONS = """
a tired student | ein müder Student | einen müden Studenten | einem müden Studenten | eines müden Studenten
this old house | dieses alte Haus | dieses alte Haus | diesem alten Haus | dieses alten Hauses
a old woman | eine alte Frau | eine alte Frau | einer alten Frau | einer alten Frau
no high mountain | kein hoher Berg | keinen hohen Berg | keinem hohen Berg | keines hohen Berges
many expensive rings | viele teure Ringe | viele teure Ringe | vielen teuren Ringen | vieler teurer Ringe
cold water | kaltes Wasser | kaltes Wasser | kaltem Wasser | kalten Wassers"""
STATEMENTS = """
The child is reading a book. | Das Kind liest ein Buch. | the child | lesen | a book | progressive
The train has arrived. | Der Zug ist angekommen. | the train | ankommen | | perfect
We had helped the boy. | Wir hatten dem Jungen geholfen. | we | helfen | the boy | pluperfect
Yesterday I rested. | Gestern ruhte ich mich aus. | I | ausruhen | | past mich gestern
A key lies on the table. | Ein Schlüssel liegt auf dem Tisch. | a key | liegen | the table | present
She has to go to the station. | Sie muss zum Bahnhof gehen. | she | gehen | the station | present müssen
She likes to eat cheese. | Sie isst gern Käse. | she | essen | cheese | present gern
He must not open the door. | Er darf die Tür nicht öffnen. | he | öffnen | the door | present dürfen nicht
They did not buy a hat. | Sie kauften keinen Hut. | they | kaufen | no hat | past not
You did not wait for the bus. | Sie warteten nicht auf den Bus. | you | warten | the bus | past nicht
We give the key to her today. | Wir geben ihr heute den Schlüssel. | we | geben | she, the key | present heute
Who knows a story? | Wer kennt eine Geschichte? | who | kennen | a story | present"""


@functools.cache
def corpus() -> list[tuple[str, str]]:
    return list(generate(9000, 7))


def phrase(text: str) -> Phrase:
    """'who', 'they', 'a old man', 'many books'"""
    if pronouns := [phrase for phrase in (*PRONOUNS[:6], WHO) if phrase.english[0] == text]:
        return pronouns[0]
    *others, name = text.split()
    determiner = DETERMINERS.get((others or [""])[0], "  strong").split(" ")
    adjectives = [word for word in WORDS["adjective"] if word.english[0] in others]
    found = [(noun, key) for noun in WORDS["noun"] for key in noun.forms if noun.forms[key][0] == name]
    return noun_phrase(*found[0], determiner, adjectives)


def clause(subject: str, infinitive: str, complements: str, options: str) -> Clause:
    """complements: of the verb, in its order; options: the tense, a modal verb, other parts."""
    tense, *more = options.split()
    verb = next(one for one in VERBS if one.german.particle + one.german.base == infinitive)
    slots = [slot[:3] for slot in verb.complements if complements]
    parts = [complement(*slot, phrase(text)) for slot, text in zip(slots, complements.split(", "), strict=False)]
    parts += [Part(verb.english.particle, "", "particle"), *(part for part in PARTS if (part[1] or part[0]) in more)]
    modal = next((one for one in WORDS["modal"] if one.german.base in more), None)
    return Clause(phrase(subject), verb, tense, parts, modal, bool({"not", "nicht"} & {*more}), None)


def test_declensions_and_statements():
    for text, *cases in (row.split(" | ") for row in DECLENSIONS.strip().splitlines()):
        assert [*phrase(text).german] == cases
    for english, german, *built in (re.split(r" ?\| ?", row) for row in STATEMENTS.strip().splitlines()):
        assert sentence(clause(*built).stated(), mark=english[-1]) == (english, german)


def test_questions_and_clauses_that_end_in_the_verb():
    asked = clause("I", "ausruhen", "", "past nicht mich")
    assert (asked.english(ask=True), asked.german("first")) == ("did I not rest", "ruhte ich mich nicht aus")
    main = clause("the old teacher", "wissen", "", "present").stated()
    read = clause("the small child", "lesen", "the book", "perfect nicht").subordinate("that", "dass")
    english = "The old teacher knows that the small child has not read the book."
    assert sentence(main, read) == (english, "Der alte Lehrer weiß, dass das kleine Kind das Buch nicht gelesen hat.")
    turn = clause("she", "ausschalten", "the lamp", "past wollen")
    assert turn.subordinate("", "weil") == (
        "she wanted to turn off the lamp",
        ", weil sie die Lampe ausschalten wollte ,",
    )
    assert turn._replace(modal=None).subordinate("", "als")[1] == ", als sie die Lampe ausschaltete ,"
    assert turn.infinitive() == ("turn off the lamp", "die Lampe auszuschalten")
    wait = clause("she", "warten", "", "past")._replace(parts=[Part("for", "", "rest")])
    pair = sentence(("the bus", "der Bus"), wait.subordinate("that", "auf den"), ("left", "fuhr ab"))
    assert pair == ("The bus that she waited for left.", "Der Bus, auf den sie wartete, fuhr ab.")


def test_pronouns_agree_with_their_nouns():
    texts = "letter", "newspaper", "book", "girl", "child", "nurse", "boy", "books"
    again = [Grammar(1).again(phrase(f"the {text}")) for text in texts]
    assert " ".join(it.english[0] for it in again) == "it it it she it she he they"
    assert " ".join(it.german[0] for it in again) == "er sie es sie es sie er sie"


def test_the_corpus_depends_on_its_seed_alone_and_repeats_no_sentence():
    code = "from tzip.data.grammar import generate; print(list(generate(200, 7)))"
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env, cwd=ROOT)
        assert run.stdout.decode() == f"{corpus()[:200]}\n"
    assert len(set(generate(500, 8)) & set(corpus())) < 100
    assert all(len(set(side)) == len(corpus()) for side in zip(*corpus(), strict=True))
    for text in itertools.chain(*corpus()):
        assert 3 <= len(text.split()) <= 25
        assert re.fullmatch(r"[A-ZÄÖÜ](?:[\w']|,? (?=\w))*[.?]", text), text
    no = re.compile(r"\b(?:not|cannot|nicht|kein\w*)\b")
    assert all(len(no.findall(english)) == len(no.findall(german)) for english, german in corpus())


def test_every_word_of_the_list_is_used_and_no_other():
    sides = [f" {' '.join(side)} ".lower() for side in zip(*corpus(), strict=True)]
    for noun in WORDS["noun"]:
        assert any(f" {forms[0]}".lower() in sides[0] for forms in noun.forms.values()), noun
    for kind in ("adjective", "compound", "time", "often", "manner", "sentence", "many", "conjunction"):
        for word in WORDS[kind]:
            assert f" {word.english[0]}".lower() in sides[0], word
            assert word.german[-1].lower() in sides[1], word
    for verb, side in itertools.product(VERBS, (0, 1)):
        particle, forms = verb[side].particle, {verb[side].base, *verb[side].present, *verb[side].past}
        assert any(f" {form} " in sides[side] or f"{particle}{form}" in sides[side] for form in forms), verb
    known = {*re.findall(r"\w+", (ROOT / "tzip/data/lexicon.txt").read_text(encoding="utf-8").lower())}
    known |= {forms[0] for noun in WORDS["noun"] for forms in noun.forms.values()}
    others = "a an the this these who s am are were do does did not cannot order that whether why"
    assert {*re.findall(r"\w+", sides[0])} <= known | {*others.split()}


def test_articles_and_adjectives_agree_with_every_noun():
    """By a table of its own: the genders and cases that an article can have; then, the adjective's ending."""
    table = "ein m0 n0 n1|kein m0 n0 n1|eine f0 f1|keine f0 f1 p0 p1|einen m1|keinen m1 p2|einem m2 n2|zur f2"
    table += "|einer f2 f3|der m0 f2 f3 p3|die f0 f1 p0 p1|das n0 n1|den m1 p2|dem m2 n2|des m3 n3|zum m2 n2"
    places = {word: slots for word, *slots in (row.split() for row in table.split("|"))}
    forms, seen = {}, set()
    for noun, first in itertools.product(WORDS["noun"], ["", *(word.german[0] for word in WORDS["compound"])]):
        for key, case in itertools.product(noun.forms, range(4)):
            forms.setdefault((first + noun.forms[key][case + 1]).capitalize(), set()).add(f"{key}{case}")
    for _, text in corpus():
        text = re.sub(r", (\w+ )?(der|die|das|den|dem) ", ", ", text.replace("Ein", "ein"))  # no relatives
        for article, adjective, noun in re.findall(r"\b(\w+) ([a-zäöüß]+ )?([A-ZÄÖÜ]\w+)", text):
            if article in places:
                slots = forms[noun].intersection(places[article])
                endings = {"m0": "e ", "f0": "e ", "n0": "e ", "f1": "e ", "n1": "e "}
                endings |= {"m0": "er ", "n0": "es ", "n1": "es "} if article in ("ein", "kein") else {}
                assert slots, f"{article} {noun}: {text}"
                assert not adjective or adjective.endswith(tuple(endings.get(slot, "en ") for slot in slots)), text
                seen.add(article)
    assert seen == set(places)


def test_the_verb_is_second_in_main_clauses_and_last_in_others():
    forms = [(verb.german.particle, *verb.german.present, *verb.german.past) for verb in VERBS]
    finite = {"hat", "haben", "habe", "hatte", "hatten", "bin", "ist", "sind", "war", "waren"}
    finite |= {prefix + form for particle, *own in forms for form in own for prefix in ("", particle)}
    fronts = sorted((word.german[0] for word in WORDS["time"] + WORDS["sentence"]), key=len, reverse=True)
    second = rf"(?i:(?:{'|'.join(fronts)})|(?:weil|obwohl|wenn|als|nachdem|bevor) [^,]+,) (\w+)"
    for pattern in (second, r"[^,]+, (?:dass|weil|obwohl|ob|bevor|nachdem) [^,]* (\w+)[.]"):
        matches = [re.match(pattern, text) for _, text in corpus() if text.count(",") < 2]
        found = [match[1] for match in matches if match]
        assert len(found) > 300
        assert {*found} <= finite


def test_the_script_writes_disjoint_splits_and_keeps_the_test_set(tmp_path):
    lines = {}
    for train in ("200", "400"):
        sizes = ["--train", train, "--dev", "50", "--test", "60"]
        script("generate", *sizes, "--output", tmp_path).check_returncode()
        for path in tmp_path.iterdir():
            lines[train, path.name] = path.read_text(encoding="utf-8").splitlines()
    for side in ("en", "de"):
        train, dev, test = (lines["400", f"{name}.{side}"] for name in ("train", "dev", "test"))
        assert (len(train), len(dev), len(test), len({*train, *dev, *test})) == (400, 50, 60, 510)
        assert (lines["200", f"train.{side}"], lines["200", f"test.{side}"]) == (train[:200], test)
    done = script("generate", "--train", "0", "--output", tmp_path / "none")
    assert (done.returncode, done.stderr) == (1, "error: corpus: train = '0' is not an integer at least 1\n")
    assert not (tmp_path / "none").exists()
