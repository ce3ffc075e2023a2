"""model.tzip: a compressed model, its vocabulary and its history in one self-describing file.

The layout, byte by byte, is in docs/format.md. Reading trusts nothing: the checksum comes first, but
what follows it is checked as well, and no file makes its reader allocate more than a fixed multiple of
the file's own size.
"""

import hashlib
import io
import lzma
import struct
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tzip.compression.code import Code
from tzip.files import check_pointer, replacing
from tzip.format import entropy, side, vocabulary
from tzip.format.header import Cursor, Entry, Header, Stream, decode_header, encode_header

MAGIC = b"tzip"
VERSION = 3  # what each version added: docs/format.md, "Other versions"
PREAMBLE = struct.Struct("<4s5I")  # magic, version, and for header and vocabulary: bytes here, bytes unpacked
DIGEST = hashlib.sha256().digest_size
COPIED = 1 << 20  # bytes of the body at a time
Buffer = bytes | np.ndarray
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 22}]


class FormatError(ValueError):
    """A file that is not a .tzip, is damaged, or is one that no writer makes; one line says which."""


@dataclass(frozen=True)
class Stored:
    """Where the bytes of a file are. The preamble and the checksum take the remaining 56.

    tensors  each tensor's in the body
    coded    of them, those of its mask and its symbols, or values
    fixed    the fixed-point numbers of all tensors
    """

    header: int
    vocabulary: int
    tensors: dict[str, int]
    coded: dict[str, int]
    fixed: int


@dataclass(frozen=True, eq=False)
class Archive:
    """What a file holds: enough to translate with it, and to say how it was made.

    config      the model's configuration, JSON values
    codes       every parameter of the model by its name
    vocabulary  the SentencePiece model
    history     what was done to the model, JSON values
    stored      the bytes that each part takes in the file it was read from; None if it was not
    """

    config: dict[str, Any]
    codes: dict[str, Code]
    vocabulary: bytes
    history: dict[str, Any]
    stored: Stored | None = None


def write(path: str | Path, archive: Archive) -> int:
    """Write `archive` to `path`, all of it or nothing; returns the bytes written."""
    with (
        replacing(path) as temporary,
        tempfile.TemporaryFile(dir=temporary.parent) as body,
        open(temporary, "wb") as file,
    ):
        return _write(file, body, archive)


def read(path: str | Path) -> Archive:
    """The archive in the file at `path`; FormatError names the file and what is wrong with it."""
    check_pointer(path)
    try:
        with open(path, "rb") as file:
            return _decode(file if file.seekable() else io.BytesIO(file.read()))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def encode(archive: Archive) -> bytes:
    """The bytes of a file: the same archive gives the same bytes. ValueError names what cannot be written."""
    file = io.BytesIO()
    _write(file, io.BytesIO(), archive)
    return file.getvalue()


def _write(file: BinaryIO, body: BinaryIO, archive: Archive) -> int:
    """Write an archive to an empty file; `body`, another, holds its tensors until the header can state their sizes."""
    fixed, fixed_levels, numbers = side.encode_fixed(archive.codes)
    tensors, codebooks, levels = [], [], [fixed_levels]
    body.write(numbers)
    for name, code in archive.codes.items():
        tensor, codebook, levels_of_one, parts = _encode_tensor(name, code)
        tensors.append(tensor)
        codebooks.append(codebook)
        levels.append(levels_of_one)
        body.writelines(parts)
    header = Header(archive.config, archive.history, tensors, fixed, b"".join(codebooks), b"".join(levels))
    sections = [(_pack(raw), len(raw)) for raw in (encode_header(header), vocabulary.pack(archive.vocabulary))]
    lengths = [length for packed, unpacked in sections for length in (len(packed), unpacked)]
    head = b"".join([PREAMBLE.pack(MAGIC, VERSION, *lengths), *(packed for packed, _ in sections)])
    size = len(head) + body.tell() + DIGEST
    _check_limits(size, lengths, tensors)
    if len(archive.vocabulary) > (most := _most(size)):
        raise ValueError(f"a vocabulary of {len(archive.vocabulary)} bytes; a file of {size} may hold {most}")
    digest = hashlib.sha256()
    body.seek(0)
    for part in chain([head], iter(partial(body.read, COPIED), b"")):
        file.write(part)
        digest.update(part)
    file.write(digest.digest())
    return size


def decode(data: bytes) -> Archive:
    """The archive that `encode` made `data` from; FormatError for any other bytes."""
    return _decode(io.BytesIO(data))


