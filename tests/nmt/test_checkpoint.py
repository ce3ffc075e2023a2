"""Checkpoints: what is saved comes back, and what does not fit is named."""

import resource

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.nmt.test_model import toy
from tzip.files import read_json, write_json
from tzip.nmt import checkpoint


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
    path.write_bytes(b"not tensors")
    with pytest.raises(ValueError, match=r"model\.safetensors: "):
        checkpoint.load(tmp_path)


def test_a_file_whose_size_looks_like_a_pickle_is_none(tmp_path):
    model, path = toy().float(), tmp_path / "model.safetensors"
    checkpoint.save(tmp_path, model, b"vocabulary")
    tensors = load_file(path)
    for filler in range(0, 256, 8):  # of one header in 32, the first byte is the one that pickles begin with
        save_file(tensors, path, {"filler": "x" * filler})
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert not checkpoint.is_torch_file(path)
    found, _ = checkpoint.load(tmp_path)
    assert torch.equal(found.generator.bias, model.generator.bias)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_is_refused_by_name(tmp_path, zipped):
    checkpoint.save(tmp_path, toy().float(), b"pieces")
    path = tmp_path / checkpoint.WEIGHTS
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}  # it is mapped from there
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"model\.safetensors: a pickle, or a torch file with one inside"):
        checkpoint.load(tmp_path)


def test_no_memory_is_taken_for_a_model_that_the_file_does_not_hold(tmp_path):
    """Its 10 GB would be taken before the weights were looked at."""
    checkpoint.save(tmp_path, toy().float(), b"pieces")
    config = read_json(tmp_path / checkpoint.CONFIG)
    write_json(tmp_path / checkpoint.CONFIG, config | {"encoder_layers": 128, "d_ff": 32768, "d_model": 8192})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"found, .* expected"):
        checkpoint.load(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
