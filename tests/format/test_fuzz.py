"""Damaged and hostile files: reading ends in an archive or in one line, and stays small."""

import functools
import json
import lzma
import struct
from collections import Counter
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.format.misshapen import BOOK, FIXED_ONE, MISSHAPEN, STEPS, entry, header
from tests.format.test_container import GOOD, same, sample, sealed
from tests.toys.codes import peak_memory
from tzip.format import container, entropy, vocabulary
from tzip.format.container import FormatError

resource = pytest.importorskip("resource")

CONTENT = GOOD[:-32]
MIB = 1 << 20
QUICK = [{"id": lzma.FILTER_LZMA2, "preset": 0}]  # any LZMA2 stream of a small dictionary is one that is read


@pytest.fixture(autouse=True)
def little_memory():
    """At most 256 MiB more address space than now, where the system can say how much that is."""
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 256 * MIB, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def outcome(data: bytes) -> str:
    """The error of reading `data`; "" for an archive, which must then be as sound as a written one."""
    try:
        archive = container.decode(data)
    except FormatError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 400
        return message
    assert len(archive.vocabulary) <= 4 * len(data) + MIB
    assert sum(code.size for code in archive.codes.values()) <= 256 * len(data) + 4 * MIB
    for code in archive.codes.values():
        assert np.isfinite(code.symbols).all()
        assert code.decode().shape == code.shape
    assert same(container.decode(container.encode(archive)), archive)
    return ""


def mutant(generator: np.random.Generator, good: bytes) -> bytes:
    """`good` after one to four of what happens to bytes: flips, runs of noise, cuts, insertions, swaps."""
    data = bytearray(good)
    for _ in range(generator.integers(1, 5)):
        at, to = sorted(int(place) for place in generator.integers(0, len(data) + 1, 2))
        some = int(generator.integers(1, 9))
        kind = generator.integers(0, 8)
        if kind <= 1:
            data[at : at + 1] = bytes(byte ^ 1 << generator.integers(8) for byte in data[at : at + 1])
        elif kind == 2:
            data[at : at + some] = generator.bytes(some)
        elif kind == 3:
            del data[at : at + some]
        elif kind == 4:
            data[at:at] = generator.bytes(some)
        elif kind == 5:
            data[at : at + 4] = struct.pack("<I", int(generator.choice([0, 1, 255, 2**31, 2**32 - 1, to])))
        elif kind == 6:
            data[at:at] = data[to : to + 40]
        else:
            del data[to:]
    return bytes(data)


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--fuzz")


def test_damaged_files_are_all_refused(cases):
    generator = np.random.default_rng(0)
    for _ in range(cases):
        data = mutant(generator, GOOD)
        assert data == GOOD or outcome(data)


def test_every_truncation_and_every_flipped_byte_is_refused():
    assert all(outcome(GOOD[:size]) for size in range(len(GOOD)))
    for at in range(len(GOOD)):
        assert outcome(GOOD[:at] + bytes([GOOD[at] ^ 0x55]) + GOOD[at + 1 :])


def test_forged_files_behind_a_right_checksum(cases):
    """Mutants of each part, unpacked, and of the whole, each sealed with its own checksum."""
    generator = np.random.default_rng(1)
    header, rest = unpacked(CONTENT)
    pieces, body = vocabulary.pack(sample().vocabulary), rest[len(VOCABULARY) :]
    messages = Counter()
    for index in range(cases):
        if index % 4 == 0:
            data = mutant(generator, CONTENT)
        elif index % 4 == 1:
            data = packed(mutant(generator, header), rest)
        elif index % 4 == 2:
            data = with_vocabulary(mutant(generator, pieces))
        else:
            data = CONTENT[: -len(body)] + mutant(generator, body)
        messages[outcome(sealed(data))] += 1
    assert messages[""] > cases / 20  # many a changed weight makes a sound file …
    assert len(messages) > 6 * cases**0.4  # … and the others end in every check there is


def unpacked(content: bytes) -> tuple[bytes, bytes]:
    """The unpacked header, and what follows it."""
    _, _, stored, size, _, _ = container.PREAMBLE.unpack_from(content)
    end = container.PREAMBLE.size + stored
    return container._unpack(memoryview(content)[container.PREAMBLE.size : end], size), content[end:]


def packed(header: bytes, rest: bytes, claimed: int | None = None) -> bytes:
    """A file's content with another header, whose unpacked size is as claimed."""
    section = lzma.compress(header, lzma.FORMAT_RAW, filters=QUICK)
    size = len(header) if claimed is None else claimed
    _, _, _, _, *vocabulary = container.PREAMBLE.unpack_from(CONTENT)
    return container.PREAMBLE.pack(b"tzip", container.VERSION, len(section), size, *vocabulary) + section + rest