def _decode(file: BinaryIO) -> Archive:
    """The archive in a file, of which a tensor at a time is in memory as it is stored."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    preamble = file.read(PREAMBLE.size)
    if not preamble.startswith(MAGIC):
        raise FormatError("not a .tzip file")
    if size < PREAMBLE.size + DIGEST:
        raise FormatError(f"incomplete: {size} bytes")
    _, version, *lengths = PREAMBLE.unpack(preamble)
    if not 1 <= version <= VERSION:
        raise FormatError(f"version {version}; this tzip reads up to {VERSION}")
    digest = hashlib.sha256(preamble)
    for start in range(PREAMBLE.size, size - DIGEST, COPIED):
        digest.update(file.read(min(COPIED, size - DIGEST - start)))
    if digest.digest() != file.read():
        raise FormatError("damaged or incomplete: its checksum does not match")
    file.seek(PREAMBLE.size)
    try:
        return _decode_content(file, size, version, lengths)
    except (ValueError, RecursionError, lzma.LZMAError) as error:
        raise FormatError(f"not a valid .tzip file: {' '.join(str(error).split())}") from None


def _decode_content(file: BinaryIO, size: int, version: int, lengths: list[int]) -> Archive:
    _check_limits(size, lengths)
    body = Stream(file, size - PREAMBLE.size - DIGEST)
    header = decode_header(_unpack(body.take(lengths[0]), lengths[1]), version)
    pieces = _unpack(body.take(lengths[2]), lengths[3])
    if version > 2:
        pieces = vocabulary.unpack(pieces, _most(size))
    _check_limits(size, lengths, header.tensors)
    levels, codebooks = Cursor(header.levels), body if header.codebooks is None else Cursor(header.codebooks)
    fixed = side.decode_fixed(header, levels, body)
    codes = {}
    for tensor in header.tensors:
        try:
            codes[tensor.name] = fixed.get(tensor.name) or _decode_tensor(tensor, levels, codebooks, body)
        except ValueError as error:
            raise ValueError(f"{tensor.name}: {error}") from None
    if levels.rest or body.rest:
        raise ValueError(f"{levels.rest + body.rest} bytes that belong to nothing")
    stored = Stored(
        lengths[0],
        lengths[2],
        {tensor.name: tensor.stored + (4 * tensor.books if version < 3 else 0) for tensor in header.tensors},
        {tensor.name: tensor.coded for tensor in header.tensors},
        header.fixed[2] if header.fixed else 0,
    )
    return Archive(header.config, codes, pieces, header.history, stored)


def _most(size: int) -> int:
    """The bytes that header and vocabulary of a file of `size` bytes may unpack to."""
    return 4 * size + (1 << 20)


def _check_limits(size: int, lengths: list[int], tensors: list[Entry] | tuple = ()) -> None:
    """What `size` bytes of file may grow to in memory; for writers too, so that all they write is read."""
    unpacked, weights = lengths[1] + lengths[3], sum(tensor.decoded for tensor in tensors)
    if unpacked > (most := _most(size)):
        raise ValueError(f"header and vocabulary of {unpacked} bytes; a file of {size} may hold {most}")
    if weights > (most := 256 * size + (1 << 22)):
        raise ValueError(f"{weights} weights; a file of {size} bytes may hold {most}")


def _encode_tensor(name: str, code: Code) -> tuple[Entry, bytes, bytes, list[Buffer]]:
    """A tensor's line of the header, its codebooks, the levels of its models, and its parts of the body."""
    shape = tuple(map(int, code.shape))
    if code.exponent is not None:
        return Entry(name, shape, "fixed", None, None, 0, fixed=(side.centre(code), code.exponent)), b"", b"", []
    mask_levels = mask = codebook = symbol_levels = b""
    residual, *more = (None, b"", b"", []) if code.residual is None else _encode_tensor(name, code.residual)
    if code.mask is not None:
        mask_levels, mask = entropy.encode(code.mask.view(np.uint8), 2)
    if code.codebook is None:
        symbols = side.encode_floats(name, code.symbols)
    else:
        codebook = side.encode_floats(name, code.codebook).tobytes()
        symbol_levels, symbols = entropy.encode(code.symbols, code.entries)
    octaves, scale_levels, scales = side.encode_scales(name, code.scales)
    tensor = Entry(
        name,
        shape,
        code.symbols.dtype.name,
        None if code.mask is None else len(mask),
        None if code.codebook is None else code.codebook.shape,
        len(symbols) if code.codebook is not None else symbols.nbytes,
        None if code.scales is None else code.scales.shape,
        residual,
        octaves,
    )
    levels = [mask_levels, scale_levels, symbol_levels]
    return tensor, codebook + more[0], b"".join([*levels, more[1]]), [mask, scales, symbols, *more[2]]


def _decode_tensor(tensor: Entry, levels: Cursor, codebooks: Cursor | Stream, body: Stream) -> Code:
    """The code of a tensor; codebooks are taken from the header, in versions 1 and 2 from the body."""
    mask = codebook = residual = None
    if tensor.mask is not None:
        mask = entropy.decode(levels.take(2), body.take(tensor.mask), tensor.size).view(np.bool_)
    if tensor.codebook is not None:
        codebook = side.decode_floats(codebooks.take(4 * prod(tensor.codebook)), "float32").reshape(tensor.codebook)
    scales = side.decode_scales(tensor, levels, body)
    if codebook is None:
        symbols = side.decode_floats(body.take(tensor.symbols), tensor.type)
    else:
        count = tensor.size if mask is None else int(np.count_nonzero(mask))
        count = count if codebook.ndim == 1 else -(-tensor.size // max(codebook.shape[2], 1))
        model, data = levels.take(tensor.entries), body.take(tensor.symbols)
        symbols = entropy.decode(model, data, count, np.dtype(tensor.type))
    if tensor.residual is not None:
        residual = _decode_tensor(tensor.residual, levels, codebooks, body)
    return Code(tensor.shape, symbols, codebook, mask, scales, residual)


def _pack(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=FILTERS)


def vocabulary_bytes(pieces: bytes) -> int:
    """What a vocabulary takes in a file."""
    return len(_pack(vocabulary.pack(pieces)))


def _unpack(data: memoryview, size: int) -> bytes:
    """What `_pack` made `data` from; never more than `size` bytes of it, and an error unless just these."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
    unpacked = stream.decompress(data, max_length=size + 1)
    if len(unpacked) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"a section does not unpack to its {size} bytes")
    return unpacked
