from __future__ import annotations

import numpy as np
import pytest

from tzip.code import Code, entropy_bits, histogram_bits, raw

CODEBOOK = np.array([-1.5, -0.0, 2.5], np.float32)


def test_a_codebook_decodes_to_its_entries():
    weights = Code((2, 2), np.array([2, 0, 1, 2], np.uint8), CODEBOOK).decode()
    assert weights.dtype == np.float32
    assert weights.tobytes() == np.array([[2.5, -1.5], [-0.0, 2.5]], np.float32).tobytes()


def test_pruned_weights_are_plus_zero_and_the_others_keep_their_places():
    code = Code((2, 3), np.array([0, 1], np.uint8), CODEBOOK, np.array([0, 1, 0, 0, 0, 1], bool))
    assert code.decode().tobytes() == np.array([[0, -1.5, 0], [0, 0, -0.0]], np.float32).tobytes()
    assert code.size == 6


def test_stored_values_come_back_bit_for_bit():
    values = np.array([1e-45, -0.0, 3.4e38, 1 / 3], np.float32)
    assert raw(values.reshape(2, 2)).decode().tobytes() == values.tobytes()
    halves = raw(np.array([[1 / 3, 65504.0]]), "float16")
    assert halves.symbols.dtype == np.float16
    assert halves.decode().tolist() == [[float(np.float16(1 / 3)), 65504.0]]


@pytest.mark.parametrize("weights", [[1.0, np.nan], [np.inf], [1e6]])
def test_what_does_not_fit_is_refused(weights):
    with pytest.raises(ValueError, match="does not fit float16"):
        raw(np.array(weights), "float16")


def test_raw_names_the_formats_it_knows():
    with pytest.raises(ValueError, match="'bfloat16' found; choose from float32, float16"):
        raw(np.zeros(2), "bfloat16")


BYTES, FLOATS = np.zeros(4, np.uint8), np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3), BYTES, CODEBOOK), r"symbols: \(4,\) found, \(6,\) expected"),
        (((4,), BYTES), "uint8 without a codebook; choose from float32, float16"),
        (((4,), FLOATS, CODEBOOK), "float32 with a codebook; choose from uint8, uint16"),
        (((4,), BYTES, CODEBOOK.astype(np.float64)), "codebook: float64"),
        (((4,), BYTES, CODEBOOK[None]), r"codebook: float32 \(1, 3\)"),
        (((4,), BYTES + np.uint8(3), CODEBOOK), "symbols: 3 found, the codebook has 3 entries"),
        (((4,), FLOATS, None, np.ones(5, bool)), r"mask: bool \(5,\)"),
        (((4,), FLOATS, None, np.ones(4, np.uint8)), "mask: uint8"),
        (((4,), FLOATS, None, np.array([1, 1, 1, 0], bool)), r"\(3,\) expected"),
    ],
)
def test_inconsistent_parts_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Code(*arguments)


def test_entropy_counts_symbols_and_positions():
    uniform = np.arange(256, dtype=np.uint8)
    assert entropy_bits(Code((256,), uniform, np.zeros(256, np.float32))) == pytest.approx(8 * 256)
    assert entropy_bits(Code((4,), BYTES, CODEBOOK)) == 0
    assert entropy_bits(raw(np.ones(10))) == 320
    assert entropy_bits(raw(np.ones(10), "float16")) == 160
    mask = np.array([1, 0, 0, 0], bool)
    positions = 4 * (0.25 * 2 + 0.75 * np.log2(4 / 3))
    assert entropy_bits(Code((4,), FLOATS[:1], None, mask)) == pytest.approx(32 + positions)
    assert entropy_bits(Code((4,), BYTES[:0], CODEBOOK, np.zeros(4, bool))) == 0
    assert histogram_bits(np.array([0, 0])) == 0
