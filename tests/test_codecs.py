"""What benchmarks/codecs.py makes by itself: GGUF's blocks, and the integers that it gives another codec."""

import numpy as np
import pytest

from benchmarks import codecs
from tzip.compression.code import Code, raw


@pytest.mark.parametrize(("kind", "of_blocks"), [("Q8_0", 7 * 34), ("Q4_0", 7 * 18), ("Q4_K", 144), ("Q2_K", 84)])
def test_bytes_of_blocks(kind: str, of_blocks: int) -> None:
    """Of 210 weights; a vector has 4 bytes for each."""
    weights = {"matrix": np.zeros((3, 70), np.float32), "vector": np.zeros(5, np.float32)}
    assert codecs.block_bytes(weights, kind) == of_blocks + 20


@pytest.mark.parametrize(("kind", "steps"), [("Q8_0", 127), ("Q4_0", 8)])
def test_blocks_round_by_their_own_step(kind: str, steps: int) -> None:
    """To the nearest level, but for the largest that Q4_0 has on one side only; float16 holds the step to 1/2048."""
    values = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    values[1] = 0
    blocks, found = (x.reshape(-1, 32) for x in (values, codecs.block_rounded(values, kind)))
    largest = np.abs(blocks).max(1, keepdims=True)
    inside = np.abs(blocks) < (1 if kind == "Q8_0" else 7 / 8) * largest
    allowed = np.where(inside, 0.5, 1) * largest / steps + largest / 2048
    assert (np.abs(found - blocks) <= allowed).all()
    assert (found[2:4] == 0).all()
    assert max(len(np.unique(block)) for block in found) <= 2 * steps + 1


def test_levels_come_back() -> None:
    """Of a pruned tensor with scales too, where 0 is what was pruned and no entry of the codebook."""
    codebook, kept = np.array([-1.0, 0.5, 2.0], np.float32), np.array([True, False, True, True, False, True])
    scales = np.array([[0.5], [0.25]], np.float16)
    codes = {
        "plain": Code((2, 2), np.array([0, 1, 2, 1], np.uint8), codebook),
        "pruned": Code((2, 3), np.array([0, 1, 2, 1], np.uint8), codebook, kept, scales),
        "raw": raw(np.ones((2, 2), np.float32)),
    }
    parts = codecs.levels(codes)
    assert parts["plain"].tolist() == [[-1, 0], [1, 0]]
    assert parts["pruned"].tolist() == [[-1, 0, 1], [2, 0, 1]]
    for name, weights in codecs.from_levels(codes, parts).items():
        assert np.array_equal(weights, codes[name].decode())


def test_verdicts_tell_where_a_peer_is_smaller() -> None:
    peers = [("worse", "baseline", 5, [10.0]), ("formula", "baseline", 1, []), ("better", "baseline", 20, [31.0])]
    ours = [(codecs.OURS, "small", 10, [30.0]), (codecs.OURS, "large", 30, [30.5]), (codecs.OURS, "best", 40, [32.0])]
    small, large, best, last = codecs.verdicts(peers + ours)
    assert "`small`: smaller" in small
    assert "2.000" in small
    assert "`large`: NOT smaller" in large
    assert "no peer" in best
    assert last == "Ours is not smaller at equal BLEU in `large`."
    assert list(codecs.verdicts([*peers, ours[0]]))[-1] == "Ours is smaller at equal BLEU in each."
