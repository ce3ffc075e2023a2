"""Each pruner against its formula, worked out by hand or by brute force."""

import numpy as np
import pytest
import torch

from tests.toys.weights import layer, loss, pruned_by


def test_magnitude_takes_the_smallest_and_of_equals_the_first() -> None:
    weight = torch.tensor([[0.5, -0.1, 0.1], [-0.1, 3.0, -2.0]])
    pruner = pruned_by("magnitude", weight)
    pruner.prune(weight, 2 / 6)
    assert pruner.keep.tolist() == [[True, False, False], [True, True, True]]
    pruner.prune(weight, 4 / 6)
    assert pruner.keep.tolist() == [[False, False, False], [False, True, True]]
    assert pruner.code(weight).decode().tolist() == [[0, 0, 0], [0, 3, -2]]


def test_obd_takes_the_least_salient() -> None:
    weight = torch.tensor([[3.0, 1.0, -2.0]])
    pruner = pruned_by("obd", weight, {"fisher": torch.tensor([[0.1, 4.0, 0.3]])})
    assert torch.allclose(pruner.saliency(weight), torch.tensor([[0.45, 2.0, 0.6]]))
    pruner.prune(weight, 2 / 3)
    assert pruner.keep.tolist() == [[False, True, False]]


def test_obs_removes_one_weight_as_an_exhaustive_search_does() -> None:
    """Each removed in turn, the others by least squares: OBS takes the cheapest, with that solution."""
    weight, hessian = layer(1, 6, seed=11)
    pruner = pruned_by("obs", weight, {"hessian": hessian}, damp=1e-6)
    costs, solutions = [], []
    for gone in range(6):
        left = [i for i in range(6) if i != gone]
        others = torch.linalg.solve(hessian[left][:, left], hessian[left] @ weight[0].double())
        solution = torch.zeros(6, dtype=torch.float64).index_copy_(0, torch.tensor(left), others)
        solutions.append(solution)
        costs.append(loss(solution - weight[0], hessian))
    assert pruner.saliency(weight)[0].tolist() == pytest.approx(costs, rel=1e-3)
    pruned = weight.clone()
    pruner.prune(pruned, 1 / 6)
    best = int(np.argmin(costs))
    assert (~pruner.keep).nonzero().tolist() == [[0, best]]
    assert torch.allclose(pruned[0].double(), solutions[best], atol=1e-4)


@pytest.mark.parametrize("columns", [16, 48])
def test_obs_loses_less_than_magnitude_and_ends_at_least_squares(columns: int) -> None:
    """One by one and by blocks: what is left is nearly the least-squares solution for the mask chosen."""
    weight, hessian = layer(20, columns)
    pruner = pruned_by("obs", weight, {"hessian": hessian}, damp=1e-4, block=8)
    pruned, other = weight.clone(), pruned_by("magnitude", weight)
    for sparsity in (0.3, 0.5):
        pruner.prune(pruned, sparsity)
        other.prune(weight, sparsity)
    lost = loss(pruner(pruned) - weight, hessian)
    assert lost < 0.6 * loss(other(weight) - weight, hessian)
    best = 0.0
    for row, keep in zip(weight.double(), pruner.keep, strict=True):
        left = keep.nonzero().squeeze(1)
        change = -row.clone()
        change[left] = torch.linalg.solve(hessian[left][:, left], hessian[left] @ row) - row[left]
        best += loss(change, hessian)
    assert lost < 1.02 * best
