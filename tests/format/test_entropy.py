import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.toys.codes import peak_memory
from tzip.compression.code import histogram_bits
from tzip.format import entropy


def draw(seed: int, count: int, alphabet: int, sharpness: float) -> np.ndarray:
    """Symbols of a bell curve over the alphabet: flat at sharpness 0, all but one at the centre at 100."""
    generator = np.random.default_rng(seed)
    spread = alphabet / (0.5 + sharpness)
    drawn = generator.normal(alphabet / 2, spread, count).clip(0, alphabet - 1)
    return drawn.astype(np.uint16 if alphabet > 256 else np.uint8)


SYMBOLS = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3000),
    st.sampled_from([1, 2, 3, 16, 255, 256, 257, 5000]),
    st.floats(0, 100),
)


@given(SYMBOLS)
@settings(max_examples=300)
@example((0, 0, 1, 0.0))
@example((0, 1, 256, 0.0))
def test_decoding_gives_the_symbols_back_close_to_their_entropy(drawn):
    seed, count, alphabet, sharpness = drawn
    symbols = draw(seed, count, alphabet, sharpness)
    model, data = entropy.encode(symbols, alphabet)
    decoded = entropy.decode(model, data, count, symbols.dtype)
    assert decoded.dtype == symbols.dtype
    assert decoded.tolist() == symbols.tolist()
    limit = histogram_bits(np.bincount(symbols, minlength=alphabet))
    assert len(model) == alphabet
    assert len(data) <= (limit + 0.002 * count) / 8 + 8


@pytest.mark.parametrize("count", [entropy.CHUNK + step for step in (-1, 0, 1)] + [2 * entropy.CHUNK + 3])
def test_long_streams_are_coded_in_chunks_without_a_seam(count):
    symbols = draw(7, count, 16, 3.0)
    model, data = entropy.encode(symbols, 16)
    assert np.array_equal(entropy.decode(model, data, count), symbols)
    assert len(data) <= histogram_bits(np.bincount(symbols)) / 8 * 1.001 + 8


def test_memory_stays_near_the_symbols_and_their_bytes():
    symbols = draw(3, 4_000_000, 256, 3.0)
    assert peak_memory(lambda: entropy.decode(*entropy.encode(symbols, 256), len(symbols))) < 4 * len(symbols)


@pytest.mark.parametrize("kept", [1, 3, 100, 99_999])
def test_sparse_masks_cost_their_entropy(kept):
    mask = np.zeros(100_000, bool)
    mask[np.random.default_rng(kept).choice(len(mask), kept, replace=False)] = True
    model, data = entropy.encode(mask.view(np.uint8), 2)
    assert np.array_equal(entropy.decode(model, data, len(mask)).view(bool), mask)
    assert len(data) <= 1.003 * histogram_bits(np.bincount(mask)) / 8 + 8


def test_one_symbol_or_none_takes_no_data():
    for symbols, alphabet in (([5] * 1000, 9), ([], 9), ([], 0)):
        model, data = entropy.encode(np.array(symbols, np.uint8), alphabet)
        assert data == b""
        assert entropy.decode(model, data, len(symbols)).tolist() == symbols


def test_levels_keep_absence_order_and_ratio():
    counts = np.concatenate([np.arange(3000), np.geomspace(3000, 2**31, 500).astype(np.int64)])
    levels = entropy.levels(counts)
    assert levels.dtype == np.uint8
    assert levels[0] == 0
    assert (np.diff(levels.astype(int)) >= 0).all()
    ratio = entropy.FREQUENCIES[levels[1:]] / 128 / counts[1:]
    assert np.abs(ratio - 1).max() < 0.05
    assert levels[[1, 2, 4, 1024]].tolist() == [1, 9, 17, 81]  # powers of two are exact


@given(st.lists(st.integers(0, 255), min_size=2, max_size=400))
@example([1, 255])
@example([255] * 400)
@example([255] + [1] * 65535)
def test_probabilities_are_positive_integers_with_an_exact_sum(model):
    levels = np.array(model, np.uint8)
    if not levels.any():
        return
    shares = entropy.probabilities(levels)
    weights = entropy.FREQUENCIES[levels[levels > 0]].tolist()
    total, free = sum(weights), 2**24 - len(weights)
    exact = [1 + weight * free // total for weight in weights]
    exact[exact.index(max(exact))] += 2**24 - sum(exact)
    assert shares.tolist() == exact
    assert shares.sum() == 2**24
    assert shares.min() >= 1


def reference(symbols: list[int], shares: list[int]) -> list[int]:
    """Asymmetric numeral systems as docs/format.md has them: the words that encode these symbols."""
    starts = [sum(shares[:index]) for index in range(len(shares))]
    state, words = 0, []
    for symbol in reversed(symbols):
        if state >= shares[symbol] << 40:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = (state // shares[symbol] << 24) + starts[symbol] + state % shares[symbol]
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    return words


@pytest.mark.parametrize("alphabet", [2, 3, 16, 256])
@pytest.mark.parametrize("sharpness", [0.0, 2.0, 40.0])
def test_the_library_codes_what_the_format_says(alphabet, sharpness):
    symbols = np.concatenate([np.arange(alphabet, dtype=np.uint8), draw(1, 2000, alphabet, sharpness)])
    model, data = entropy.encode(symbols, alphabet)
    shares = entropy.probabilities(np.frombuffer(model, np.uint8))
    assert np.frombuffer(data, "<u4").tolist() == reference(symbols.tolist(), shares.tolist())


def test_the_bytes_of_a_stream_never_change():
    symbols = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4], np.uint8)
    model, data = entropy.encode(symbols, 11)
    assert model.hex() == "00090e110e0e0e01090e00"
    assert data.hex() == "36d39a8873085d5447c97034"


MODEL, DATA = entropy.encode(draw(1, 500, 16, 2.0), 16)
IMPOSSIBLE = {
    "a word more": (MODEL, DATA + DATA[:4], 500, "do not use up"),
    "the first word missing": (MODEL, DATA[4:], 500, "do not use up"),
    "the last word missing": (MODEL, DATA[:-4], 500, "do not use up"),
    "part of a word": (MODEL, DATA[:-3], 500, "buffer size must be a multiple"),
    "zero at the end": (MODEL, DATA + bytes(4), 500, "zero word"),
    "a symbol fewer": (MODEL, DATA, 499, "do not use up"),
    "more kinds than symbols": (MODEL, DATA, 15, "16 different symbols cannot make 15"),
    "no kind for symbols": (bytes(16), b"", 3, "0 different symbols cannot make 3"),
    "data for one kind": (b"\0\1\0", bytes(4), 3, "4 bytes for symbols that need none"),
    "data for no symbols": (bytes(3), bytes(4), 0, "4 bytes for symbols that need none"),
    "data for no alphabet": (b"", bytes(8), 0, "8 bytes for symbols that need none"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_data_that_no_encoder_makes_is_refused(case):
    model, data, count, message = IMPOSSIBLE[case]
    with pytest.raises(ValueError, match=message):
        entropy.decode(model, data, count)


def test_a_symbol_outside_the_alphabet_is_refused():
    with pytest.raises(ValueError, match="broadcast"):
        entropy.encode(np.array([0, 4], np.uint8), 4)
