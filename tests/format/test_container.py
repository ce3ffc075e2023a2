import dataclasses
import hashlib
import struct
import subprocess
import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.format import reference_reader as reader
from tests.toys.codes import same_codes
from tzip.compression.code import EXPONENTS, FIXED, Code, fixed, matrix, octave_steps, raw
from tzip.data.sentencepiece_model import Piece, join, ordered
from tzip.format import container, sizes
from tzip.format.container import Archive, FormatError


def quantized(weights: np.ndarray, entries: int, keep: float = 1.0, dtype: type = np.uint8) -> Code:
    """`weights` at evenly spaced centroids, with only the largest share `keep` of them kept."""
    flat = weights.astype(np.float32).ravel()
    mask = None
    if keep < 1:
        mask = np.zeros(flat.size, bool)
        mask[np.argsort(-np.abs(flat), kind="stable")[: round(keep * flat.size)]] = True
        flat = flat[mask]
    codebook = np.linspace(-1, 1, entries).astype(np.float32) * (np.abs(flat).max() if flat.size else 1)
    symbols = np.searchsorted((codebook[1:] + codebook[:-1]) / 2, flat).astype(dtype)
    return Code(weights.shape, symbols, codebook, mask)


def scaled(code: Code, rows: int, groups: int) -> Code:
    """`code` with a scale of its own for each of `groups` parts of each row."""
    scales = normal(10, rows, groups).astype(np.float16)
    return Code(code.shape, code.symbols, code.codebook, code.mask, scales)


def on_steps(code: Code, steps: int, *form: int) -> Code:
    """`code` with scales on steps of an octave, one of them 0."""
    scales = octave_steps(np.random.default_rng(11).integers(-40, -20, prod(form)), steps)
    scales[0] = 0.0
    return Code(code.shape, code.symbols, code.codebook, code.mask, scales.reshape(form), code.residual)


def sorted_pieces(seed: int, count: int) -> bytes:
    """A SentencePiece model as `sentencepiece_model.rounded` leaves it, of special pieces and random ones."""
    random = np.random.default_rng(seed)
    texts = {"▁" + "".join(random.choice([*"aeinrstßé"], random.integers(0, 7))) for _ in range(count)}
    special = [Piece("<pad>", 0.0, 3), Piece("<unk>", 0.0, 2), Piece("<s>", 0.0, 3), Piece("</s>", 0.0, 3)]
    normal = ordered(Piece(text, -0.5 * int(random.integers(5, 40))) for text in sorted(texts))
    return join([*special, *normal], b"\x12\x04\x0a\x02ab")


