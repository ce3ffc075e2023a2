"""Text as numbers: a vocabulary of pieces for both languages, corpora encoded once into mapped files."""

from __future__ import annotations

import contextlib
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import sentencepiece

from tzip import files
from tzip.data import lists, sentencepiece_model
from tzip.data.corpus import Side, pairs
from tzip.data.text import normalize, spaced
from tzip.options import option

PAD, UNKNOWN, BEGIN, END = range(4)
CHUNK = 4096  # pairs encoded at once
LANGUAGE = re.compile(r">>.*?<<")  # at a line's beginning: the piece of the language to translate into


@dataclass(frozen=True)
class Options:
    """The vocabulary that both languages share."""

    size: int = option(6000, "pieces, the 4 special and 256 byte pieces included", low=264, high=65536)
    coverage: float = option(
        1.0, "share of characters with a piece of their own; bytes spell the rest", low=0.9, high=1.0
    )
    sentences: int = option(1000000, "lines to learn from, evenly spaced where there are more", low=1)


def train(paths: Sequence[str | Path], output: str | Path, options: Options = Options()) -> Pieces:
    """Learn a unigram vocabulary (Kudo 2018) from the lines of all `paths` and write it to `output`.

    Text is taken as it is (NFC, no NFKC folding: output keeps the typography of its references), every
    character can be spelled in bytes, so nothing is ever unknown. One thread: the same text gives the same
    bytes. Scores are rounded, so that a file holds them in a few bits (`sentencepiece_model.rounded`). Raises
    ValueError if the text is too small for `options.size`.
    """
    total = sum(1 for _ in _lines(paths))
    if not total:
        raise ValueError(f"no text to learn pieces from in {', '.join(map(str, paths))}")
    stride = -(-total // options.sentences)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=islice(_lines(paths), 0, None, stride),
            model_writer=model,
            model_type="unigram",
            vocab_size=options.size,
            character_coverage=options.coverage,
            byte_fallback=True,
            normalization_rule_name="identity",
            max_sentence_length=1 << 16,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(_why(str(error), options)) from None
    pieces = Pieces(sentencepiece_model.rounded(model.getvalue()))
    with files.replacing(output) as temporary:
        temporary.write_bytes(pieces.model)
    return pieces


def _lines(paths: Iterable[str | Path]) -> Iterator[str]:
    for path in paths:
        yield from filter(None, map(normalize, Side(str(path)).lines()))


def _why(message: str, options: Options) -> str:
    if match := re.search(r"value <= (\d+)", message):
        return f"pieces: size = {options.size} is more than this text can fill; at most {match[1]}"
    if match := re.search(r"required_chars\. \d+ vs (\d+)", message):
        least = f"at least {match[1]}, or a lower coverage (coverage = {options.coverage})"
        return f"pieces: size = {options.size} has no room for the characters of this text: {least}"
    return f"pieces: SentencePiece failed: {message}"


class Pieces:
    """A vocabulary: text to piece ids and back; ids 0 to 3 are PAD, UNKNOWN, BEGIN and END.

    model    path or bytes of a SentencePiece model that numbers its pieces itself, as `train` makes it, or of
             one with lists (`lists.pack`), as imported models have it; ValueError if it is damaged or of
             another layout
    shared   whether both sides have the same pieces, by the same ids
    targets  number of pieces of the target; len() gives that of the source
    """

    def __init__(self, model: str | Path | bytes):
        name = "SentencePiece model" if isinstance(model, bytes) else str(model)
        self.model = model if isinstance(model, bytes) else Path(model).read_bytes()
        self._lists = None
        if self.model.startswith(lists.MAGIC):
            try:
                self._lists = lists.unpack(self.model)
                self._source = self._target = sentence_pieces(
                    self._lists.source_model, "the source's SentencePiece model"
                )
                if self._lists.target_model:
                    self._target = sentence_pieces(self._lists.target_model, "the target's SentencePiece model")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            self._pieces = (self._lists.source, self._lists.target or self._lists.source)
            self._ids = tuple({piece: i for i, piece in enumerate(side) if i > END} for side in self._pieces)
            prefixes = (self._lists.prefix, self._lists.target_prefix)
            self._before = [[ids[piece]] if piece else [] for ids, piece in zip(self._ids, prefixes, strict=True)]
        else:
            self._source = self._target = sentence_pieces(self.model, name)
            special = tuple(getattr(self._source, f"{special}_id")() for special in ("pad", "unk", "bos", "eos"))
            if special != (PAD, UNKNOWN, BEGIN, END):
                raise ValueError(f"{name}: pad, unk, bos, eos are {special}, expected {(PAD, UNKNOWN, BEGIN, END)}")
            self._pieces = ([self._source.id_to_piece(i) for i in range(len(self._source))],) * 2
        self.shared = self._pieces[0] is self._pieces[1]
        self.targets = len(self._pieces[1])

    def __len__(self) -> int:
        return len(self._pieces[0])

    def copies(self) -> list[int | None]:
        """Of each source piece, the target piece that is spelled alike."""
        if self.shared:
            return list(range(len(self)))
        return [self._ids[True].get(piece) for piece in self._pieces[0]]

    @property
    def models(self) -> tuple[bytes, bytes]:
        """The SentencePiece models that cut text: the source's and the target's."""
        if self._lists is None:
            return self.model, self.model
        return self._lists.source_model, self._lists.target_model or self._lists.source_model

    def decides(self) -> dict[str, int | bool]:
        """What a model of these pieces cannot choose; as `Config` wants it."""
        if self._lists is None:
            return {"vocabulary": len(self)}
        form = {"vocabulary": len(self), "target_vocabulary": 0 if self.shared else self.targets}
        first = self._before[True][0] if self._before[True] else 0
        return form | {"source_end": self._lists.source_end, "target_prefix": first}

    def encode(self, lines: list[str], target: bool = False) -> list[list[int]]:
        """Piece ids of each line, without BEGIN and END; of the source, or of the `target`.

        A vocabulary without lists takes a line as `normalize` gives it; U+2581, by which SentencePiece marks a
        space, becomes one. One with lists takes lines as `spaced` gives them, for which its model may have a form
        of its own, and has UNKNOWN for a piece that is not listed. A blank line has no pieces, any other begins
        with the prefix of its side. A source that begins with a listed piece like >>deu<< has this instead.
        """
        if self._lists is None:
            return self._source.encode([normalize(line) for line in lines])
        ids, processor = self._ids[target], (self._target if target else self._source)
        befores, texts = [], []
        for line in map(spaced, lines):
            code = LANGUAGE.match(line)
            own = ids.get(code[0]) if code and not target else None
            befores.append(self._before[target] if own is None else [own])
            texts.append(line if own is None else line[code.end() :])
        rows = zip(befores, processor.encode(texts, out_type=str), strict=True)
        return [before + [ids.get(piece, UNKNOWN) for piece in row] if row else [] for before, row in rows]

    def decode(self, rows: list[list[int]]) -> list[str]:
        """Text of each row of target ids, one line each whatever it spells; special ids leave no trace."""
        rows = [list(map(int, row)) for row in rows]
        for row in rows:
            if row and (min(row) < 0 or max(row) >= self.targets):
                raise ValueError(f"piece ids {min(row)} to {max(row)}, but there are {self.targets} pieces")
        if self._lists is None:
            texts = self._source.decode(rows)
        else:
            spelled = [self.spell([piece for piece in row if piece > END], target=True) for row in rows]
            texts = [self._target.decode(row).replace("▁", " ").strip() for row in spelled]
        return [" ".join(text.splitlines()) for text in texts]

    def spell(self, ids: Iterable[int], target: bool = False) -> list[str]:
        """Each id's piece as it is written in the vocabulary: '▁' begins a word."""
        return [self._pieces[target][int(piece)] for piece in ids]


def sentence_pieces(model: bytes, name: str) -> sentencepiece.SentencePieceProcessor:
    """A SentencePiece model, opened; ValueError if its bytes are no such thing."""
    if not model:  # which SentencePiece would take for no model at all
        raise ValueError(f"{name}: empty")
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        for piece in range(len(processor)):
            processor.id_to_piece(piece)  # ValueError: not UTF-8
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{name}: not a usable SentencePiece model: {error}") from None
    return processor


# ── encoded corpora ───────────────────────────────────────────────────────────────────────────────


def encode_pairs(
    pieces: Pieces, parts: Sequence[tuple[str | Path, str | Path]], prefix: str | Path, max_length: int
) -> dict[str, int]:
    """Encode parallel files into PREFIX.tokens.npy and PREFIX.offsets.npy, for `Encoded` to map.

    parts       a source and a target file each, one part after the other
    max_length  pieces that a side may have, END included; pairs with a longer side are dropped
    Returns {"pairs": written, "dropped": too long, "tokens": written on both sides}.
    """
    kind = np.uint16 if max(len(pieces), pieces.targets) <= 1 << 16 else np.int32
    done = {"pairs": 0, "dropped": 0, "tokens": 0}
    lines = chain.from_iterable(pairs((Side(str(source)), Side(str(target)))) for source, target in parts)
    with (
        _growing(f"{prefix}.tokens.npy", kind) as add_tokens,
        _growing(f"{prefix}.offsets.npy", np.int64) as add_offsets,
    ):
        add_offsets([0])
        while chunk := list(islice(lines, CHUNK)):
            source, target = (list(side) for side in zip(*chunk, strict=True))
            sides = (pieces.encode(source), pieces.encode(target, target=True))
            kept = [side for pair in zip(*sides, strict=True) if max(map(len, pair)) < max_length for side in pair]
            add_offsets(done["tokens"] + np.cumsum([len(side) for side in kept], dtype=np.int64))
            done["tokens"] = add_tokens([piece for side in kept for piece in side])
            done["pairs"] += len(kept) // 2
            done["dropped"] += len(chunk) - len(kept) // 2
        if not done["pairs"]:
            raise ValueError(f"{parts[0][0]}: none of {done['dropped']} pairs has at most {max_length} pieces per side")
    return done


@contextlib.contextmanager
def _growing(path: str, kind: type) -> Iterator[Callable[[Iterable[int]], int]]:
    """A function that appends numbers to a 1-D .npy file, and returns how many there are by then."""
    count = 0
    with files.replacing(path) as temporary, open(temporary, "wb") as file:

        def write_header() -> int:  # numpy leaves room in it for the final length
            file.seek(0)
            header = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": (count,)}
            np.lib.format.write_array_header_1_0(file, header)
            return file.tell()

        def append(values: Iterable[int]) -> int:
            nonlocal count
            values = np.asarray(values, kind)
            file.write(values.tobytes())
            count += len(values)
            return count

        write_header()
        yield append
        write_header()  # with the final length, in as many bytes


class Encoded:
    """Parallel text as piece ids, mapped from disk.

    tokens   uint16 or int32 [pieces]: source then target of pair 0, source then target of pair 1, ...
    offsets  int64 [2 × pairs + 1]: where each side begins, and the end
    """

    def __init__(self, prefix: str | Path):
        try:
            tokens, offsets = (
                np.load(f"{prefix}.{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("tokens", "offsets")
            )
        except (ValueError, TypeError, OverflowError, EOFError, SyntaxError, tokenize.TokenError) as error:
            raise ValueError(f"{prefix}: not an encoded corpus: {error}") from None
        self.tokens, self.offsets = np.asarray(tokens), np.asarray(offsets)  # mapped all the same, sliced faster
        fits = tokens.ndim == offsets.ndim == 1 and offsets.dtype == np.int64
        fits = fits and len(offsets) % 2 == 1 and offsets[0] == 0 and offsets[-1] == len(tokens)
        if not fits or (np.diff(self.offsets) < 0).any():
            raise ValueError(f"{prefix}: tokens and offsets do not belong together; encode the text again")

    def __len__(self) -> int:
        return len(self.offsets) // 2

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target ids of one pair, without BEGIN and END."""
        begin, middle, end = self.offsets[2 * index : 2 * index + 3]
        return self.tokens[begin:middle], self.tokens[middle:end]

    def lengths(self) -> np.ndarray:
        """int64 [pairs, 2]: pieces of source and target of each pair, without BEGIN and END."""
        return np.diff(self.offsets).reshape(-1, 2)
