"""Reading, filtering and splitting parallel text, as it really comes and made to break what reads it."""

import contextlib
import gzip
import io
import json
import lzma
import os
import random
import re
import tarfile
import zipfile
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toys.commands import script
from tzip.data import corpus, download
from tzip.data.corpus import DEV, TEST, TRAIN, Options, Side, Split, build, components, divide, pairs

ROOT = Path(__file__).parents[2]
FIRST = ["eins", "zwei", "drei", "vier"]


def text(path: Path, *lines: str) -> Side:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    return Side(str(path))


def part(folder: Path, name: str, *lines: tuple[str, str]) -> tuple[Side, Side]:
    return tuple(text(folder / f"{name}.{i}", *(line[i] for line in lines)) for i in (0, 1))


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def test_a_side_is_spelled_as_it_is_parsed():
    for told, side in {
        "a.txt": Side("a.txt"),
        "a.zip::b/c.txt": Side("a.zip", "b/c.txt"),
        "a.zip::b#2": Side("a.zip", "b", 2),
        "a.tsv#1": Side("a.tsv", "", 1),
        "dir#x/a": Side("dir#x/a"),
    }.items():
        assert (Side.parse(told), str(side)) == (side, told)


def test_plain_packed_and_archived_files_read_alike(tmp_path):
    data = "\n".join(FIRST).encode() + b"\n"
    (tmp_path / "plain").write_bytes(data)
    (tmp_path / "gz").write_bytes(gzip.compress(data))
    (tmp_path / "misnamed.txt").write_bytes(lzma.compress(data))
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("in/side", data)
    with tarfile.open(tmp_path / "tgz", "w:gz") as archive:
        info = tarfile.TarInfo("./in/side")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    for told in ("plain", "gz", "misnamed.txt", "zip::in/side", "tgz::in/side"):
        assert list(Side.parse(f"{tmp_path}/{told}").lines()) == FIRST


def test_columns_are_separated_by_tabs(tmp_path):
    path = tmp_path / "tsv"
    path.write_text("a b\tc\nd\t\n", encoding="utf-8")
    assert list(Side(str(path), column=1).lines()) == ["a b", "d"]
    assert list(Side(str(path), column=2).lines()) == ["c", ""]
    with pytest.raises(ValueError, match=r"tsv#3: line 1 has 2 TAB-separated columns"):
        list(Side(str(path), column=3).lines())


def test_line_breaks_byte_order_marks_and_missing_ends_do_not_shift_lines(tmp_path):
    (tmp_path / "x").write_bytes("\ufeffeins \r\nzwei\u2028halb\r\n\ndrei\x0bvier\u00a0".encode())
    assert list(Side(str(tmp_path / "x")).lines()) == ["eins", "zwei halb", "", "drei vier"]


def test_text_cut_into_pieces_is_joined(tmp_path):
    side = text(tmp_path / "x", "▁Gut ach : ▁Increase d ▁safety", "a ▁ b")
    assert list(side.lines()) == ["Gutach: Increased safety", "a ▁ b"]


def test_invalid_utf8_and_empty_files_are_named(tmp_path):
    (tmp_path / "x").write_bytes(b"gut\nsch\xf6n\n")
    with pytest.raises(ValueError, match=r"x: line 2 is not UTF-8: byte 0xf6"):
        list(Side(str(tmp_path / "x")).lines())
    with pytest.raises(ValueError, match=r"x: the file is empty"):
        list(text(tmp_path / "x").lines())


@pytest.mark.parametrize(("left", "right"), [(3, 5), (5, 3), (1, 2)])
def test_unequal_line_counts_name_both_files_and_counts(tmp_path, left, right):
    two = text(tmp_path / "one", *"a" * left), text(tmp_path / "two", *"b" * right)
    with pytest.raises(ValueError, match=rf"one has {left} lines but .*two has {right}$"):
        list(pairs(two))


# ── cleaning ──────────────────────────────────────────────────────────────────────────────────────


