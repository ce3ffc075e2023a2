"""Damaged and hostile files: reading ends in an archive or in one line, and stays small."""

import functools
import json
import struct
from collections import Counter
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.format.test_container import GOOD, same, sample, sealed
from tests.toys.codes import peak_memory
from tzip.format import container, entropy
from tzip.format.container import FormatError

resource = pytest.importorskip("resource")

CONTENT = GOOD[:-32]
MIB = 1 << 20


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
    """Mutants of the body, of the unpacked header and of the whole, each sealed with its own checksum."""
    generator = np.random.default_rng(1)
    header, rest = unpacked(CONTENT)
    messages = Counter()
    for index in range(cases):
        if index % 3 == 0:
            data = mutant(generator, CONTENT)
        elif index % 3 == 1:
            data = packed(mutant(generator, header), rest)
        else:
            data = CONTENT[: -len(rest)] + mutant(generator, rest)
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
    section = container._pack(header)
    size = len(header) if claimed is None else claimed
    _, _, _, _, *vocabulary = container.PREAMBLE.unpack_from(CONTENT)
    return container.PREAMBLE.pack(b"tzip", container.VERSION, len(section), size, *vocabulary) + section + rest


def forged(text: bytes, levels: bytes | None = None, rest: bytes | None = None) -> bytes:
    """A file with this JSON text in its header, the good file's levels and body unless told otherwise."""
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


def entry(**changes) -> dict:
    return {"name": "w", "shape": [4], "type": "uint8", "mask": None, "codebook": 1, "symbols": 0} | changes


def header(*entries) -> bytes:
    return json.dumps({"config": {}, "history": {}, "tensors": list(entries)}).encode()


LARGE = entry(shape=[2**22])
BODY = unpacked(CONTENT)[1]
VOCABULARY = BODY[: container.PREAMBLE.unpack_from(CONTENT)[4]]
MISSHAPEN = {
    "weights without bytes": (header(entry(shape=[2**30])), b"\1", bytes(4), "1073741824 weights; a file of"),
    "many such tensors": (
        header(*(entry(name=str(n), shape=[2**20]) for n in range(50))),
        b"\1" + bytes(49),
        bytes(200),
        "52428800 weights; a file of",
    ),
    "a shape beyond any integer": (header(entry(shape=[2**39] * 8)), b"\1", bytes(4), "weights; a file of"),
    "a tensor twice": (header(entry(), entry()), b"\1\0", bytes(8), "listed twice"),
    "a size beyond the file": (header(entry(symbols=2**39)), b"\1", bytes(4), "expected where 0 are left"),
    "a codebook beyond the file": (header(entry(codebook=256)), b"\1", bytes(4), "expected where 4 are left"),
    "levels that are not there": (header(entry(codebook=2)), b"\1", bytes(8), "2 bytes expected where 1 are"),
    "levels too many": (header(entry()), b"\1\0", bytes(4), "1 bytes that belong to nothing"),
    "body too long": (header(entry()), b"\1", bytes(5), "1 bytes that belong to nothing"),
    "a codebook of infinities": (header(entry()), b"\1", b"\0\0\x80\x7f", "w: weights that are not finite"),
    "values that are no numbers": (
        header(entry(type="float16", codebook=None, symbols=8)),
        b"",
        b"\0\x7e" * 4,
        "w: weights that are not finite",
    ),
    "values too few": (
        header(entry(type="float32", codebook=None, symbols=12)),
        b"",
        bytes(12),
        r"w: symbols: (3,) found, (4,) expected for shape (4,)",
    ),
    "half a value": (header(entry(type="float32", codebook=None, symbols=15)), b"", bytes(15), "multiple of"),
    "indices wider than their type": (header(entry(codebook=300)), b"\1" * 300, bytes(1200), "reaches 256 entr"),
    "no symbol for weights": (header(entry()), b"\0", bytes(4), "w: 0 different symbols cannot make 4"),
    "words that end in zero": (header(entry(codebook=2, symbols=4)), b"\1\0", bytes(12), "never ends in a zero word."),
    "residuals without bytes": (
        header(functools.reduce(lambda inner, _: entry(shape=[2**22], residual=inner), range(9), entry(shape=[2**22]))),
        b"\1" + bytes(9),
        bytes(40),
        "41943040 weights; a file of",
    ),
    "residuals without end": (
        b'{"config":{},"history":{},"tensors":[' + header(entry())[38:-3] + b',"residual":' * 1000,
        b"",
        b"",
        "Expecting",
    ),
    "a residual of another shape": (
        header(entry(residual=entry(shape=[2, 2]))),
        b"\1\0",
        bytes(8),
        "its residual is another tensor's",
    ),
    "a residual with a mask": (header(entry(residual=entry(mask=0))), b"\1\xff\1\0", bytes(8), "w: residual"),
    "vectors without weights": (header(entry(codebook=[1, 1, 0])), b"\1", b"", "w: codebook"),
    "books without end": (header(entry(codebook=[2**39, 1, 1])), b"\1", bytes(4), "bytes expected where 4 are"),
    "scales for no group": (header(entry(scales=[1, 3])), b"\1", bytes(10), "w: scales: float16 (1, 3)"),
    "a scale of infinity": (header(entry(scales=[1, 1])), b"\1", bytes(4) + b"\0\x7c", "w: weights that are not"),
    "another member": (header(entry(extra=1)), b"\1", bytes(4), "tensors must have codebook, mask, name"),
    "no tensors": (b'{"config":{},"history":{}}', b"", b"", "config, history and tensors expected"),
    "a list": (b"[1,2,3]", b"", b"", "config, history and tensors expected"),
    "not JSON": (b"{", b"", b"", "Expecting property name"),
    "not a number": (b'{"config":{"a":NaN},"history":{},"tensors":[]}', b"", b"", "NaN is not JSON"),
    "not UTF-8": (b"\xff\xfe", b"", b"", "can't decode byte"),
    "a number of 5,000 digits": (b"1" * 5000, b"", b"", "Exceeds the limit"),
    "nested 100,000 deep": (b"[" * 100_000, b"", b"", "recursion"),
    "nested 100,000 deep in objects": (b'{"a":' * 100_000, b"", b"", "recursion"),
}


@pytest.mark.parametrize("case", MISSHAPEN)
def test_hostile_headers_are_refused_in_one_line(case):
    text, levels, body, message = MISSHAPEN[case]
    assert message in outcome(forged(text, levels, VOCABULARY + body))


def test_a_hostile_header_is_sound_but_for_its_fault():
    """So that the cases above are refused for what they are about."""
    assert outcome(forged(header(entry()), b"\1", VOCABULARY + bytes(4))) == ""


@pytest.mark.parametrize(
    ("claimed", "message"),
    [
        (2**32 - 1, "header and vocabulary of 4294967655 bytes; a file of"),
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
    largest = forged(header(entry(shape=[4 * MIB])), b"\1", VOCABULARY + bytes(4))
    lists = b'{"config":{"a":[' + b"[]," * 340_000 + b'0]},"history":{},"tensors":[]}'
    for data in (largest, forged(lists, b"", VOCABULARY)):
        assert outcome(data) == ""
        assert peak_memory(functools.partial(container.decode, data)) < 48 * MIB


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
    assert {"uint8", "uint16", "float32", "float16"} == {kind for kind, _ in kinds}
    assert {("uint8", True), ("float32", True)} <= kinds