def with_vocabulary(pieces: bytes) -> bytes:
    """The good file's content with another vocabulary, given in the form that is packed."""
    section, body = lzma.compress(pieces, lzma.FORMAT_RAW, filters=QUICK), BODY[len(VOCABULARY) :]
    _, _, *header, _, _ = container.PREAMBLE.unpack_from(CONTENT)
    preamble = container.PREAMBLE.pack(b"tzip", container.VERSION, *header, len(section), len(pieces))
    return preamble + CONTENT[container.PREAMBLE.size : -len(BODY)] + section + body


def forged(text: bytes, levels: bytes | None = None, rest: bytes | None = None) -> bytes:
    """A file with this JSON text in its header, the good file's codebooks, levels and body unless told otherwise."""
    header, good_rest = unpacked(CONTENT)
    (length,) = struct.unpack_from("<I", header)
    levels = header[4 + length :] if levels is None else levels
    return sealed(packed(struct.pack("<I", len(text)) + text + levels, good_rest if rest is None else rest))


def text() -> dict:
    header, _ = unpacked(CONTENT)
    (length,) = struct.unpack_from("<I", header)
    return json.loads(header[4 : 4 + length])


HOSTILE = [
    *(None, True, False, {}, {"a": 1}),
    *(-1, 0, 1, 2, 3, 255, 256, 1200, 2**31, 2**32, 2**40, 2**63, 10**100, 0.0, 1.5, -0.5, 1e300),
    *("", "uint8", "float16", "float64", "object", "O", "a\nb", "\ud800", "x" * 100_000),
    *([], [[]], [1], [0], [-1], [True], [1.0], ["3"], [2**40] * 8, [1] * 9, [2**62, 4]),
]


def test_every_value_of_the_header_replaced_by_every_hostile_one():
    tensors = [("tensors", index) for index in range(len(text()["tensors"]))]
    fields = [(*path, key) for path in tensors for key in text()["tensors"][path[1]]]
    for path in [("config",), ("history",), ("tensors",), *tensors, *fields]:
        for value in HOSTILE:
            header = text()
            parent = header
            for step in path[:-1]:
                parent = parent[step]
            before, parent[path[-1]] = parent[path[-1]], value
            if not outcome(forged(json.dumps(header).encode())):
                assert path[-1] in ("config", "history", "name") or equivalent(before, value, parent)


def equivalent(before, value, tensor) -> bool:
    """The same value, or another shape of as many weights, or of any number of weights that are all alike."""
    if isinstance(before, list) and isinstance(value, list):
        return prod(before) == prod(value) or not (tensor["symbols"] or tensor["mask"])
    return type(before) is type(value) and before == value


BODY = unpacked(CONTENT)[1]
VOCABULARY = BODY[: container.PREAMBLE.unpack_from(CONTENT)[4]]


@pytest.mark.parametrize("case", MISSHAPEN)
def test_hostile_headers_are_refused_in_one_line(case):
    text, levels, body, message = MISSHAPEN[case]
    assert message in outcome(forged(text, levels, VOCABULARY + body))


def test_a_hostile_header_is_sound_but_for_its_fault():
    """So that the cases above are refused for what they are about."""
    for text, levels in (
        (header(entry()), BOOK + b"\1"),
        (header(entry(**STEPS)), BOOK + b"\1\0"),
        (header(FIXED_ONE, fixed=[0, 1, 0]), b"\1"),
    ):
        assert outcome(forged(text, levels, VOCABULARY)) == ""