def test_each_filter_counts_what_it_removes_in_order(tmp_path):
    train = part(
        tmp_path,
        "train",
        ("a good pair", "ein gutes Paar"),
        ("", "leer"),
        ("leer", " \u00a0"),
        ("w " * 11, "w " * 11),
        ("x" * 60, "y"),
        ("one two three four", "eins"),
        ("a  good\tpair", "ein gutes Paar"),
        ("in the test", "etwas anderes"),
        ("something else", "in der Entwicklung"),
        ("in der Entwicklung", "in the test"),  # only the same side counts
        ("one two three", "eins"),  # exactly three times as long
        ("cafe\u0301", "Kaffee"),
    )
    dev = part(tmp_path, "dev", ("in the development", "in der Entwicklung"))
    test = part(tmp_path, "test", ("in  the test  ", "im Test"))
    limits = Options(max_words=10, max_characters=50)
    report = build(tmp_path / "out", ("en", "de"), [train], [dev], {"news": test}, limits)
    removed = {"empty": 2, "too_long": 2, "length_ratio": 1, "duplicate": 1, "overlap": 2}
    assert report["train"] == {"read": 12, **removed, "kept": 4}
    assert report["filters"] == list(corpus.FILTERS)
    assert report["dev"] == report["tests"]["news"] == {"read": 1, "kept": 1}
    assert json.loads((tmp_path / "out/cleaning.json").read_text()) == report
    kept = ["a good pair", "in der Entwicklung", "one two three", "caf\u00e9"]
    assert lines(tmp_path / "out/train.en") == kept
    assert lines(tmp_path / "out/test/news.en") == ["in  the test"]  # a test set stays as published


@given(st.lists(st.sampled_from([0, 1 << 16, 1 << 63, 2**64 - 1]) | st.integers(0, 2**64 - 1)))
def test_keys_are_a_set(numbers):
    keys, known = corpus.Keys(), set()
    for number in numbers * 2:
        assert keys.add(number) == (number not in known)
        known.add(number)


@pytest.mark.parametrize(
    "sentence",
    ["我们明天早上去学校。", "私たちは明日の朝学校に行きます。", "เราจะไปโรงเรียนพรุ่งนี้เช้า", "ພວກເຮົາຈະໄປໂຮງຮຽນມື້ອື່ນເຊົ້າ"],
)
def test_where_a_script_has_no_spaces_words_are_estimated_by_characters(sentence: str) -> None:
    english = "We will go to school tomorrow morning."
    assert 1 / 1.7 < corpus.words(sentence) / corpus.words(english) < 1.7
    assert corpus.removed_by(english, sentence, corpus.Options(), (set(), set()), corpus.Keys()) == "kept"
    assert corpus.removed_by(english, sentence * 8, corpus.Options(), (set(), set()), corpus.Keys()) == "length_ratio"


def test_duplicates_may_stay(tmp_path):
    parts = [part(tmp_path, "train", ("a", "b"), ("a", "b"))], [part(tmp_path, "dev", ("c", "d"))]
    report = build(tmp_path / "out", ("en", "de"), *parts, options=Options(keep_duplicates=True))
    assert report["train"]["kept"] == 2


def test_several_parts_are_read_in_order_and_deduplicated_together(tmp_path):
    parts = [part(tmp_path, f"part{i}", (f"s{i}", f"t{i}"), ("same", "gleich")) for i in range(3)]
    build(tmp_path / "out", ("en", "de"), parts, [part(tmp_path, "dev", ("c", "d"))])
    assert lines(tmp_path / "out/train.de") == ["t0", "gleich", "t1", "t2"]


def test_what_cannot_be_a_corpus_is_refused(tmp_path):
    good, dev = part(tmp_path, "good", ("a", "b")), part(tmp_path, "dev", ("c", "d"))
    hole = part(tmp_path, "hole", ("a", "b"), ("c", " "))
    out, names = tmp_path / "out", ("en", "de")
    cases = {
        "no training text": lambda: build(out, names, []),
        r"hole.1: line 2 of a development or test set is empty": lambda: build(out, names, [good], [hole]),
        "no training pairs left of .*good.0 and .*good.1": lambda: build(out, names, [good], [good]),
        "no development set": lambda: build(out, names, [good]),
        "dev is given both": lambda: build(out, names, [good], [dev], split=Split(dev=1)),
        "'../x' does not do": lambda: build(out, names, [good], [dev], {"../x": dev}),
        "both called 'en'": lambda: build(out, ("en", "en"), [good], [dev]),
        r"dev = 1, test = 0 leave nothing": lambda: build(out, names, [good], split=Split(dev=1)),
        r"dev = 1, test = 5 cannot be filled from 1 p": lambda: build(out, names, [good], split=Split(dev=1, test=5)),
    }
    for told, action in cases.items():
        with pytest.raises(ValueError, match=told):
            action()
    assert not list(tmp_path.glob("out/train*"))


