"""Label-smoothed cross-entropy of an output layer, without ever holding the logits of a whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

ROWS = {"cpu": 256, "cuda": 4096}  # target positions at a time: what fits the cache


class SmoothedCrossEntropy(torch.autograd.Function):
    """Loss of softmax(hidden · weightᵀ + bias) against (1-ε)·one-hot + ε/V (Szegedy et al. 2016, section 7).

    hidden [N, D], weight [V, D], bias [V], target [N] → the sum over N of the smoothed loss, and of
    -log p(target), both float32, in nats. The gradient, softmax minus target distribution, is made in
    the forward pass, a few rows at a time, so that no [N, V] tensor outlives its rows.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float):
        learning = any(ctx.needs_input_grad)
        weight_in = weight.to(hidden.dtype)
        grads = (
            [torch.zeros_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)] if learning else []
        )
        loss = hidden.new_zeros((), dtype=torch.float32)
        likelihood = torch.zeros_like(loss)
        rows = ROWS.get(hidden.device.type, 1024)
        for start in range(0, len(target), rows):
            part, wanted = hidden[start : start + rows], target[start : start + rows]
            logits = (part @ weight_in.t()).float().add_(bias)
            log_p = F.log_softmax(logits, dim=-1)
            hit = log_p.gather(1, wanted[:, None])
            likelihood -= hit.sum()
            loss -= (1 - smoothing) * hit.sum() + (smoothing * log_p.mean(dim=-1).sum() if smoothing else 0.0)
            if learning:
                error = log_p.exp_().sub_(smoothing / log_p.shape[1])
                error.scatter_add_(1, wanted[:, None], torch.full_like(hit, smoothing - 1))
                grads[2] += error.sum(dim=0)
                error = error.to(hidden.dtype)
                grads[0][start : start + rows] = error @ weight_in
                grads[1] += error.t() @ part
        ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(likelihood)
        return loss, likelihood

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor, _):
        hidden, weight, bias = (grad * grad_loss.to(grad.dtype) for grad in ctx.saved_tensors)
        return hidden, weight, bias, None, None


def smoothed_cross_entropy(hidden: Tensor, layer: torch.nn.Linear, target: Tensor, smoothing: float):
    """(loss, negative log-likelihood) in nats, summed over `target` [N], for states `hidden` [N, D]."""
    return SmoothedCrossEntropy.apply(hidden, layer.weight, layer.bias, target, smoothing)