@pytest.mark.parametrize(
    ("claimed", "message"),
    [
        (2**32 - 1, "header and vocabulary of 4294967581 bytes; a file of"),
        (MIB // 2, "a section does not unpack to its 524288 bytes"),
        (0, "a section does not unpack to its 0 bytes"),
    ],
)
def test_a_bomb_is_not_unpacked_beyond_the_limit(claimed, message):
    bomb = sealed(packed(b" " * (64 * MIB), BODY, claimed))
    assert message in outcome(bomb)
    assert peak_memory(lambda: outcome(bomb)) < 8 * MIB


def test_a_section_unpacks_to_exactly_what_it_claims():
    header, rest = unpacked(CONTENT)
    assert outcome(sealed(packed(header, rest))) == ""
    for claimed in (len(header) - 1, len(header) + 1):
        assert "does not unpack to its" in outcome(sealed(packed(header, rest, claimed)))
    section = container._pack(header) + b"\0"
    _, _, _, _, *vocabulary = container.PREAMBLE.unpack_from(CONTENT)
    lengths = container.PREAMBLE.pack(b"tzip", container.VERSION, len(section), len(header), *vocabulary)
    assert "does not unpack to its" in outcome(sealed(lengths + section + rest))


def test_no_file_grows_beyond_the_documented_multiple():
    """The most weights that a small file may claim, and the JSON that takes the most memory."""
    largest = forged(header(entry(shape=[4 * MIB])), BOOK + b"\1", VOCABULARY)
    numbers = forged(header(FIXED_ONE | {"shape": [4 * MIB]}, fixed=[0, 1, 0]), b"\1", VOCABULARY)
    scales = {"shape": [4 * MIB, 1], "scales": [4 * MIB, 1], "octaves": [8, 0, 1, 0]}
    scaled = forged(header(entry(**scales)), BOOK + b"\1\0", VOCABULARY)
    lists = b'{"config":{"a":[' + b"[]," * 340_000 + b'0]},"fixed":null,"history":{},"tensors":[]}'
    count = MIB // 9
    pieces = vocabulary.MAGIC + vocabulary.SIZES.pack(count, 0, count) + bytes(2 * count) + b"\n" * count
    for data in (largest, numbers, scaled, forged(lists, b"", VOCABULARY), sealed(with_vocabulary(pieces))):
        assert outcome(data) == ""
        assert peak_memory(functools.partial(container.decode, data)) < 48 * MIB


def test_a_vocabulary_is_not_unfolded_beyond_the_limit():
    """Pieces that share all that came before would be quadratic."""
    count = 100_000
    folded = vocabulary.MAGIC + vocabulary.SIZES.pack(count, 0, 2 * count)
    folded += bytes(min(n, 255) for n in range(count)) + bytes(count) + b"a\n" * count
    bomb = sealed(with_vocabulary(folded))
    assert "vocabulary: more than" in outcome(bomb)
    assert peak_memory(lambda: outcome(bomb)) < 16 * MIB


VOCABULARIES = {
    "a size beyond it": (struct.pack("<3I", 1, 2**31, 2), b"\0\0a\n", "2147483678 bytes expected"),
    "more pieces than text": (struct.pack("<3I", 2, 0, 2), b"\0\0\0\0a\n", "2 pieces expected, 1 found"),
    "less pieces than text": (struct.pack("<3I", 1, 0, 4), b"\0\0a\nb\n", "1 pieces expected, 2 found"),
    "no end": (struct.pack("<3I", 1, 0, 2), b"\0\0ab", "1 pieces expected, 0 found"),
    "nothing to share": (struct.pack("<3I", 1, 0, 2), b"\1\0a\n", "shares 1 bytes with one of 0"),
    "not UTF-8": (struct.pack("<3I", 1, 0, 2), b"\0\0\xff\n", "can't decode byte"),
    "no sizes": (b"", b"\0\0\0", "vocabulary: incomplete"),
}


@pytest.mark.parametrize("case", VOCABULARIES)
def test_a_hostile_vocabulary_is_refused_in_one_line(case):
    sizes, content, message = VOCABULARIES[case]
    assert message in outcome(sealed(with_vocabulary(vocabulary.MAGIC + sizes + content)))


@given(st.binary(max_size=300))
@settings(max_examples=500)
def test_any_bytes_are_refused(data):
    assert outcome(data)
    assert outcome(sealed(CONTENT[:24] + data))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2000), st.integers(1, 300))
@settings(max_examples=300)
def test_noise_for_a_coded_stream_decodes_within_its_alphabet_or_is_refused(seed, count, alphabet):
    """The library behind the coder meets any words and any levels without a panic."""
    generator = np.random.default_rng(seed)
    model = generator.integers(0, 256, alphabet).astype(np.uint8) * generator.integers(0, 2, alphabet)
    data = generator.bytes(4 * int(generator.integers(0, 500)))
    try:
        symbols = entropy.decode(model.astype(np.uint8).tobytes(), data, count, np.uint16)
    except ValueError:
        return
    assert len(symbols) == count
    assert set(symbols.tolist()) <= set(np.flatnonzero(model).tolist())


def test_the_fuzzed_file_is_good_and_has_every_kind_of_tensor():
    assert same(container.decode(GOOD), sample())
    kinds = {(c.symbols.dtype.name, c.mask is not None) for c in sample().codes.values()}
    assert {"uint8", "uint16", "float32", "float16", "int16"} == {kind for kind, _ in kinds}
    assert {("uint8", True), ("float32", True)} <= kinds
