import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tzip.compression.code import FIXED, Code, entropy_bits, fixed, histogram_bits, octave_steps, raw, side_bits

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


@pytest.mark.parametrize("mean", [0.0, 1.0, -30.0])
@pytest.mark.parametrize("size", [1e-5, 0.04, 7.0])
def test_fixed_point_numbers_are_as_near_as_an_eighth_of_the_deviation(mean, size):
    weights = size * (np.random.default_rng(0).normal(size=1000) + mean)
    code = fixed(weights)
    unit = 2.0**code.exponent
    assert 2**-0.5 <= unit / (size / 8) <= 2**0.6
    assert np.abs(code.decode() - weights).max() <= unit / 2 * (1 + 1e-6)
    assert entropy_bits(code) < 6 * code.size
    assert side_bits(code) == 0


@given(st.lists(st.floats(-(2.0**90), 2.0**90), min_size=1, max_size=20), st.floats(-1e6, 1e6))
def test_fixed_point_numbers_of_any_weights_stay_in_their_range(weights, mean):
    weights = np.array(weights) + mean
    code = fixed(weights)
    assert np.abs(code.symbols.astype(int)).max() < FIXED
    largest = np.abs(weights).max()
    assert np.abs(code.decode() - weights).max() <= max(weights.std() / 8, largest / 8000) + 2.0**-120


@pytest.mark.parametrize("constant", [0.0, 1.0, -0.1, 1e-30])
def test_a_constant_as_fixed_point_numbers_is_nearer_than_as_float16(constant):
    code = fixed(np.full(8, constant))
    assert code.decode() == pytest.approx(np.full(8, constant), rel=2**-12)


def test_fixed_point_numbers_that_fit_nothing_are_refused():
    with pytest.raises(ValueError, match="a weight of magnitude inf does not fit fixed-point numbers"):
        fixed(np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match="exponent = 120 is not -126 to 100"):
        fixed(np.array([2.0**123, -(2.0**123)]))


def test_steps_of_an_octave_are_float16_numbers():
    scales = octave_steps(np.array([-8, -4, 0, 1, 8, -26 * 8]), 8)
    assert scales.dtype == np.float16
    assert scales.tolist() == [0.5, 0.70703125, 1.0, 1.0908203125, 2.0, 0.0]


BYTES, FLOATS, NUMBERS = np.zeros(4, np.uint8), np.zeros(4, np.float32), np.zeros(4, np.int16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3), BYTES, CODEBOOK), r"symbols: \(4,\) found, \(6,\) expected"),
        (((4,), BYTES), "uint8 without a codebook; choose from float32, float16"),
        (((4,), FLOATS, CODEBOOK), "float32 with a codebook; choose from uint8, uint16"),
        (((4,), BYTES, CODEBOOK.astype(np.float64)), "codebook: float64"),
        (((4,), BYTES, CODEBOOK[None]), r"codebook: float32 \(1, 3\)"),
        (((4,), BYTES, CODEBOOK[None, :, None][:0]), r"codebook: float32 \(0, 3, 1\)"),
        (((4,), BYTES, np.zeros((1, 3, 3), np.float32)), r"symbols: \(4,\) found, \(2,\) expected"),
        (((4,), BYTES, CODEBOOK, None, np.ones((1, 2))), "scales: float64"),
        (((2, 2), BYTES, CODEBOOK, None, np.ones((3, 1), np.float16)), r"scales: float16 \(3, 1\)"),
        (((1, 10), np.zeros(10, np.uint8), CODEBOOK, None, np.ones((1, 7), np.float16)), r"scales: float16 \(1, 7\)"),
        (((4,), BYTES, CODEBOOK, None, None, raw(np.zeros(3))), r"residual: shape \(3,\)"),
        (((4,), BYTES + np.uint8(3), CODEBOOK), "symbols: 3 found, the codebook has 3 entries"),
        (((4,), NUMBERS, None, None, None, None, 101), "exponent = 101 is not -126 to 100"),
        (((4,), NUMBERS + np.int16(FIXED), None, None, None, None, 0), "symbols: int16 with an exponent; int16 below"),
        (((4,), NUMBERS - np.int16(FIXED), None, None, None, None, 0), "symbols: int16 with an exponent; int16 below"),
        (((4,), BYTES, None, None, None, None, 0), "symbols: uint8 with an exponent"),
        (((3,), NUMBERS, None, None, None, None, 0), r"symbols: \(4,\) found, \(3,\) expected"),
        (((4,), NUMBERS, None, np.ones(4, bool), None, None, 0), "have no codebook, mask"),
        (((4,), NUMBERS), "int16 without a codebook"),
        (((4,), BYTES, CODEBOOK, None, None, Code((4,), NUMBERS, exponent=0)), "residual: fixed-point numbers"),
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


def test_scales_belong_to_groups_of_a_row() -> None:
    symbols = np.array([0, 2, 2, 0, 2, 0], np.uint8)
    of_rows = np.array([[2.0, 10.0], [0.5, 0.0]], np.float16)
    found = Code((2, 3), symbols, CODEBOOK, None, of_rows).decode()
    assert found.tolist() == [[-3.0, 5.0, 25.0], [-0.75, 1.25, 0.0]]
    for_all = Code((2, 3), symbols, CODEBOOK, None, of_rows[:1]).decode()
    assert for_all.tolist() == [[-3.0, 5.0, 25.0], [-3.0, 5.0, -15.0]]


def test_vectors_are_looked_up_in_their_books_and_what_is_pruned_is_zero() -> None:
    books = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    code = Code((1, 5), np.array([2, 0, 1], np.uint8), books, np.array([1, 1, 0, 1, 1], bool))
    assert code.decode().tolist() == [[4.0, 5.0, 0.0, 7.0, 2.0]]
    assert entropy_bits(code) == pytest.approx(3 * np.log2(3) + 5 * histogram_bits(np.array([1, 4])) / 5)
    assert side_bits(code) == 32 * 12


def test_a_residual_is_added() -> None:
    residual = Code((2, 2), BYTES, np.array([[[0.25, -1.0]]], np.float32)[..., :1])
    code = Code((2, 2), np.array([2, 0, 2], np.uint8), CODEBOOK, np.array([1, 1, 0, 1], bool), None, residual)
    assert code.decode().tolist() == [[2.75, -1.25], [0.0, 2.75]]
    assert side_bits(code) == 32 * 4