def vectors(
    seed: int, shape: tuple, books: int, entries: int, width: int, dtype: type = np.uint8, residual: Code | None = None
) -> Code:
    """A pruned tensor (one without a mask where it has no residual) coded by vectors of `width` weights."""
    random = np.random.default_rng(seed)
    symbols = random.integers(0, entries, -(-prod(shape) // width)).astype(dtype)
    mask = None if residual is None else random.random(prod(shape)) < 0.5
    return Code(shape, symbols, normal(seed, books, entries, width), mask, None, residual)


def normal(seed: int, *shape: int) -> np.ndarray:
    return 0.05 * np.random.default_rng(seed).standard_t(5, shape).astype(np.float32)


def sample() -> Archive:
    """A small archive with a tensor of every kind."""
    flat = normal(5, 60)
    codes = {
        "encoder.0.weight": quantized(normal(0, 12, 10), 16),
        "encoder.0.bias": raw(normal(1, 10)),
        "encoder.1.weight": quantized(normal(2, 12, 10), 256, keep=0.3),
        "encoder.1.bias": raw(normal(3, 10), "float16"),
        "decoder.weight": quantized(normal(4, 9, 7), 300, dtype=np.uint16),
        "decoder.pruned": Code((6, 10), flat[flat > 0], None, flat > 0),
        "decoder.emptied": Code((4, 5), np.zeros(0, np.uint8), np.zeros(2, np.float32), np.zeros(20, bool)),
        "decoder.constant": Code((40, 30), np.zeros(1200, np.uint8), np.float32([0.5])),
        "decoder.scaled": scaled(quantized(normal(6, 8, 10), 4), 8, 3),
        "decoder.vectors": vectors(7, (9, 7), books=2, entries=5, width=4),
        "decoder.residual": vectors(8, (6, 4), 1, 4, 2, residual=vectors(9, (6, 4), 1, 260, 1, dtype=np.uint16)),
        "scalar": raw(np.float32(-0.0)),
        "decoder.steps": on_steps(quantized(normal(10, 9, 64), 4), 8, 9, 8),
        "decoder.both": on_steps(vectors(11, (60, 2), 1, 4, 2, residual=quantized(normal(12, 60, 2), 3)), 32, 60, 1),
        "decoder.bias": fixed(normal(13, 30)),
        "decoder.norm": fixed(1 + normal(14, 30)),
    }
    config = {"d_model": 12, "norm": "post", "dropout": 0.1, "tie": None, "layers": [1, {"heads": True}]}
    history = {"name": "Wörter → 4 bits", "seed": 1, "variant": {"quantize": "kmeans:bits=4"}}
    return Archive(config, codes, sorted_pieces(1, 30), history)


def as_of(version: int) -> Archive:
    """The sample as the files of earlier versions in this folder have it."""
    added = ["steps", "both", "bias", "norm", *(["scaled", "vectors", "residual"] if version == 1 else [])]
    codes = {name: code for name, code in sample().codes.items() if name.removeprefix("decoder.") not in added}
    return dataclasses.replace(sample(), codes=codes, vocabulary=b"\x0a\x0e\n\x05<unk>" * 40)


def same(left: Archive, right: Archive) -> bool:
    """Equal down to types, shapes and every bit."""
    others = [(archive.config, archive.history, archive.vocabulary) for archive in (left, right)]
    return others[0] == others[1] and same_codes(left.codes, right.codes)


def sealed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


@st.composite
def tensors(draw) -> Code:
    shape = tuple(draw(st.lists(st.integers(1, 9), max_size=3)))
    mask = None
    if draw(st.booleans()):
        mask = np.array(draw(st.lists(st.booleans(), min_size=prod(shape), max_size=prod(shape))), bool)
    residual = draw(st.none() | parts_of(shape, None))
    return draw(parts_of(shape, mask, residual) | fixed_point(shape))


@st.composite
def fixed_point(draw, shape: tuple[int, ...]) -> Code:
    numbers = draw(st.lists(st.integers(1 - FIXED, FIXED - 1), min_size=prod(shape), max_size=prod(shape)))
    return Code(shape, np.array(numbers, np.int16), exponent=draw(st.integers(EXPONENTS[0], EXPONENTS[-1])))


@st.composite
def parts_of(draw, shape: tuple[int, ...], mask: np.ndarray | None, residual: Code | None = None) -> Code:
    """A code of this shape and mask whose values stay finite when they are scaled and added up."""
    kept = prod(shape) if mask is None else int(mask.sum())
    scales = draw(st.none() | scales_of(shape))
    bound = {} if scales is None and residual is None else {"min_value": -(2.0**100), "max_value": 2.0**100}
    kind = draw(st.sampled_from(["float32", "float16", "uint8", "uint16"]))
    if kind == "float16":
        bound = {}
    floats = st.floats(width=16 if kind == "float16" else 32, allow_nan=False, allow_infinity=False, **bound)
    if kind.startswith("float"):
        values = np.array(draw(st.lists(floats, min_size=kept, max_size=kept)), kind)
        return Code(shape, values, None, mask, scales, residual)
    books, width = draw(st.sampled_from([(0, 1), (0, 1), (1, 2), (3, 4)]))
    count = kept if width == 1 else -(-prod(shape) // width)
    entries = draw(st.integers(min(count, 1), 256)) if not books else draw(st.integers(1, 20))
    form = (books, entries, width) if books else (entries,)
    codebook = draw(st.lists(floats, min_size=prod(form), max_size=prod(form)))
    symbols = draw(st.lists(st.integers(0, max(entries - 1, 0)), min_size=count, max_size=count))
    book = np.array(codebook, np.float32).reshape(form)
    return Code(shape, np.array(symbols, kind), book, mask, scales, residual)


@st.composite
def scales_of(draw, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = matrix(shape)
    group = -(-columns // draw(st.integers(1, columns)))
    form = draw(st.sampled_from([1, rows])), -(-columns // group)
    count = prod(form)
    if draw(st.booleans()):
        steps = draw(st.sampled_from([1, 8, 32]))
        numbers = draw(st.lists(st.integers(-26 * steps, 6 * steps), min_size=count, max_size=count))
        return octave_steps(np.array(numbers), steps).reshape(form)
    return np.array(draw(st.lists(st.floats(-100, 100, width=16), min_size=count, max_size=count)), np.float16).reshape(
        form
    )


NAMES = st.text(st.characters(categories=["L", "N", "P"], codec="utf-8"), min_size=1, max_size=20)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=9)
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=4)
VOCABULARIES = st.binary(max_size=300) | st.builds(sorted_pieces, st.integers(0, 99), st.integers(0, 200))
ARCHIVES = st.builds(Archive, OBJECTS, st.dictionaries(NAMES, tensors(), max_size=5), VOCABULARIES, OBJECTS)


@given(ARCHIVES)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_every_archive_comes_back_bit_for_bit(archive):
    data = container.encode(archive)
    back = container.decode(data)
    assert same(archive, back)
    assert container.encode(back) == data
    for name, code in archive.codes.items():
        assert back.codes[name].decode().tobytes() == code.decode().tobytes()
    stored = back.stored
    assert 56 + stored.header + stored.vocabulary + stored.fixed + sum(stored.tensors.values()) == len(data)
    assert len(data) <= sizes.sizes(back, len(data))["bound_bytes"]


def test_a_written_file_is_read_back_and_counted(tmp_path):
    path = tmp_path / "new" / "model.tzip"
    written = container.write(path, sample())
    assert path.stat().st_size == written
    assert same(container.read(path), sample())
    assert [child.name for child in path.parent.iterdir()] == ["model.tzip"]


def test_nothing_is_written_over_a_good_file_by_a_bad_archive(tmp_path):
    path = tmp_path / "model.tzip"
    container.write(path, sample())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="broken: only finite weights"):
        container.write(path, Archive({}, {"broken": Code((1,), np.float32([np.nan]))}, b"", {}))
    assert path.read_bytes() == before


TINY, BASE = [(128, 128)] * 40, [(512, 512)] * 6 + [(2048, 512)] * 2
REALISTIC = {
    "tiny-8bit": (TINY, lambda w: quantized(w, 256)),
    "tiny-4bit": (TINY, lambda w: quantized(w, 16)),
    "tiny-1bit": (TINY, lambda w: quantized(w, 2)),
    "tiny-1bit-pruned-99": (TINY, lambda w: quantized(w, 2, keep=0.01)),
    "base-8bit": (BASE, lambda w: quantized(w, 256)),
    "base-4bit": (BASE, lambda w: quantized(w, 16)),
    "base-1bit": (BASE, lambda w: quantized(w, 2)),
    "base-4bit-pruned-80": (BASE, lambda w: quantized(w, 16, keep=0.2)),
    "base-4bit-pruned-99": (BASE, lambda w: quantized(w, 16, keep=0.01)),
    "base-pruned-99": (BASE, lambda w: Code(w.shape, w[np.abs(w) > 0.27], None, (np.abs(w) > 0.27).ravel())),
    "base-float16": (BASE[:4], lambda w: raw(w, "float16")),
    "constant": (TINY, lambda w: quantized(0 * w, 16)),
    "emptied": (TINY, lambda w: quantized(w, 16, keep=0.0)),
    "few-of-256": (TINY, lambda w: quantized(w.round(1), 256)),
    "biases-8bit": ([(512,), (2048,)] * 8, lambda w: quantized(w, 256)),
}


@pytest.mark.parametrize("case", REALISTIC)
def test_files_stay_within_two_percent_of_their_entropy(case):
    shapes, method = REALISTIC[case]
    codes = {f"{index}.weight": method(normal(index, *shape)) for index, shape in enumerate(shapes)}
    archive = Archive({"d_model": 512}, codes, b"", {"name": case})
    data = container.encode(archive)
    back = container.decode(data)
    assert same(archive, back)
    counted = sizes.sizes(back, len(data))
    assert counted["limit_bytes"] <= len(data) <= counted["bound_bytes"]
    streams = len(data) - counted["side_bytes"]
    assert counted["limit_bytes"] <= streams <= 1.02 * counted["limit_bytes"] + 16 * len(shapes)


def agrees(data: bytes, archive: Archive) -> bool:
    result = reader.read(data)
    weights = {name: (list(code.shape), code.decode().astype("<f4").tobytes()) for name, code in archive.codes.items()}
    packed = {name: (shape, struct.pack(f"<{len(v)}f", *v)) for name, (shape, v) in result.pop("weights").items()}
    others = {"config": archive.config, "history": archive.history, "vocabulary": archive.vocabulary}
    return packed == weights and result == others


def test_a_reader_written_from_the_documentation_agrees():
    assert agrees(container.encode(sample()), sample())


@given(ARCHIVES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_a_reader_written_from_the_documentation_agrees_on_any_archive(archive):
    assert agrees(container.encode(archive), archive)


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_earlier_versions_can_still_be_read(version):
    """In version-1.tzip and version-2.tzip, which writers of these versions made."""
    path = Path(__file__).with_name(f"version-{version}.tzip")
    archive = container.read(path)
    assert same(archive, as_of(version))
    assert agrees(path.read_bytes(), as_of(version))
    stored = archive.stored
    assert 56 + stored.header + stored.vocabulary + sum(stored.tensors.values()) == path.stat().st_size


def test_what_is_written_of_an_earlier_version_is_the_same_archive():
    assert same(container.decode(container.encode(as_of(1))), as_of(1))


GOOD = container.encode(sample())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .tzip file"),
        (b"PK\x03\x04" + GOOD[4:], "not a .tzip file"),
        (GOOD[:55], "incomplete: 55 bytes"),
        (GOOD[:-1], "its checksum does not match"),
        (GOOD + b"\0", "its checksum does not match"),
        (GOOD[:100] + bytes([GOOD[100] ^ 1]) + GOOD[101:], "its checksum does not match"),
        (GOOD[:4] + struct.pack("<I", 7) + GOOD[8:], "version 7; this tzip reads up to 3"),
        (GOOD[:4] + struct.pack("<I", 0) + GOOD[8:], "version 0; this tzip reads up to 3"),
        (sealed(GOOD[:-32] + b"more"), "4 bytes that belong to nothing"),
        (sealed(GOOD[:-36]), "decoder.both: 12 bytes expected where 8 are left"),
        (sealed(GOOD[:24]), "bytes expected where 0 are left"),
    ],
)
def test_a_file_that_is_not_whole_says_so_in_one_line(tmp_path, data, message):
    path = tmp_path / "model.tzip"
    path.write_bytes(data)
    with pytest.raises(FormatError) as error:
        container.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith(message)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_no_format_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        container.read(tmp_path / "none.tzip")


ONE = raw(np.ones(3))


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (Archive({}, {"w": Code((1,), np.float32([np.inf]))}, b"", {}), "w: only finite"),
        (Archive({}, {"w": Code((1,), np.uint8([0]), np.float32([0, np.nan]))}, b"", {}), "w: only finite"),
        (Archive({"a": (1, 2)}, {}, b"", {}), "config: only JSON values"),
        (Archive({}, {}, b"", {1: 2}), "history: only JSON values"),
        (Archive({"a": float("nan")}, {}, b"", {}), "not JSON compliant"),
        (Archive({}, {"": ONE}, b"", {}), "not a name of 1 to 256 printable"),
        (Archive({}, {"a\nb": ONE}, b"", {}), "not a name of 1 to 256 printable"),
        (Archive({}, {"w" * 257: ONE}, b"", {}), "not a name of 1 to 256 printable"),
        (Archive({}, {"w": raw(np.ones((2, 0)))}, b"", {}), "is not a shape"),
        (Archive({}, {"w": raw(np.ones([1] * 9))}, b"", {}), "is not a shape"),
        (Archive({}, {"w": Code((1,), np.uint8([0]), np.zeros(257, np.float32))}, b"", {}), "reaches 256"),
        (
            Archive({}, {"w": Code((5 << 20,), np.zeros(5 << 20, np.uint8), np.zeros(1, np.float32))}, b"", {}),
            "5242880 weights; a file of",
        ),
        (Archive({}, {}, bytes(2 << 20), {}), "a file of .* may hold"),
    ],
)
def test_what_no_reader_would_take_is_not_written(archive, message):
    with pytest.raises(ValueError, match=message):
        container.encode(archive)


def test_reading_needs_no_torch(tmp_path):
    path = tmp_path / "model.tzip"
    container.write(path, sample())
    program = "import sys; from tzip.format import container, sizes; sizes.table(container.read(sys.argv[1]));"
    program += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program, str(path)]).returncode == 0
