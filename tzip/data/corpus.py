"""From files as people publish them to clean parallel text: read, checked, filtered, split without leaks."""

from __future__ import annotations

import contextlib
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tzip import files
from tzip.data.packed import open_member, open_plain
from tzip.data.text import normalize
from tzip.options import option

FILTERS = ("empty", "too_long", "length_ratio", "duplicate", "overlap")  # in the order they are applied
TRAIN, DEV, TEST = range(3)


@dataclass(frozen=True)
class Options:
    """What a training pair must be to stay."""

    max_words: int = option(100, "words that a side may have", low=1)
    max_characters: int = option(1000, "characters that a side may have", low=1)
    ratio: float = option(3.0, "times as many words that one side may have as the other", low=1)
    keep_duplicates: bool = option(False, "keep pairs that occur before")


@dataclass(frozen=True)
class Split:
    """How many pairs are held out of a pool that has no split of its own."""

    dev: int = option(0, "pairs for development", low=0)
    test: int = option(0, "pairs for a test set", low=0)
    seed: int = option(1, "decides which pairs")
    name: str = option("test", "of that test set")
    part: int = option(0, "of the training text that they are held out of, counted from 1; 0 = all", low=0)


@dataclass(frozen=True)
class Side:
    """One language's lines: a file, a member of an archive, or a column (from 1, TAB) of either."""

    path: str
    member: str = ""
    column: int = 0

    @classmethod
    def parse(cls, text: str) -> Side:
        """'PATH', 'PATH::MEMBER', 'PATH#COLUMN' or 'PATH::MEMBER#COLUMN', as `files.parse_place` reads them."""
        return cls(*files.parse_place(text))

    def __str__(self) -> str:
        return self.path + (f"::{self.member}" if self.member else "") + (f"#{self.column}" if self.column else "")

    def lines(self) -> Iterator[str]:
        """Read the text line by line, without trailing whitespace; ValueError names this side and the line.

        A line ends at LF alone; other line breaks inside it become a space, so that every reader counts
        the same lines. A line that begins with U+2581 consists of SentencePiece pieces, as in the paper's
        training archive: they are joined.
        """
        number = 0
        with open_member(self.path, self.member) if self.member else open_plain(self.path) as file:
            for number, raw in enumerate(file, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    byte = f"0x{error.object[error.start]:02x}"
                    raise ValueError(f"{self}: line {number} is not UTF-8: byte {byte}") from None
                if self.column:
                    columns = line.split("\t")
                    if len(columns) < self.column:
                        raise ValueError(f"{self}: line {number} has {len(columns)} TAB-separated columns")
                    line = columns[self.column - 1]
                line = " ".join(line.splitlines()).rstrip()
                yield line.replace(" ", "").replace("▁", " ").strip() if line.startswith("▁") else line
        if not number:
            raise ValueError(f"{self}: the file is empty")


Part = tuple[Side, Side]


def pairs(part: Part) -> Iterator[tuple[str, str]]:
    """Source and target lines side by side; ValueError if one file has more lines than the other."""
    counts = [0, 0]
    for pair in zip_longest(part[0].lines(), part[1].lines()):
        counts = [count + (line is not None) for count, line in zip(counts, pair, strict=True)]
        if counts[0] == counts[1]:
            yield pair
    if counts[0] != counts[1]:
        raise ValueError(f"{part[0]} has {counts[0]} lines but {part[1]} has {counts[1]}")


def key(text: str) -> int:
    """A 64-bit hash of a text: among 5 million different pairs, two share one with a probability of 7e-7."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


class Keys:
    """A set of 64-bit keys in 10 bytes per key, where Python's takes 90: an array per low 16 bits."""

    def __init__(self) -> None:
        self._arrays = defaultdict(partial(array, "Q"))

    def add(self, new: int) -> bool:
        """Add a key unless it is there already; whether it was new."""
        keys = self._arrays[new & 0xFFFF]
        if new in keys:
            return False
        keys.append(new)
        return True


UNSPACED = {  # characters of scripts without spaces: so many per word, estimated
    "\u3400-\u9fff\U00020000-\U0003ffff": 1.5,  # Chinese
    "\u3040-\u30ff": 2.5,  # kana
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff": 4.0,  # Thai, Lao, Burmese, Khmer
}
WITHOUT_SPACES = re.compile(f"[{''.join(UNSPACED)}]")


def words(text: str) -> float:
    """How many words a normalized text has; where its script has no spaces, an estimate by its characters."""
    count = 0.0
    if WITHOUT_SPACES.search(text):
        for characters, per_word in UNSPACED.items():
            text, found = re.subn(f"[{characters}]", " ", text)
            count += found / per_word
        return count + len(re.findall(r"\w+", text))
    return text.count(" ") + 1


HeldOut = tuple[set[int], set[int]]  # keys of the sources and of the targets of development and test sets


def removed_by(source: str, target: str, options: Options, held_out: HeldOut, seen: Keys) -> str:
    """The first of FILTERS that removes a normalized pair, "kept" for none; `seen` gains the pair's key."""
    few, many = sorted((words(source), words(target)))
    if not (source and target):
        return "empty"
    if many > options.max_words or max(len(source), len(target)) > options.max_characters:
        return "too_long"
    if many > options.ratio * few:
        return "length_ratio"
    if not options.keep_duplicates and not seen.add(key(f"{source}\n{target}")):
        return "duplicate"
    return "overlap" if key(source) in held_out[0] or key(target) in held_out[1] else "kept"


def clean(
    parts: Sequence[Part], options: Options, held_out: HeldOut, counts: Counter
) -> Iterator[tuple[int, str, str]]:
    """Each normalized training pair that every filter lets pass, after its part's number, from 1.

    `counts` gains what was read and removed. Raises ValueError if none is left.
    """
    counts.update(dict.fromkeys(("read", *FILTERS, "kept"), 0))
    seen = Keys()
    for number, part in enumerate(parts, 1):
        for pair in pairs(part):
            source, target = map(normalize, pair)
            reason = removed_by(source, target, options, held_out, seen)
            counts["read"] += 1
            counts[reason] += 1
            if reason == "kept":
                yield number, source, target
    if not counts["kept"]:
        names = ", ".join(f"{source} and {target}" for source, target in parts)
        raise ValueError(f"no training pairs left of {names}: {dict(counts)}")


# ── splitting a pool ──────────────────────────────────────────────────────────────────────────────


def components(sources: Sequence[int], targets: Sequence[int]) -> np.ndarray:
    """The number of each pair's connected component: pairs that share a side, directly or through others.

    A split must not separate connected pairs: one of them in training would give the others away.
    """
    from scipy.sparse import coo_array, csgraph  # 0.3 s and 34 MB that a split alone should cost

    ends = [np.unique(np.asarray(keys, np.uint64), return_inverse=True)[1] for keys in (sources, targets)]
    sizes = [int(end.max(initial=-1)) + 1 for end in ends]
    edges = coo_array((np.ones(len(sources), bool), (ends[0], ends[1] + sizes[0])), shape=(sum(sizes),) * 2)
    return csgraph.connected_components(edges, directed=False)[1][ends[0]]


def divide(sources: Sequence[int], targets: Sequence[int], split: Split, parts: Sequence[int] = ()) -> list[int]:
    """TRAIN, DEV or TEST for each pair of a pool; connected pairs go together, the sizes are exact.

    The seed and the texts' keys decide the order in which components are taken, whatever the pool's order. A
    component that is larger than what is still wanted stays in training, and so does one with a pair of
    another part than `split.part`; only then are `parts`, each pair's from 1, needed.
    """
    component = components(sources, targets)
    sizes = np.bincount(component)
    mixed = np.unique(component[np.asarray(parts) != split.part]) if split.part else []
    order = np.lexsort((np.asarray(targets, np.uint64), np.asarray(sources, np.uint64), component))
    first = order[np.unique(component[order], return_index=True)[1]]  # of each component, the least pair
    ranks = np.fromiter((key(f"{split.seed} {(sources[pair], targets[pair])}") for pair in first), np.uint64)
    wanted, places = {TEST: split.test, DEV: split.dev}, np.full(len(sizes), TRAIN)
    ranked = np.argsort(ranks)
    for number in ranked[np.isin(ranked, mixed, invert=True)]:
        place = next((place for place in wanted if sizes[number] <= wanted[place]), TRAIN)
        if place != TRAIN:
            places[number] = place
            wanted[place] -= sizes[number]
    if any(wanted.values()):
        raise ValueError(
            f"split: dev = {split.dev}, test = {split.test} cannot be filled from {len(component)} pairs in "
            f"{len(sizes)} groups that share no side, {len(mixed)} of them with pairs of other parts; "
            f"the largest has {sizes.max(initial=0)} pairs"
        )
    return places[component].tolist()


# ── a data set on disk ────────────────────────────────────────────────────────────────────────────


def build(
    output: str | Path,
    languages: tuple[str, str],
    train: Sequence[Part],
    dev: Sequence[Part] = (),
    tests: Mapping[str, Part] | None = None,
    options: Options = Options(),
    split: Split | None = None,
) -> dict:
    """Write OUTPUT/{train,dev}.LANGUAGE, OUTPUT/test/NAME.LANGUAGE and cleaning.json; return its counts.

    Development and test sets stay as published but for trailing whitespace, so that scores remain
    comparable; an empty side in one is an error. Training text streams through; only the keys of its pairs
    stay in memory.
    """
    tests, output = dict(tests or {}), Path(output)
    _check(languages, train, dev, tests, split)
    held_out: HeldOut = (set(), set())
    report: dict = {"filters": list(FILTERS), "tests": {}}
    for name, part in tests.items():
        report["tests"][name] = _write(output / "test" / name, languages, _held_out([part], held_out))
    if dev:
        report["dev"] = _write(output / "dev", languages, _held_out(dev, held_out))
    counts: Counter = Counter()
    cleaned = clean(train, options, held_out, counts)
    if split:
        _write_split(output, languages, cleaned, split)
        report |= {"dev": {"read": split.dev, "kept": split.dev}} if split.dev else {}
        report["tests"] |= {split.name: {"read": split.test, "kept": split.test}} if split.test else {}
        counts["held_out"] = split.dev + split.test
        counts["kept"] -= counts["held_out"]
    else:
        _write(output / "train", languages, ((source, target) for _, source, target in cleaned))
    report["train"] = dict(counts)
    files.write_json(output / "cleaning.json", report)
    return report


def _check(languages: tuple, train: Sequence, dev: Sequence, tests: Mapping, split: Split | None) -> None:
    if not train:
        raise ValueError("no training text given")
    for name in (*languages, *tests, *([split.name] if split else [])):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"'{name}' does not do as part of a file name: letters, digits, '.', '_' and '-'")
    if languages[0] == languages[1]:
        raise ValueError(f"source and target are both called '{languages[0]}'")
    if split and split.part > len(train):
        raise ValueError(f"split: part = {split.part}, but the training text has {len(train)}")
    if split and split.dev and dev:
        raise ValueError("dev is given both as files and by the split")
    if split and split.test and split.name in tests:
        raise ValueError(f"the test set {split.name} is given both as files and by the split")
    if not dev and not (split and split.dev):
        raise ValueError("no development set: name its files, or the pairs to split off for it")


