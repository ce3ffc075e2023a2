"""From files as people publish them to clean parallel text: read, checked, filtered, split without leaks."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tzip import files
from tzip.fetch import open_member, open_plain
from tzip.options import option
from tzip.seen import Seen, seen

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
        """'PATH', 'PATH::MEMBER', 'PATH#COLUMN' or 'PATH::MEMBER#COLUMN'."""
        match = re.fullmatch(r"(?s)(.+?)(?:::(.+?))?(?:#([1-9]\d*))?", text)
        if not match:
            raise ValueError(f"'{text}' is not of the form PATH::MEMBER#COLUMN")
        return cls(match[1], match[2] or "", int(match[3] or 0))

    def __str__(self) -> str:
        column = f"#{self.column}" if self.column else ""
        return self.path + (f"::{self.member}" if self.member else "") + column

    def lines(self) -> Iterator[str]:
        """The text, line by line, without trailing whitespace; ValueError names this side and the line.

        A line ends at LF alone; other line breaks inside it become a space, so that every reader counts
        the same lines. A line that begins with U+2581 is text cut into SentencePiece pieces (the paper's
        training archive is): it is joined again.
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


def normalize(line: str) -> str:
    """Unicode NFC, runs of whitespace as one space: what training text is, and what texts are compared by."""
    return " ".join(unicodedata.normalize("NFC", line).split())


