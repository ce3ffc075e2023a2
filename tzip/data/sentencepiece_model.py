"""The pieces inside a SentencePiece model, out of its bytes and into them again.

A model is a protocol buffer (`sentencepiece_model.proto`): a message per piece, then the specifications of
trainer and normalizer, which are left as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NORMAL = 1  # the type that a piece does not state; unknown, control, user-defined and byte pieces have others
PIECE, TEXT, SCORE, TYPE = 0x0A, 0x0A, 0x15, 0x18  # each the number of a field, and its kind of value
GRID = 0.5  # between scores, once they are rounded


@dataclass(frozen=True)
class Piece:
    """A piece: how it is written, its log-probability, its type."""

    text: str
    score: float
    type: int = NORMAL


def split(model: bytes) -> tuple[list[Piece], bytes]:
    """The pieces of a model by their ids, and the bytes of all other fields; ValueError if it is no model."""
    pieces, rest = [], []
    try:
        for tag, value, whole in _fields(model):
            if tag != PIECE:
                rest.append(whole)
                continue
            fields = {tag: value for tag, value, _ in _fields(value)}
            kind = _number(fields[TYPE], 0)[0] if TYPE in fields else NORMAL
            pieces.append(Piece(fields[TEXT].decode("utf-8"), *struct.unpack("<f", fields[SCORE]), kind))
    except (KeyError, IndexError, struct.error, UnicodeDecodeError):
        raise ValueError("not a SentencePiece model") from None
    return pieces, b"".join(rest)


def join(pieces: Iterable[Piece], rest: bytes) -> bytes:
    """The model of these pieces and other fields, written as SentencePiece itself writes it."""
    messages = []
    for piece in pieces:
        message = _delimited(TEXT, piece.text.encode("utf-8")) + bytes([SCORE]) + struct.pack("<f", piece.score)
        if piece.type != NORMAL:
            message += bytes([TYPE]) + _varint(piece.type)
        messages.append(_delimited(PIECE, message))
    return b"".join([*messages, rest])


def rounded(model: bytes) -> bytes:
    """The model with its scores on a grid, and normal pieces by their scores, then in the order of their text.

    Other pieces keep their ids and stand first. So a file can store pieces in alphabetical order with small
    numbers for scores, and the very same model comes back: text is cut alike everywhere.
    """
    pieces, rest = split(model)
    normal = [Piece(piece.text, round(piece.score / GRID) * GRID) for piece in pieces if piece.type == NORMAL]
    return join([piece for piece in pieces if piece.type != NORMAL] + ordered(normal), rest)


def ordered(pieces: Iterable[Piece]) -> list[Piece]:
    """Pieces in the order of their ids: the most probable first, of equal ones by the code points of their text."""
    return sorted(pieces, key=lambda piece: (-piece.score, piece.text))


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field: its tag, its value, and both as they are written. IndexError if the message ends too early."""
    position = 0
    while position < len(message):
        begin = position
        tag, position = _number(message, position)
        kind = tag & 7
        if kind == 2:
            size, position = _number(message, position)
        elif kind == 0:
            size = _number(message, position)[1] - position
        else:
            size = {1: 8, 5: 4}[kind]
        end = position + size
        if end > len(message):
            raise IndexError
        yield tag, message[position:end], message[begin:end]
        position = end


def _number(message: bytes, position: int) -> tuple[int, int]:
    """The variable-length integer at a position, and the position behind it."""
    value = shift = 0
    while message[position] & 0x80:
        value |= (message[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
    return value | message[position] << shift, position + 1


def _varint(value: int) -> bytes:
    """A variable-length integer: seven bits per byte, the lowest first."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _delimited(tag: int, value: bytes) -> bytes:
    return bytes([tag]) + _varint(len(value)) + value
