"""The chunked loss against torch's own cross-entropy and autograd."""

import pytest
import torch
from torch.nn import functional as F

from tzip.loss import ROWS, smoothed_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_equal_torch(smoothing):
    torch.manual_seed(0)
    size = ROWS["cpu"] + 37  # more than one chunk, the last one short
    layer = torch.nn.Linear(12, 31)
    hidden = torch.randn(size, 12, requires_grad=True)
    target = torch.randint(31, (size,))

    loss, likelihood = smoothed_cross_entropy(hidden, layer, target, smoothing)
    (loss / size).backward()
    ours = [hidden.grad.clone(), layer.weight.grad.clone(), layer.bias.grad.clone()]

    for x in (hidden, layer.weight, layer.bias):
        x.grad = None
    expected = F.cross_entropy(layer(hidden), target, label_smoothing=smoothing)
    expected.backward()
    torch.testing.assert_close(loss / size, expected)
    torch.testing.assert_close(likelihood / size, F.cross_entropy(layer(hidden), target))
    for mine, theirs in zip(ours, [hidden.grad, layer.weight.grad, layer.bias.grad], strict=True):
        torch.testing.assert_close(mine, theirs)


def test_likelihood_has_no_gradient():
    layer = torch.nn.Linear(4, 5)
    _, likelihood = smoothed_cross_entropy(torch.randn(3, 4), layer, torch.tensor([0, 1, 2]), 0.1)
    assert not likelihood.requires_grad
