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
    in nats. With a `Distillation` it is (1-w)·that + w·T²·KL(softmax(teacher/T) ‖ softmax(student/T)) of the two
    models' logits (Hinton et al. 2015, section 2). The gradient, softmax minus target distribution, is computed
    in the forward pass, a few rows at a time: no [N, V] tensor outlives its rows.
    """

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, taught):
        learning = any(ctx.needs_input_grad)
        grads = [torch.zeros_like(x) for x in (hidden, weight, bias)] if learning else []
        weight_in = weight.to(hidden.dtype)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        loss = hidden.new_zeros((), dtype=kind)
        share, temperature = (taught.share, taught.temperature) if taught else (0.0, 1.0)
        rows = ROWS.get(hidden.device.type, 1024)
        for start in range(0, len(target), rows):
            part, target_part = hidden[start : start + rows], target[start : start + rows, None]
            logits = (part @ weight_in.t()).to(kind).add_(bias)
            log_p = F.log_softmax(logits, dim=-1)
            hit = log_p.gather(1, target_part)
            log_likelihood = (1 - smoothing) * hit.sum()
            if smoothing:
                log_likelihood += smoothing * log_p.mean(dim=-1).sum()
            loss -= (1 - share) * log_likelihood
            softened = log_p if temperature == 1 else F.log_softmax(logits.div_(temperature), dim=-1)
            if taught:
                wanted = taught.log_probabilities(slice(start, start + rows), kind)
                loss += share * temperature**2 * divergence(wanted, softened)
            if learning:
                error = log_p.exp_()
                if softened is not log_p:
                    error.mul_(1 - share).add_(softened.exp_(), alpha=share * temperature)
                if smoothing:
                    error.sub_((1 - share) * smoothing / log_p.shape[1])
                error.scatter_add_(1, target_part, torch.full_like(hit, (1 - share) * (smoothing - 1)))
                if taught:
                    subtract(error, wanted, share * temperature)
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


class LogProbabilities(NamedTuple):
    """Natural logarithms of a teacher's probabilities at n positions.

    values  [n, V] of all pieces, or [n, K] of those in `pieces` [n, K], whose sum is 1
    """

    values: Tensor
    pieces: Tensor | None = None


class Distillation(NamedTuple):
    """What a teacher says at N target positions, and how much it counts.

    given        the teacher's hidden states [N, D'], weight [V, D'] and bias [V] of its output layer; or its K most
                 likely pieces [N, K] and the logarithms of their probabilities [N, K]
    share        w, the part of the loss that the teacher decides
    temperature  T, by which both models' logits are divided
    """

    given: tuple[Tensor, Tensor, Tensor] | tuple[Tensor, Tensor]
    share: float
    temperature: float

    def log_probabilities(self, rows: slice, kind: torch.dtype) -> LogProbabilities:
        """The teacher's softened distribution at some of the positions."""
        if len(self.given) == 2:
            pieces, values = (x[rows] for x in self.given)
            return LogProbabilities(F.log_softmax(values.to(kind) / self.temperature, dim=-1), pieces.long())
        hidden, weight, bias = self.given
        logits = (hidden[rows] @ weight.to(hidden.dtype).t()).to(kind).add_(bias)
        return LogProbabilities(F.log_softmax(logits.div_(self.temperature), dim=-1))


def divergence(teacher: LogProbabilities, log_p: Tensor) -> Tensor:
    """KL(teacher ‖ student) in nats, summed over the positions, of a student's log-probabilities [n, V]."""
    log_p = log_p if teacher.pieces is None else log_p.gather(1, teacher.pieces)
    return F.kl_div(log_p, teacher.values, reduction="sum", log_target=True)


def subtract(error: Tensor, teacher: LogProbabilities, factor: float) -> None:
    """Take `factor` times the teacher's probabilities from `error` [n, V]."""
    if teacher.pieces is None:
        error.sub_(teacher.values.exp_(), alpha=factor)
    else:
        error.scatter_add_(1, teacher.pieces, teacher.values.exp_().mul_(-factor))


def smoothed_cross_entropy(
    hidden: Tensor, layer: nn.Linear, target: Tensor, smoothing: float, taught: Distillation | None = None
) -> Tensor:
    """The loss in nats, summed over `target` [N], of the states `hidden` [N, D]."""
    return SmoothedCrossEntropy.apply(hidden, layer.weight, layer.bias, target, smoothing, taught)


class Objective(nn.Module):
    """The model with its loss: a batch's parts → the sum over its target pieces in nats.

    teacher             a frozen model; None where the batch itself holds what a teacher says, or there is none
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

    def forward(
        self,
        source_BS: Tensor,
        target_BT: Tensor,
        predicted_N: Tensor,
        soft_pieces_NK: Tensor | None = None,
        soft_logs_NK: Tensor | None = None,
    ) -> Tensor:
        batch = (source_BS, target_BT[:, :-1], predicted_N)
        given = () if soft_pieces_NK is None else (soft_pieces_NK, soft_logs_NK)
        if self.teacher is not None:
            with torch.no_grad():
                last = self.teacher.generator
                given = (self.states(self.teacher, *batch), last.weight, last.bias)
        taught = Distillation(given, self.share, self.temperature) if given else None
        target_N = target_BT[:, 1:].flatten().index_select(0, predicted_N)
        state_ND = self.states(self.model, *batch)
        return smoothed_cross_entropy(state_ND, self.model.generator, target_N, self.smoothing, taught)


def states(model: nn.Module, source_BS: Tensor, target_BT: Tensor, predicted_N: Tensor) -> Tensor:
    """Decoder states [N, D] at these positions of the flattened targets."""
    state_BTD = model.decode(target_BT, *model.encode(source_BS))
    return state_BTD.flatten(0, 1).index_select(0, predicted_N)
