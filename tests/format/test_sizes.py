import json
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from tests.toys.commands import script
from tzip.compression.code import Code, entropy_bits, fixed, histogram_bits, octave_steps, raw
from tzip.files import sha256
from tzip.format import container, sizes
from tzip.format.container import Archive
from tzip.nmt.model import Transformer, shape, tensors
from tzip.nmt.options import configure


def count(shapes: dict[str, tuple], *parts: str) -> int:
    """Weights of the matrices whose names contain one of `parts`; of all matrices without parts."""
    matrices = [(name, sides) for name, sides in shapes.items() if len(sides) == 2]
    return sum(prod(sides) for name, sides in matrices if not parts or any(part in name for part in parts))


with torch.device("meta"):  # the paper's Transformer base, source, target and output embeddings tied
    BASE = Transformer(configure({"preset": "base", "vocabulary": 32_000}))
SHAPES = {name: shape(places) for name, places in tensors(BASE).items()}
ALL = count(SHAPES)
LINEAR, ATTENTION = count(SHAPES, "_attention", "feed_forward"), count(SHAPES, "_attention")


def test_the_base_model_has_the_papers_counts():
    assert (LINEAR, ATTENTION) == (44_040_192, 18_874_368)
    assert ALL == LINEAR + 32_000 * 512
    assert 60.3e6 < sum(map(prod, SHAPES.values())) < 60.6e6


@pytest.mark.parametrize(
    ("quantized", "sparsity", "printed"),
    [
        ({}, 0, 1),
        ({8: LINEAR}, 0, 2.92),
        ({4: LINEAR}, 0, 5.85),
        ({2: LINEAR}, 0, 11.69),
        ({1: LINEAR}, 0, 23.37),
        ({1: ATTENTION}, 0, 10.02),
        ({}, 0.5, 2),
        ({}, 0.8, 5),
        ({}, 0.9, 10),
        ({4: LINEAR}, 0.5, 2 * 5.85),
        ({16: ALL}, 0, 2),
    ],
)
def test_the_papers_column_follows_from_the_shapes(quantized, sparsity, printed):
    assert sizes.printed_ratio(ALL, quantized, sparsity) == pytest.approx(printed, rel=0.005)