def key(text: str) -> int:
    """64 bits that stand for a text: sets of these take a fraction of the room of the texts."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def filters(
    options: Options, held_out: tuple[set[int], set[int]], met: Seen
) -> dict[str, Callable[[str, str], bool]]:
    """Name of each filter → whether it removes a normalized pair, in the order of FILTERS.

    held_out  keys of the sources and of the targets of all development and test sets
    met       the keys of the pairs before
    """

    def too_long(source: str, target: str) -> bool:
        words = max(source.count(" "), target.count(" ")) + 1
        return words > options.max_words or max(len(source), len(target)) > options.max_characters

    def length_ratio(source: str, target: str) -> bool:
        low, high = sorted((source.count(" ") + 1, target.count(" ") + 1))
        return high > options.ratio * low

    def duplicate(source: str, target: str) -> bool:
        return not options.keep_duplicates and not met.add(key(f"{source}\n{target}"))

    def overlap(source: str, target: str) -> bool:
        return key(source) in held_out[0] or key(target) in held_out[1]

    removes = (lambda source, target: not (source and target), too_long, length_ratio, duplicate, overlap)
    return dict(zip(FILTERS, removes, strict=True))


def clean(
    parts: Iterable[Part], options: Options, held_out: tuple[set[int], set[int]], counts: Counter
) -> Iterator[tuple[int, str, str]]:
    """The normalized training pairs that every filter lets pass, each after its part's number, from 1.

    `counts` gains what was read and removed. Raises ValueError if none is left.
    """
    parts = list(parts)
    counts.update(dict.fromkeys(("read", *FILTERS, "kept"), 0))
    with seen() as met:
        chain_of_filters = filters(options, held_out, met).items()
        for number, pair in ((number, pair) for number, part in enumerate(parts, 1) for pair in pairs(part)):
            source, target = map(normalize, pair)
            counts["read"] += 1
            reason = next((name for name, removes in chain_of_filters if removes(source, target)), "kept")
            counts[reason] += 1
            if reason == "kept":
                yield number, source, target
    if not counts["kept"]:
        names = ", ".join(f"{source} and {target}" for source, target in parts)
        raise ValueError(f"no training pairs left of {names}: {dict(counts)}")


# ── splitting a pool ──────────────────────────────────────────────────────────────────────────────


def components(sources: Sequence[int], targets: Sequence[int]) -> list[int]:
    """For each pair, the first of the pairs that it is connected to through shared sources or targets.

    Pairs that share a side, and pairs that share one with those, and so on, must not be torn apart by a
    split: one of them in training gives the others away.
    """
    parent = list(range(len(sources)))

    def find(pair: int) -> int:
        while parent[pair] != pair:
            parent[pair] = pair = parent[parent[pair]]
        return pair

    for keys in (sources, targets):
        first: dict[int, int] = {}
        for pair, side in enumerate(keys):
            low, high = sorted((find(first.setdefault(side, pair)), find(pair)))
            parent[high] = low
    return [find(pair) for pair in range(len(parent))]


def divide(
    sources: Sequence[int], targets: Sequence[int], split: Split, parts: Sequence[int] = ()
) -> list[int]:
    """TRAIN, DEV or TEST for each pair of a pool; connected pairs go together, the sizes are exact.

    Components are taken in an order that the seed and the texts' keys decide, whatever the pool's order;
    one that is larger than what is still wanted stays in training, as does one with a pair of another part
    than `split.part`.

    parts  each pair's, counted from 1; not needed where `split.part` is 0
    """
    roots = components(sources, targets)
    size = Counter(roots)
    strange = {root for root, part in zip(roots, parts, strict=False) if split.part not in (0, part)}
    least: dict[int, tuple[int, int]] = {}
    for root, pair in zip(roots, zip(sources, targets, strict=True), strict=True):
        least[root] = min(least.get(root, pair), pair)
    rank = {root: key(f"{split.seed} {pair}") for root, pair in least.items()}
    wanted, place = {TEST: split.test, DEV: split.dev}, {}
    for root in sorted(rank.keys() - strange, key=rank.__getitem__):
        part = next((part for part in wanted if size[root] <= wanted[part]), None)
        if part is not None:
            place[root] = part
            wanted[part] -= size[root]
    if any(wanted.values()):
        raise ValueError(
            f"split: dev = {split.dev}, test = {split.test} cannot be filled from {len(roots)} pairs in "
            f"{len(size)} groups that share no side, {len(strange)} of them with pairs of other parts; "
            f"the largest has {max(size.values(), default=0)} pairs"
        )
    return [place.get(root, TRAIN) for root in roots]


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
    """Write OUTPUT/{train,dev}.LANGUAGE, OUTPUT/test/NAME.LANGUAGE and cleaning.json; what the last one says.

    Development and test sets stay as published but for trailing whitespace, so that scores remain
    comparable; an empty side in one is an error. Training text streams through, its keys lie on disk; a split
    alone holds keys of all pairs in memory.
    """
    tests, output = dict(tests or {}), Path(output)
    _check(languages, train, dev, tests, split)
    held_out: tuple[set[int], set[int]] = (set(), set())
    report: dict = {"filters": list(FILTERS), "tests": {}}
    for name, part in tests.items():
        count = _write(output / "test" / name, languages, _held_out([part], held_out))
        report["tests"][name] = {"read": count, "kept": count}
    if dev:
        count = _write(output / "dev", languages, _held_out(dev, held_out))
        report["dev"] = {"read": count, "kept": count}
    counts: Counter = Counter()
    cleaned = clean(train, options, held_out, counts)
    if split:
        _write_split(output, languages, cleaned, split)
        if split.dev:
            report["dev"] = {"read": split.dev, "kept": split.dev}
        if split.test:
            report["tests"][split.name] = {"read": split.test, "kept": split.test}
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
            raise ValueError(
                f"'{name}' does not do as part of a file name: letters, digits, '.', '_' and '-'"
            )
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


def _held_out(parts: Sequence[Part], keys: tuple[set[int], set[int]]) -> Iterator[tuple[str, str]]:
    """The pairs of a development or test set as they are; their keys are added to `keys`."""
    for part in parts:
        for number, pair in enumerate(pairs(part), 1):
            for side, line, of_side in zip(part, pair, keys, strict=True):
                if not line.strip():
                    raise ValueError(f"{side}: line {number} of a development or test set is empty")
                of_side.add(key(normalize(line)))
            yield pair


@contextlib.contextmanager
def _writers(prefix: Path, languages: tuple[str, str]) -> Iterator[Callable[[tuple[str, str]], None]]:
    """A function that appends a pair to PREFIX.SOURCE and PREFIX.TARGET."""
    with contextlib.ExitStack() as stack:
        outputs: list[IO[str]] = []
        for language in languages:
            temporary = stack.enter_context(files.replacing(f"{prefix}.{language}"))
            outputs.append(stack.enter_context(open(temporary, "w", encoding="utf-8", newline="\n")))

        def write(pair: tuple[str, str]) -> None:
            for file, line in zip(outputs, pair, strict=True):
                file.write(line + "\n")

        yield write


def _write(prefix: Path, languages: tuple[str, str], lines: Iterable[tuple[str, str]]) -> int:
    count = 0
    with _writers(prefix, languages) as write:
        for count, pair in enumerate(lines, 1):  # noqa: B007
            write(pair)
    return count


def _write_split(
    output: Path, languages: tuple[str, str], pool: Iterable[tuple[int, str, str]], split: Split
) -> None:
    """Distribute a pool over train, dev and test, as `divide` says."""
    sizes = {TRAIN: 1, DEV: split.dev, TEST: split.test}
    names = {place: ("train", "dev", f"test/{split.name}")[place] for place, size in sizes.items() if size}
    numbers, sources, targets = array("L"), array("Q"), array("Q")

    def remember(found: tuple[int, str, str]) -> tuple[str, str]:
        number, source, target = found
        numbers.append(number)
        sources.append(key(source))
        targets.append(key(target))
        return source, target

    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=".pool.") as folder, contextlib.ExitStack() as stack:
        _write(Path(folder, "pool"), languages, map(remember, pool))
        places = divide(sources, targets, split, numbers)
        if TRAIN not in places:
            raise ValueError(f"split: dev = {split.dev}, test = {split.test} leave nothing to train on")
        writers = {
            place: stack.enter_context(_writers(output / name, languages)) for place, name in names.items()
        }
        part = tuple(Side(str(Path(folder, f"pool.{language}"))) for language in languages)
        for place, pair in zip(places, pairs(part), strict=True):
            writers[place](pair)
