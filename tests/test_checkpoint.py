"""Checkpoints: what is saved comes back, and what does not fit is named."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.test_model import toy
from tzip import checkpoint


def test_round_trip_keeps_ties_and_bits(tmp_path):
    model = toy(tie="all").float()
    checkpoint.save(tmp_path, model, b"pieces")
    loaded, pieces = checkpoint.load(tmp_path)
    assert pieces == b"pieces"
    assert loaded.generator.weight is loaded.source_embedding.weight
    assert loaded.config == model.config
    for (name, a), (_, b) in zip(model.named_parameters(), loaded.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    stored = load_file(tmp_path / checkpoint.WEIGHTS)
    assert sum(t.numel() for t in stored.values()) == sum(p.numel() for p in model.parameters())


def test_missing_and_misshapen_parts_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"not a checkpoint: config.json is missing"):
        checkpoint.load(tmp_path)
    checkpoint.save(tmp_path, toy().float(), b"pieces")
    path = tmp_path / checkpoint.WEIGHTS
    tensors = load_file(path)
    save_file(tensors | {"generator.bias": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"generator.bias: \(3,\) found, \(50,\) expected"):
        checkpoint.load(tmp_path)
    save_file({n: t for n, t in tensors.items() if n != "generator.bias"}, path)
    with pytest.raises(ValueError, match=r"generator.bias: nothing found, \(50,\) expected"):
        checkpoint.load(tmp_path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        checkpoint.load(tmp_path)
