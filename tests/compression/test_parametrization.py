"""What quantizers share: codebooks that train, zeros that stay, scales by row or group."""

import numpy as np
import pytest
import torch

from tzip.compression import parametrization
from tzip.compression.code import Code
from tzip.compression.parametrization import blocks, scale_form, spread


def test_compact_drops_what_nobody_uses() -> None:
    indices, codebook = parametrization.compact(np.array([3, 1, 3], np.uint8), np.arange(5, dtype=np.float32))
    assert indices.tolist() == [1, 0, 1]
    assert codebook.tolist() == [1.0, 3.0]
    indices, codebook = parametrization.compact(np.zeros(0, np.uint8), np.arange(5, dtype=np.float32))
    assert (indices.tolist(), codebook.tolist()) == ([], [0.0])


def test_a_centroids_gradient_is_the_sum_over_its_weights() -> None:
    codebook = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
    latent = torch.zeros(2, 2, requires_grad=True)
    indices = torch.tensor([[0, 2], [2, 2]], dtype=torch.uint8)
    effective = parametrization.Lookup.apply(codebook, indices, latent)
    assert effective.tolist() == [[0.5, 2.0], [2.0, 2.0]]
    (effective * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert codebook.grad.tolist() == [1.0, 0.0, 9.0]
    assert latent.grad.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_zeroed_weights_are_exactly_zero_and_the_others_as_they_were() -> None:
    values = torch.tensor([1.5, -1.5, -0.0, 3e38, float("nan")])
    weight, keep = values.repeat(2).requires_grad_(), torch.tensor([True] * 5 + [False] * 5)
    effective = parametrization.zeroed(weight, keep)
    assert effective.detach().numpy().tobytes() == values.numpy().tobytes() + bytes(20)
    effective.backward(torch.arange(10.0))
    assert weight.grad.tolist() == [0, 1, 2, 3, 4, 0, 0, 0, 0, 0]
    assert parametrization.zeroed(weight, None) is weight


def test_both_ways_of_summing_agree() -> None:
    """The one for devices without a fixed order of addition runs on the CPU, too."""
    random = torch.Generator().manual_seed(0)
    values = torch.randn(10_000, generator=random)
    indices = torch.randint(0, 200, (10_000,), generator=random).to(torch.uint8)
    wanted = torch.zeros(256, dtype=torch.float64).index_add_(0, indices.long(), values.double())
    for how in (parametrization.summed, parametrization.summed_by_sorting):
        assert torch.allclose(how(values, indices, 256).double(), wanted, atol=1e-4)


@pytest.mark.parametrize("edges", [0, 1, 2, 14, 32, 33, 254])
def test_values_fall_between_edges_as_a_search_finds_them(edges: int) -> None:
    """On an edge too; edges that are equal or infinite are those of levels that are gone."""
    generator = torch.Generator().manual_seed(edges)
    ascending = torch.randn(edges, generator=generator).mul(4).round().div(4).sort().values
    if edges > 2:
        ascending[0], ascending[-2:] = -torch.inf, torch.inf
    values = torch.cat([torch.randn(5000, generator=generator), ascending, torch.tensor([torch.inf, -torch.inf])])
    found = parametrization.bucket(values, ascending)
    assert found.dtype == torch.int32
    assert found.tolist() == torch.bucketize(values, ascending).tolist()


@pytest.mark.parametrize(
    ("per", "form"), [("tensor", (1, 1)), ("row", (3, 1)), ("32", (3, 3)), ("64", (3, 2)), ("128", (3, 1))]
)
def test_scales_reach_the_weights_of_their_block(per: str, form: tuple) -> None:
    """As a file reads them: spread over ones, scales decode to themselves."""
    weight = torch.arange(3.0 * 70).view(3, 70)
    assert scale_form(weight.shape, per) == form
    parts = blocks(weight, form)
    assert parts.shape[:2] == form
    assert parts.sum() == weight.sum()
    largest = spread(parts.amax(2), weight.shape)
    assert (largest >= weight).all()
    scales = torch.arange(1.0, 1 + form[0] * form[1]).view(form)
    ones = Code((3, 70), np.zeros(210, np.uint8), np.ones(1, np.float32), None, scales.half().numpy())
    assert np.array_equal(ones.decode(), spread(scales, weight.shape).numpy())
    sums = torch.zeros(form).index_add_(1, torch.arange(form[1]), parts.sum(2))
    wanted = [weight[spread(scales, weight.shape) == scale].sum() for scale in scales.flatten()]
    assert sums.flatten().tolist() == pytest.approx([float(one) for one in wanted])