def _held_out(parts: Sequence[Part], keys: HeldOut) -> Iterator[tuple[str, str]]:
    """Read the pairs of a development or test set as they are, and add their keys to `keys`."""
    for part in parts:
        for number, pair in enumerate(pairs(part), 1):
            for side, line, of_side in zip(part, pair, keys, strict=True):
                if not line.strip():
                    raise ValueError(f"{side}: line {number} of a development or test set is empty")
                of_side.add(key(normalize(line)))
            yield pair


def _write(prefix: Path, languages: tuple[str, str], lines: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Write PREFIX.SOURCE and PREFIX.TARGET; how many pairs were read and kept."""
    count = 0
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(files.replacing(f"{prefix}.{language}")) for language in languages]
        outputs = [stack.enter_context(open(path, "w", encoding="utf-8", newline="\n")) for path in paths]
        for count, pair in enumerate(lines, 1):  # noqa: B007
            for file, line in zip(outputs, pair, strict=True):
                file.write(line + "\n")
    return {"read": count, "kept": count}


def _write_split(output: Path, languages: tuple, pool: Iterable[tuple[int, str, str]], split: Split) -> None:
    """Write the pairs of a pool to train, dev and test, as `divide` decides."""
    numbers, sources, targets = array("L"), array("Q"), array("Q")

    def remembered() -> Iterator[tuple[str, str]]:
        for number, source, target in pool:
            numbers.append(number)
            sources.append(key(source))
            targets.append(key(target))
            yield source, target

    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=".pool.") as folder:
        _write(Path(folder, "pool"), languages, remembered())
        places = divide(sources, targets, split, numbers)
        if TRAIN not in places:
            raise ValueError(f"split: dev = {split.dev}, test = {split.test} leave nothing to train on")
        part = tuple(Side(str(Path(folder, f"pool.{language}"))) for language in languages)
        for place, name in {TRAIN: "train", DEV: "dev", TEST: f"test/{split.name}"}.items():
            if place in places:
                chosen = (pair for at, pair in zip(places, pairs(part), strict=True) if at == place)
                _write(output / name, languages, chosen)
