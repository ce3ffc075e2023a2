"""A vocabulary as a file stores it: the pieces of a SentencePiece model in alphabetical order, front-coded.

The layout is in docs/format.md. Reading trusts nothing, and makes no more bytes than it is allowed to.
"""

import struct

from tzip.data.sentencepiece_model import GRID, NORMAL, Piece, join, split

MAGIC = b"tzip pieces 2\n"
SIZES = struct.Struct("<3I")  # pieces, bytes of the model before them, bytes of their endings
LEAST = 9  # bytes of a piece in the model, beside its text
SHARED = SCORES = 255  # the most that a byte holds: of what a piece shares with the one before it, and of its score


def pack(model: bytes) -> bytes:
    """A vocabulary in its shorter form, if it has one from which it comes back byte for byte; else as it is.

    It has one if its pieces, other than special ones, are in the order of their score, then of their text, with scores
    between -127.5 and 0 on its grid, as `sentencepiece_model.rounded` leaves them.
    """
    if model.startswith(MAGIC):
        raise ValueError("vocabulary: it begins like one in another form")
    try:
        pieces, tail = split(model)
        packed = _packed(pieces, tail)
        return packed if len(packed) < len(model) and unpack(packed, len(model)) == model else model
    except ValueError:
        return model


def unpack(data: bytes, most: int) -> bytes:
    """What `pack` made `data` from; ValueError for other bytes, and for a model of more than `most`."""
    if not data.startswith(MAGIC):
        return data
    start = len(MAGIC) + SIZES.size
    if len(data) < start:
        raise ValueError("vocabulary: incomplete")
    count, before, size = SIZES.unpack_from(data, len(MAGIC))
    text, head = start + 2 * count, start + 2 * count + size
    if head + before > len(data):
        raise ValueError(f"vocabulary: {head + before} bytes expected, {len(data)} found")
    endings = data[text:head].split(b"\n")
    if len(endings) != count + 1 or endings.pop():
        raise ValueError(f"vocabulary: {count} pieces expected, {len(endings) - 1} found")
    pieces, piece, total = [], b"", len(data) - head
    for shared, score, ending in zip(data[start : start + count], data[start + count : text], endings, strict=True):
        if shared > len(piece):
            raise ValueError(f"vocabulary: a piece shares {shared} bytes with one of {len(piece)}")
        piece = piece[:shared] + ending
        total += len(piece) + LEAST
        if total > most:
            raise ValueError(f"vocabulary: more than {most} bytes")
        pieces.append((score, piece))
    normal = (Piece(piece.decode("utf-8"), 0.0 - GRID * score) for score, piece in sorted(pieces))  # as `ordered`
    model = data[head : head + before] + join(normal, data[head + before :])
    if len(model) > most:
        raise ValueError(f"vocabulary: more than {most} bytes")
    return model


def _packed(pieces: list[Piece], tail: bytes) -> bytes:
    """The shorter form; ValueError if a score does not fit it."""
    head = join((piece for piece in pieces if piece.type != NORMAL), b"")
    normal = sorted((piece.text.encode("utf-8"), -piece.score / GRID) for piece in pieces if piece.type == NORMAL)
    shared, endings, previous = [], [], b""
    for text, _ in normal:
        most = min(len(previous), len(text), SHARED)
        shared.append(next((i for i in range(most) if previous[i] != text[i]), most))
        endings.append(text[shared[-1] :] + b"\n")
        previous = text
    scores = [int(score) if 0 <= score <= SCORES else -1 for _, score in normal]
    text = b"".join(endings)
    sizes = SIZES.pack(len(normal), len(head), len(text))
    return b"".join([MAGIC, sizes, bytes(shared), bytes(scores), text, head, tail])
