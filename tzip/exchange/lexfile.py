"""Firefox's shortlist (lex.*.s2t.bin): which target pieces each source piece allows, by their numbers.

Read in marian-dev's src/data/shortlist.cpp. Little-endian: six uint64 (MAGIC, checksum, number of target pieces
that are always allowed, most per source piece, number of offsets, number of entries), the offsets as uint64, one
per source piece and one behind the last, and the entries as uint32. The checksum covers all after itself.
"""

import itertools
import struct
from pathlib import Path

import numpy as np

from tzip import files

MAGIC = 0xF11A48D5013417F5
HEAD = struct.Struct("<6Q")
ALWAYS = 2  # the first pieces: the end and unknown
Lists = list[list[int]]


def of(path: str | Path, sources: list[str], targets: list[str]) -> tuple[int, Lists]:
    """How many first target pieces are always allowed, and per source piece those that it allows.

    path              a file of `shortlist.write`, or one of this form
    sources, targets  the pieces of each side by their numbers; the first source piece is the end, which every
                      sentence has: it allows what a shortlist of ours allows always
    ValueError in one line for a piece that is not there.
    """
    with open(path, "rb") as file:
        if file.read(8) == struct.pack("<Q", MAGIC):
            return read(path, len(sources), len(targets))
    numbers = [{piece: i for i, piece in enumerate(side)} for side in (sources, targets)]
    lists: Lists = [[] for _ in sources]
    for number, line in enumerate(files.read_lines(path), 1):
        source, _, allowed = line.partition("\t")
        try:
            row = numbers[0][source] if source else 0
            lists[row] = [numbers[1][piece] for piece in allowed.split(" ") if piece]
        except KeyError as error:
            raise ValueError(f"{path}: line {number}: {error} is not a piece of this model's vocabulary") from None
    return ALWAYS, lists


def read(path: str | Path, sources: int, targets: int) -> tuple[int, Lists]:
    """A file of this form, for so many pieces on each side; ValueError in one line if it is damaged or another's."""
    data = Path(path).read_bytes()
    if len(data) < HEAD.size:
        raise ValueError(f"{path}: a shortlist that ends too early")
    _, expected, always, _, offsets, entries = HEAD.unpack_from(data)
    if len(data) != HEAD.size + 8 * offsets + 4 * entries or checksum(data) != expected:
        raise ValueError(f"{path}: a damaged shortlist: its size or its checksum is wrong")
    places = np.frombuffer(data, "<u8", offsets, HEAD.size)
    pieces = np.frombuffer(data, "<u4", entries, HEAD.size + 8 * offsets)
    if offsets != sources + 1 or (pieces >= targets).any() or (np.diff(places.astype(np.int64)) < 0).any():
        raise ValueError(
            f"{path}: a shortlist for {offsets - 1} source pieces; this model has {sources}, and {targets}"
        )
    if places[-1] > entries:
        raise ValueError(f"{path}: a shortlist whose offsets lead behind its end")
    return always, [pieces[begin:end].tolist() for begin, end in itertools.pairwise(places)]


def write(path: Path, always: int, lists: Lists) -> None:
    """Write a file of this form. A last entry belongs to no piece: Marian wants every offset below their number."""
    offsets = np.cumsum([0, *map(len, lists)], dtype="<u8")
    entries = np.array([piece for row in lists for piece in row] + [0], "<u4")
    rest = struct.pack("<4Q", always, max(map(len, lists)), len(offsets), len(entries))
    rest += offsets.tobytes() + entries.tobytes()
    with files.replacing(path) as temporary:
        temporary.write_bytes(struct.pack("<2Q", MAGIC, checksum(bytes(16) + rest)) + rest)


def checksum(data: bytes) -> int:
    """Boost's hash of the 64-bit words from the third on, without an odd half word at the end."""
    seed, mask = 0, (1 << 64) - 1
    for word in np.frombuffer(data, "<u8", len(data) // 8)[2:].tolist():
        seed ^= (word + 0x9E3779B9 + (seed << 6) + (seed >> 2)) & mask
    return seed
