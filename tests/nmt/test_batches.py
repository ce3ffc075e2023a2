"""Batches: every pair once an epoch, within the budget, in an order that the seed alone decides."""

from itertools import islice

import numpy as np
import pytest
import torch

from tests.toys.data import toy_pairs
from tests.toys.training import toy_teacher
from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.batches import Batch, Stream, ahead, batch, groups
from tzip.nmt.teacher import soften

LENGTHS = np.random.default_rng(0).integers(1, 40, (500, 2))


@pytest.mark.parametrize("seed", [None, 3])
def test_every_pair_once_within_the_budget(seed):
    parts = groups(LENGTHS, 256, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    assert all(len(rows) * (LENGTHS[rows].max() + 1) <= 256 for rows in parts)
    assert sum(len(rows) * (LENGTHS[rows].max() + 1) for rows in parts) > 0.8 * 256 * (len(parts) - 1)


def test_a_pair_beyond_the_budget_stands_alone():
    assert sorted(len(rows) for rows in groups(np.array([[50, 3], [2, 2], [3, 3]]), 10, 1)) == [1, 2]


def test_seed_decides_the_order_but_not_the_number():
    one, same, other = (groups(LENGTHS, 256, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert len(one) == len(other)
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_batch_layout(tmp_path):
    data = toy_pairs(tmp_path / "toy", [([5, 6], [7]), ([8], [9, 10, 11])])
    result = batch(data, np.array([0, 1]))
    assert result.source.tolist() == [[5, 6, END], [8, END, PAD]]
    assert result.target.tolist() == [[BEGIN, 7, END, PAD, PAD], [BEGIN, 9, 10, 11, END]]
    assert result.tokens == 6


def test_sources_without_an_end(tmp_path):
    data = toy_pairs(tmp_path / "toy", [([5, 6], [7]), ([8], [9, 10, 11])])
    assert batch(data, np.array([0, 1]), source_end=False).source.tolist() == [[5, 6], [8, PAD]]
    stream = Stream(data, 60, seed=5, source_end=False)
    assert END not in next(stream()).source


def test_stream_continues_from_anywhere(tmp_path):
    data = toy_pairs(tmp_path / "toy")
    stream = Stream(data, 60, seed=5)
    whole = list(islice(stream(), 3 * stream.per_epoch))
    later = list(islice(stream(7), 5))
    assert all((a.source == b.source).all() for a, b in zip(whole[7:12], later, strict=True))
    odd = list(islice(stream(1, 2), 4))
    assert all((a.source == b.source).all() for a, b in zip(whole[1:9:2], odd, strict=True))
    epochs = [whole[i * stream.per_epoch : (i + 1) * stream.per_epoch] for i in range(2)]
    assert [one.tokens for one in epochs[0]] != [one.tokens for one in epochs[1]]
    assert sum(one.tokens for one in epochs[0]) == sum(one.tokens for one in epochs[1])


def test_made_ahead_by_a_thread_they_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(Batch, "pinned", lambda self: self)  # which needs a GPU
    data = toy_pairs(tmp_path / "toy")
    stream = Stream(data, 100, 1, soft=soften([toy_teacher()], data, 2))
    direct, prepared = stream(3), ahead(stream(3), torch.device("cpu"))
    for _ in range(20):
        for one, other in zip(next(direct), next(prepared), strict=True):
            assert one.equal(other)


def test_widths_are_multiples_where_they_shall_be(tmp_path):
    data = toy_pairs(tmp_path / "toy")
    plain, wide = batch(data, np.arange(5)), batch(data, np.arange(5), multiple=8)
    assert wide.source.shape[1] % 8 == 0
    assert wide.target.shape[1] % 8 == 1  # of which a model sees all but the last
    assert wide.tokens == plain.tokens
    assert wide.target[:, : plain.target.shape[1]].equal(plain.target)