HALF = np.arange(40) % 2 == 0
INDEX, CODEBOOK = np.zeros(40, np.uint8), np.zeros(16, np.float32)


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (raw(np.zeros((5, 8))), 1),
        (raw(np.zeros((5, 8)), "float16"), 0.4 * 2),
        (Code((5, 8), INDEX, CODEBOOK), 0.4 * 8),
        (Code((5, 8), INDEX, CODEBOOK[:9]), 0.4 * 8),
        (Code((5, 8), INDEX, CODEBOOK[:2]), 0.4 * 32),
        (Code((5, 8), INDEX, CODEBOOK[:1]), 0.4 * 32),
        (Code((5, 8), INDEX[HALF], CODEBOOK, HALF), 0.4 * 8 * 2),
        (Code((5, 8), np.zeros(20, np.float32), None, HALF), 2),
        (Code((5, 8), INDEX[:0], CODEBOOK[:0], HALF & ~HALF), 0.4 * 32 * 40),
    ],
)
def test_the_printed_ratio_is_read_off_the_codes_of_matrices(code, printed):
    bias = Code((40,), INDEX[HALF], CODEBOOK, HALF)
    assert sizes.as_printed([raw(np.zeros((6, 10))), code, bias]) == pytest.approx(printed)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["C"], codec="utf-8"), min_size=1, max_size=12).filter(
            lambda name: name != "__metadata__"
        ),
        st.lists(st.integers(1, 12), max_size=3).map(tuple),
        max_size=12,
    )
)
def test_the_baseline_is_counted_as_safetensors_writes_it(shapes):
    written = save({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    assert sizes.safetensors_bytes(shapes) == len(written)


VOCABULARY = bytes(range(256)) * 20


@pytest.fixture
def model(tmp_path) -> Path:
    """A file of 8 raw, 1,000 pruned and 4,096 quantized weights."""
    generator = np.random.default_rng(0)
    mask = np.zeros(1000, bool)
    mask[:250] = True
    symbols = np.arange(16, dtype=np.uint8)
    codes = {
        "bias": raw(generator.normal(size=8)),
        "pruned.weight": Code((10, 100), generator.normal(size=250).astype(np.float32), None, mask),
        "quantized.weight": Code((64, 64), np.repeat(symbols, 256), symbols.astype(np.float32)),
    }
    container.write(tmp_path / "model.tzip", Archive({}, codes, VOCABULARY, {}))
    return tmp_path / "model.tzip"


def test_sizes_of_a_file(model, tmp_path):
    archive, file_bytes = container.read(model), model.stat().st_size
    found = sizes.sizes(archive, file_bytes)
    weights = {name: code.decode() for name, code in archive.codes.items()}
    baseline = len(save(weights)) + len(VOCABULARY)
    positions = 1000 * (0.25 * 2 + 0.75 * np.log2(4 / 3)) / 8
    limit = 250 * 4 + positions + 4096 * 4 / 8
    whole = np.ceil(8 * 4 + limit + 16 * 4) + archive.stored.vocabulary
    streams = archive.stored.tensors["pruned.weight"] + archive.stored.tensors["quantized.weight"]
    assert 0.98 * limit <= streams <= limit + 16  # a run of zeros at the end of a mask is free
    assert found == {
        "file_bytes": file_bytes,
        "baseline_bytes": baseline,
        "limit_bytes": int(np.ceil(limit)),
        "side_bytes": file_bytes - streams,
        "bound_bytes": int(1.02 * whole) + 4096,
        "ratio_printed": pytest.approx(4096 / 5096 * 8 * 4),
        "ratio_file": baseline / file_bytes,
        "ratio_limit": baseline / np.ceil(limit),
        "weights": 5104,
        "coded_weights": 5096,
        "vocabulary_bytes": archive.stored.vocabulary,
    }
    assert found["vocabulary_bytes"] < len(VOCABULARY)


def test_a_students_ratios_are_to_its_baseline(model, tmp_path):
    """Never to its own fp32; in the paper's count it is smaller by its weights and by its compression."""
    large = {"bias": raw(np.zeros(16)), "one.weight": raw(np.zeros((80, 100))), "two": raw(np.zeros((40, 100)))}
    container.write(tmp_path / "baseline.tzip", Archive({}, large, VOCABULARY + b"more", {}))
    baseline, student = container.read(tmp_path / "baseline.tzip"), container.read(model)
    found = sizes.sizes(student, model.stat().st_size, baseline)
    bytes_of_baseline = len(save({name: code.decode() for name, code in large.items()})) + len(VOCABULARY) + 4
    assert found["baseline_bytes"] == bytes_of_baseline
    assert found["ratio_file"] == bytes_of_baseline / model.stat().st_size
    assert found["ratio_limit"] == bytes_of_baseline / found["limit_bytes"]
    alone = sizes.sizes(student, model.stat().st_size)
    assert found["ratio_printed"] == pytest.approx(alone["ratio_printed"] * 12_000 / 5_096)
    assert found["weights"] == alone["weights"] == 5_104
    assert sizes.sizes(student, model.stat().st_size, student) == alone
    output = tmp_path / "size.json"
    done = script("size", "--model", model, "--baseline", tmp_path / "baseline.tzip", "--output", output)
    assert done.returncode == 0
    written = json.loads(output.read_text())
    assert written.pop("baseline") == sha256(tmp_path / "baseline.tzip")[:16]
    assert written == pytest.approx(found)


def test_the_script_writes_the_sizes_of_the_file_on_disk(model, tmp_path):
    output = tmp_path / "size.json"
    assert script("size", "--model", model, "--output", output).returncode == 0
    expected = sizes.sizes(container.read(model), model.stat().st_size)
    assert json.loads(output.read_text()) == pytest.approx(expected)
    model.write_bytes(model.read_bytes()[:-1])
    failed = script("size", "--model", model, "--output", output)
    assert failed.returncode == 1
    assert failed.stderr == f"error: {model}: damaged or incomplete: its checksum does not match\n"


def test_the_table_accounts_for_every_byte(model):
    rows = sizes.table(container.read(model))
    assert sum(row["bytes"] for row in rows) == model.stat().st_size
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["name"] for row in rows] == ["bias", "pruned.weight", "quantized.weight", "(vocabulary)", "(header)"]
    bias, pruned, quantized, vocabulary, _ = rows
    assert (bias["shape"], bias["bits"], bias["entropy"], bias["bytes"]) == ((8,), 32, 32, 32)
    assert (pruned["shape"], pruned["bits"]) == ((10, 100), 32)
    assert pruned["entropy"] == pytest.approx(8 + 0.25 * 2 + 0.75 * np.log2(4 / 3))
    assert 1000 < pruned["bytes"] < 1000 + 120
    assert (quantized["bits"], quantized["entropy"]) == (4, 4)
    assert 2048 <= quantized["bytes"] <= 2048 + 8
    assert (vocabulary["shape"], vocabulary["bits"], vocabulary["entropy"]) == (None, None, None)


def test_side_information_is_all_but_the_symbols_and_masks_of_matrices(tmp_path):
    """Whatever else a file holds more compactly leaves the limit as it is."""
    generator = np.random.default_rng(0)
    scales = octave_steps(generator.integers(-40, -30, (512, 1)), 8)
    symbols, codebook = generator.integers(0, 3, 512 * 4).astype(np.uint8), np.float32([-1, 0, 1])
    values = generator.normal(size=2000)
    plain = {
        "w": Code((512, 4), symbols, codebook, None, generator.random((512, 1)).astype(np.float16)),
        "bias": raw(values, "float16"),
    }
    coded = {"w": Code((512, 4), symbols, codebook, None, scales), "bias": fixed(values)}
    data = [container.encode(Archive({}, codes, VOCABULARY, {})) for codes in (plain, coded)]
    first, second = (sizes.sizes(container.decode(one), len(one)) for one in data)
    assert first["limit_bytes"] == second["limit_bytes"] == np.ceil(histogram_bits(np.bincount(symbols)) / 8)
    assert first["file_bytes"] - first["side_bytes"] == second["file_bytes"] - second["side_bytes"]
    entropy = histogram_bits(np.unique(scales, return_counts=True)[1]) / 8
    saved = 2 * 512 - entropy + 2 * 2000 - entropy_bits(coded["bias"]) / 8
    assert first["side_bytes"] - second["side_bytes"] == pytest.approx(saved, abs=100)
    rows = sizes.table(container.decode(data[1]))
    assert [row["name"] for row in rows] == ["w", "bias", "(fixed-point)", "(vocabulary)", "(header)"]
    assert rows[1]["bytes"] == 0
    assert sum(row["bytes"] for row in rows) == len(data[1])


def test_bits_of_a_codebook_need_not_be_whole():
    codes = {"w": Code((40,), INDEX, CODEBOOK[:3])}
    archive = container.decode(container.encode(Archive({}, codes, b"", {})))
    assert sizes.table(archive)[0]["bits"] == pytest.approx(np.log2(3))
    assert sizes.declared_bits(codes["w"]) == 2


def test_what_was_never_written_has_no_size():
    with pytest.raises(ValueError, match="only as read from its file"):
        sizes.sizes(Archive({}, {}, b"", {}), 100)
