"""The loss of an output layer, with or without a teacher, never holding the logits of a whole batch."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

ROWS = {"cpu": 256, "cuda": 4096}  # target positions at a time: what fits the cache


class SmoothedCrossEntropy(torch.autograd.Function):
    """Loss of softmax(hidden · weightᵀ + bias) against (1-ε)·one-hot + ε/V (Szegedy et al. 2016, section 7).

    hidden [N, D], weight [V, D], bias [V], target [N] → the sum over N, float32 (float64 of float64 states),
    in nats. With the fields of a `Distillation` after them it is (1-w)·that + w·T²·KL(softmax(teacher/T) ‖
    softmax(student/T)) of the two models' logits (Hinton et al. 2015, section 2). The gradient, softmax minus
    target distribution, is computed in the forward pass, a few rows at a time: no [N, V] tensor outlives its
    rows.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, *teacher):
        learning = any(ctx.needs_input_grad)
        grads = [torch.zeros_like(x) for x in (hidden, weight, bias)] if learning else []
        weight_in = weight.to(hidden.dtype)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        loss = hidden.new_zeros((), dtype=kind)
        rows = ROWS.get(hidden.device.type, 1024)
        for start in range(0, len(target), rows):
            part, target_part = hidden[start : start + rows], target[start : start + rows, None]
            logits = (part @ weight_in.t()).to(kind).add_(bias)
            log_p = F.log_softmax(logits, dim=-1)
            hit = log_p.gather(1, target_part)
            log_likelihood = (1 - smoothing) * hit.sum()
            if smoothing:
                log_likelihood += smoothing * log_p.mean(dim=-1).sum()
            if teacher:
                share = teacher[3]
                soft, soft_error = divergence(logits, Distillation(*teacher), slice(start, start + rows))
                log_likelihood = (1 - share) * log_likelihood - share * soft
            loss -= log_likelihood
            if learning:
                error = log_p.exp_().sub_(smoothing / log_p.shape[1])
                error.scatter_add_(1, target_part, torch.full_like(hit, smoothing - 1))
                if teacher:
                    error.mul_(1 - share).add_(soft_error, alpha=share)
                grads[2] += error.sum(dim=0)
                error = error.to(hidden.dtype)
                grads[0][start : start + rows] = error @ weight_in
                grads[1] += error.t() @ part
        ctx.save_for_backward(*grads)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor):
        grads = [grad * grad_loss.to(grad.dtype) for grad in ctx.saved_tensors]
        return *grads, *[None] * (len(ctx.needs_input_grad) - len(grads))


class Distillation(NamedTuple):
    """A teacher's states and output layer at N target positions, and how much they count.

    hidden [N, D'], weight [V, D'], bias [V]; share: w, the part of the loss that the teacher decides;
    temperature: T, by which both models' logits are divided
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor
    share: float
    temperature: float


def divergence(logits: Tensor, teacher: Distillation, rows: slice) -> tuple[Tensor, Tensor]:
    """T²·KL(teacher ‖ student) summed over these rows, and its gradient by the student's `logits` [n, V]."""
    hidden, weight, bias, _, temperature = teacher
    teacher_logits = (hidden[rows] @ weight.to(hidden.dtype).t()).to(logits.dtype).add_(bias)
    log_q = F.log_softmax(teacher_logits / temperature, dim=-1)
    log_p = F.log_softmax(logits / temperature, dim=-1)
    value = F.kl_div(log_p, log_q, reduction="sum", log_target=True) * temperature**2
    return value, log_p.exp_().sub_(log_q.exp_()).mul_(temperature)


def smoothed_cross_entropy(
    hidden: Tensor, layer: nn.Linear, target: Tensor, smoothing: float, teacher: Distillation | None = None
) -> Tensor:
    """The loss in nats, summed over `target` [N], of the states `hidden` [N, D]."""
    return SmoothedCrossEntropy.apply(hidden, layer.weight, layer.bias, target, smoothing, *(teacher or ()))


class Objective(nn.Module):
    """The model with its loss: a batch's parts → the sum over its target pieces in nats.

    share, temperature  of a teacher, see `Distillation`
    compiled  whether encoder and decoder are (torch.compile), for all shapes at once; the loss, which takes
              a few rows of large matrices at a time, gains nothing by it
    """

    def __init__(
        self,
        model: nn.Module,
        smoothing: float,
        teacher: nn.Module | None = None,
        share: float = 0.0,
        temperature: float = 1.0,
        compiled: bool = False,
    ):
        super().__init__()
        self.model, self.smoothing, self.teacher = model, smoothing, teacher
        self.share, self.temperature = share, temperature
        self.states = torch.compile(states, dynamic=True) if compiled else states

    def forward(self, source_BS: Tensor, target_BT: Tensor, predicted_N: Tensor) -> Tensor:
        batch = (source_BS, target_BT[:, :-1], predicted_N)
        taught = None
        if self.teacher is not None:
            with torch.no_grad():
                last, state_ND = self.teacher.generator, self.states(self.teacher, *batch)
                taught = Distillation(state_ND, last.weight, last.bias, self.share, self.temperature)
        target_N = target_BT[:, 1:].flatten().index_select(0, predicted_N)
        state_ND = self.states(self.model, *batch)
        return smoothed_cross_entropy(state_ND, self.model.generator, target_N, self.smoothing, taught)


def states(model: nn.Module, source_BS: Tensor, target_BT: Tensor, predicted_N: Tensor) -> Tensor:
    """Decoder states [N, D] at these positions of the flattened targets."""
    state_BTD = model.decode(target_BT, *model.encode(source_BS))
    return state_BTD.flatten(0, 1).index_select(0, predicted_N)
