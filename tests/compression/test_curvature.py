"""Statistics of a model against their definitions: exact inputs, exact second derivatives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.compression.test_compress import transformer
from tests.toys.data import toy_pairs
from tzip.compression import curvature
from tzip.data.pieces import BEGIN, END
from tzip.nmt.batches import Batch
from tzip.nmt.model import Transformer, tensors

SOURCE = torch.tensor([[5, 6, 7, END]])
HIDDEN = "encoder.0.feed_forward.outer.weight"


def sentence(*pieces: int) -> Batch:
    return Batch.of(SOURCE, torch.tensor([[BEGIN, *pieces]]))


def collected(model: Transformer, *sentences: Batch) -> curvature.Statistics:
    return curvature.collect(model, sentences, tensors(model))


def test_the_hessian_is_of_the_layers_inputs() -> None:
    model = transformer()
    inputs: list[torch.Tensor] = []
    layer = model.encoder[0].feed_forward.outer
    hook = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach().flatten(0, 1)))
    found = collected(model, sentence(8, END), sentence(9, 10, END))
    hook.remove()
    rows = torch.cat(inputs)
    assert len(rows) == 8
    assert torch.allclose(found[f"hessian/{HIDDEN}"], 2 * rows.t() @ rows / 8, atol=1e-6)
    tied = found["hessian/source_embedding.weight"]  # the output layer's inputs: its weight is the same
    assert tied.shape == (16, 16)
    untied = collected(transformer(tie="none"), sentence(8, END))
    assert "hessian/source_embedding.weight" not in untied
    assert "hessian/generator.weight" in untied


def test_the_fisher_matrix_is_the_hessian_where_targets_are_the_models_own() -> None:
    """E over y ~ p(y|x) of the squared gradient of -log p(y|x) is its second derivative (Fisher's identity).

    Every target of one piece is enumerated, weighted by what the model gives it; END is not predicted here.
    """
    model = transformer()
    with torch.no_grad():
        weight = model(SOURCE, torch.tensor([[BEGIN]])).softmax(-1)[0, 0]
    each = [collected(model, sentence(piece))[f"fisher/{HIDDEN}"] for piece in range(len(weight))]
    fisher = sum(p * squared for p, squared in zip(weight, each, strict=True))
    matrix = tensors(model)[HIDDEN][0][0].weight

    def expected() -> torch.Tensor:
        return -(weight * model(SOURCE, torch.tensor([[BEGIN]])).log_softmax(-1)[0, 0]).sum()

    (slope,) = torch.autograd.grad(expected(), matrix, create_graph=True)
    assert slope.abs().max() < 1e-4  # the model is its own optimum
    for row, column in [(0, 0), (3, 5), (15, 23)]:
        (second,) = torch.autograd.grad(slope[row, column], matrix, retain_graph=True)
        assert float(fisher[row, column]) == pytest.approx(float(second[row, column]), rel=0.02, abs=1e-6)


def test_statistics_are_those_that_were_saved(tmp_path: Path) -> None:
    data = toy_pairs(tmp_path / "toy")
    sentences = curvature.sample(data, 5, seed=3)
    assert [one.source.shape[0] for one in sentences] == [1] * 5
    again = curvature.sample(data, 5, seed=3)
    assert all(torch.equal(one.target, other.target) for one, other in zip(sentences, again, strict=True))
    found = collected(transformer(), sentence(8, END))
    curvature.save(tmp_path / "new" / "statistics.safetensors", found)
    back = curvature.load(tmp_path / "new" / "statistics.safetensors")
    assert back.keys() == found.keys()
    assert all(torch.equal(back[key], value) for key, value in found.items())


def test_what_is_no_statistics_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "statistics.safetensors"
    path.write_bytes(np.arange(9).tobytes())
    with pytest.raises(ValueError, match=f"^{path}: "):
        curvature.load(path)
    with pytest.raises(ValueError, match="calibration: no sentence pairs"):
        collected(transformer())