# ── splitting ─────────────────────────────────────────────────────────────────────────────────────


def leaks(pool: list[tuple], places: list[int]) -> list:
    """Sides that occur in more than one part of a split."""
    parts = defaultdict(set)
    for pair, place in zip(pool, places, strict=True):
        for side, text in enumerate(pair):
            parts[side, text].add(place)
    return [text for text, where in parts.items() if len(where) > 1]


def placed(folder: Path, *names: str) -> tuple[list[tuple], list[int]]:
    """The pairs of all these files, and of each the number of its file."""
    sets = [list(zip(*(lines(folder / f"{name}.{end}") for end in ("en", "de")), strict=True)) for name in names]
    return [*chain(*sets)], [place for place, pairs in enumerate(sets) for _ in pairs]


pool_of_few_sides = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60)


@settings(deadline=None)
@given(pool_of_few_sides, st.integers(0, 9), st.integers(0, 9), st.integers(0, 3))
def test_a_split_never_leaks_and_is_exact_or_refused(pool, dev, test, seed):
    sources, targets = [s for s, _ in pool], [t for _, t in pool]
    places = None
    with contextlib.suppress(ValueError):
        places = divide(sources, targets, Split(dev, test, seed))
    if places is None:  # only where too few pairs stand alone may the sizes be out of reach
        assert list(Counter(components(sources, targets)).values()).count(1) < dev + test
        return
    assert leaks(pool, places) == []
    assert Counter(places)[DEV] == dev
    assert Counter(places)[TEST] == test


@settings(deadline=None)
@given(pool_of_few_sides)
def test_components_are_those_that_a_search_finds(pool):
    sources, targets = [s for s, _ in pool], [t for _, t in pool]
    found = components(sources, targets)
    for start in range(len(pool)):
        reached, frontier = {start}, [start]
        while frontier:
            pair = pool[frontier.pop()]
            joined = {i for i, other in enumerate(pool) if pair[0] == other[0] or pair[1] == other[1]}
            frontier += joined - reached
            reached |= joined
        assert {i for i in range(len(pool)) if found[i] == found[start]} == reached


def test_a_long_chain_stays_in_one_piece():
    length = 3000
    chain = [((i + 1) // 2, i // 2) for i in range(length)]
    pool = chain + [(length + i, length + i) for i in range(50)]
    random.Random(1).shuffle(pool)
    places = divide([s for s, _ in pool], [t for _, t in pool], Split(20, 25, 3))
    assert leaks(pool, places) == []
    assert Counter(places) == {TRAIN: length + 5, DEV: 20, TEST: 25}
    assert all(place == TRAIN for pair, place in zip(pool, places, strict=True) if pair[0] < length)


def test_the_seed_decides_and_the_order_of_the_pool_does_not():
    pool = [(i, i // 2) for i in range(400)]

    def held(order: list, seed: int) -> set:
        places = divide([s for s, _ in order], [t for _, t in order], Split(40, 40, seed))
        return {(pair, place) for pair, place in zip(order, places, strict=True) if place != TRAIN}

    assert held(pool, 1) == held(pool[::-1], 1) == held(random.Random(2).sample(pool, 400), 1)
    assert held(pool, 1) != held(pool, 2)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.sampled_from("qrstuvwxyzäöüß")), min_size=1))
def test_a_split_on_disk_does_not_leak_either(tmp_path_factory, pool):
    folder = tmp_path_factory.mktemp("pool")
    pool += [(f"s{i}", f"t{i}") for i in range(12)]
    test = part(folder, "news", ("s0", "anders"), ("otherwise", "t1"))
    report = build(folder / "out", ("en", "de"), [part(folder, "pool", *pool)], tests={"news": test}, split=Split(3, 4))
    found, places = placed(folder / "out", "train", "dev", "test/test", "test/news")
    assert leaks(found, places) == []
    counts = report["train"]
    assert counts["held_out"] == 7
    assert counts["overlap"] == 2
    assert counts["read"] == len(pool) == sum(counts.values()) - counts["read"]
    assert sorted(found[:-2]) == sorted(set(pool) - {("s0", "t0"), ("s1", "t1")})
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"cleaning.json", "dev.de", "dev.en", "test", "train.de", "train.en"}


