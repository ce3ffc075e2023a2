"""`tzip translate`: files as a whole, pipes as their lines come; text or JSON, with progress on a terminal."""

import contextlib
import json
import math
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tzip import files, pipeline
from tzip.data import text
from tzip.interface.translator import Translator
from tzip.nmt.options import Search

Beam = list[tuple[str, float]]  # translations of a line with their scores, best first


@dataclass(frozen=True)
class Form:
    """How lines come and go.

    batch     lines to read, translate and write at once; 0 for all; None for all of a file, and 1 of a pipe
    jsonl     lines are JSON objects with a `text`; they gain their `translations`
    language  of the sentences that a line is split into; None: it is not split
    """

    batch: int | None = None
    jsonl: bool = False
    language: str | None = None


@dataclass(frozen=True)
class Part:
    """Lines that are translated together, the number of the first, and their texts."""

    where: str
    first: int
    lines: list[str]
    texts: list[str]


def run(
    model: Path,
    sources: Sequence[Path],
    output: Path | None,
    summary: Path | None,
    form: Form,
    search: Search,
    threads: int | None,
) -> None:
    """Translate files, or standard input, to a file as a whole, or to standard output part by part."""
    if form.batch is not None and form.batch < 0:
        raise ValueError(f"batch = {form.batch} is not an integer at least 0")
    if form.language and search.nbest > 1:
        raise ValueError("--nbest and --split-sentences do not go together")
    if not sources and sys.stdin is None:
        raise ValueError("standard input is closed; name a file to translate")
    live = not sources and not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)  # a pipe or a terminal
    size = int(live) if form.batch is None else form.batch
    parts: Iterator[Part] | list[Part] = read(sources, size, form.jsonl)
    if not (live and size):
        parts = list(parts)  # a mistake in what is there already is found before anything is translated
    total = sum(words(part.texts) for part in parts) if isinstance(parts, list) else None
    translator, number = Translator(model, pipeline.here(threads)), 0
    with sink(output) as write, bar(total, shown=bool(output) or not (live and sys.stdout.isatty())) as progress:
        for part in parts:
            where = f"{part.where}: " if len(sources) > 1 else ""
            beams = translated(translator, part, where, form.language, search, progress)
            rows = as_json(part.lines, beams) if form.jsonl else as_text(beams, search.nbest, number)
            write("".join(f"{row}\n" for row in rows))
            number += len(beams)
    if summary:
        files.write_json(summary, translator.report(search))


def read(sources: Sequence[Path], size: int, jsonl: bool) -> Iterator[Part]:
    """The parts of files or, without any, of standard input: so many lines each, or, of size 0, all of a file."""
    for source in sources or [None]:
        where, first = str(source or "standard input"), 1
        with open(source, "rb") if source else contextlib.nullcontext(sys.stdin.buffer) as file:
            while raw := b"".join(islice(file, size or None)):
                lines = files.split_lines(raw, where, first)
                texts = lines
                if jsonl:
                    texts = [parsed(line, f"{where}: line {i}") for i, line in enumerate(lines, first)]
                yield Part(where, first, lines, texts)
                first += len(lines)


def parsed(line: str, where: str) -> str:
    """The text of a JSON object; ValueError names the line that has none."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(line)
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            return value["text"]
    raise ValueError(f'{where} is no JSON object with a text, as {{"text": "..."}}')


def translated(
    translator: Translator, part: Part, where: str, language: str | None, search: Search, progress: tqdm
) -> list[Beam]:
    """The n best translations of each line of a part; of several sentences in a line, those joined, without a score."""
    split = [text.sentences(line, language) for line in part.texts]
    flat = list(chain.from_iterable(split))

    def warn(said: str) -> None:
        progress.write(f"warning: {where}{said}", file=sys.stderr)

    def done(indices: list[int]) -> None:
        progress.update(words(flat[i] for i in indices))

    found = iter(translator.translate(flat, search, warn=warn, first=part.first, progress=done))
    beams = [[next(found) for _ in sentences] for sentences in split]
    return [
        line[0] if len(line) == 1 else [(" ".join(filter(None, (beam[0][0] for beam in line))), math.nan)]
        for line in beams
    ]


def as_text(beams: list[Beam], nbest: int, first: int) -> Iterator[str]:
    """The best translation of each line; or the n best, as Moses and Marian print them."""
    for number, beam in enumerate(beams, first):
        if nbest == 1:
            yield beam[0][0]
        else:
            yield from (f"{number} ||| {line} ||| {score:.4f}" for line, score in beam)


def as_json(lines: list[str], beams: list[Beam]) -> Iterator[str]:
    """The objects of the lines with their translations, each with its score, null where there is none."""
    for line, beam in zip(lines, beams, strict=True):
        found = [{"text": one, "score": None if math.isnan(score) else round(score, 4)} for one, score in beam]
        yield json.dumps(json.loads(line) | {"translations": found}, ensure_ascii=False)


def words(lines: Any) -> int:
    return sum(len(line.split()) for line in lines)


@contextlib.contextmanager
def sink(output: Path | None) -> Iterator[Callable[[str], Any]]:
    """What writes text to a file, whole or not at all, or at once to standard output."""
    if output is None:
        yield lambda said: print(said, end="", flush=True)
        return
    with files.replacing(output) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        yield file.write


def bar(total: int | None, shown: bool) -> tqdm:
    """Words that are translated, and words per second, on standard error if that is a terminal."""
    return tqdm(total=total, unit=" words", disable=None if shown else True, leave=False)