@settings(deadline=None)
@given(pool_of_few_sides, st.lists(st.integers(1, 2), min_size=60, max_size=60), st.integers(0, 5))
def test_one_part_is_split_without_leaks_into_the_others(pool, numbers, test):
    sources, targets, numbers = [s for s, _ in pool], [t for _, t in pool], numbers[: len(pool)]
    with contextlib.suppress(ValueError):
        places = divide(sources, targets, Split(test=test, part=2), numbers)
        assert leaks(pool, places) == []
        assert Counter(places)[TEST] == test
        assert {number for number, place in zip(numbers, places, strict=True) if place == TEST} <= {2}


def test_the_test_set_of_one_part_has_a_name_of_its_own(tmp_path):
    parts = [part(tmp_path, name, *((f"{name}{i}", f"{name}{i}") for i in range(20))) for name in "ab"]
    split = Split(test=5, name="everyday", part=2)
    dev = part(tmp_path, "dev", ("s", "t"))
    report = build(tmp_path / "out", ("en", "de"), parts, dev=[dev], split=split)
    held = lines(tmp_path / "out/test/everyday.en")
    assert len(held) == 5
    assert all(line.startswith("b") for line in held)
    assert len(lines(tmp_path / "out/train.en")) == 35
    assert report["tests"] == {"everyday": {"read": 5, "kept": 5}}
    for wrong, told in (
        (Split(test=5, part=3), "split: part = 3, but the training text has 2"),
        (Split(test=21, part=2), "split: dev = 0, test = 21 cannot be filled"),
        (Split(test=5, name="../x"), "'../x' does not do as part of a file name"),
    ):
        with pytest.raises(ValueError, match=re.escape(told)):
            build(tmp_path / "wrong", ("en", "de"), parts, dev=[dev], split=wrong)


# ── the script, and the real thing ────────────────────────────────────────────────────────────────


def test_the_script_prints_the_counts_or_one_line_of_error(tmp_path):
    train = part(tmp_path, "train", *((f"a{i}", f"b{i}") for i in range(9)), ("", "leer"))
    common = ["--languages", "en", "de", "--train", *train, "--output", tmp_path / "out"]
    done = script("corpus", *common, "--split", "dev=2,test=3,seed=1")
    assert done.stdout.splitlines()[0].startswith("train: 10 read, 1 empty,")
    assert done.stdout.splitlines()[1:] == ["dev: 2 read, 2 kept", "test: 3 read, 3 kept"]
    for bad, told in (
        (["--split", "dve=2"], "split: no option 'dve'; choose from dev, test, seed, name, part"),
        (["--split", "dev=2", "--ratio", "0.5"], "corpus: ratio = '0.5' is not a number at least 1"),
        (["--dev", *train, "--test", "x", *train, "--test", "x", *train], "two test sets of one name: x, x"),
    ):
        done = script("corpus", *common, *bad)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {told}\n")


@pytest.mark.skipif(not os.environ.get(download.MIRROR), reason=f"{download.MIRROR} names no mirror")
def test_tatoeba_is_split_without_leaks(tmp_path):
    config = yaml.safe_load((ROOT / "config/datasets.yaml").read_text(encoding="utf-8"))
    defined = config["datasets"]["tatoeba"]
    source, target = defined["train"][0]["source"], defined["train"][0]["target"]
    archive = download.fetch(source["url"], tmp_path / "tatoeba.zip", source["sha256"])
    train = tuple(Side(str(archive), side["member"], side["column"]) for side in (source, target))
    report = build(tmp_path / "out", ("en", "de"), [train], split=Split(**defined["split"]))
    assert report["train"]["read"] == 169_197
    assert report["train"]["kept"] > 165_000
    found, places = placed(tmp_path / "out", "train", "dev", "test/test")
    assert leaks(found, places) == []
    assert Counter(places) == {TRAIN: report["train"]["kept"], DEV: 1000, TEST: 1000}
