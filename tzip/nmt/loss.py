"""The loss of an output layer, with or without a teacher, never holding the logits of a whole batch."""

from collections.abc import Iterator
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

    r_drop  α > 0: states i and N/2 + i are of one position with other dropout, and α/2 · (KL(p ‖ p') + KL(p' ‖ p)) of
            their predictions is added for each i (R-Drop, Liang et al. 2021, equations 2 to 4); else 0
    """

    @staticmethod
    def forward(
        ctx, hidden: Tensor, weight: Tensor, bias: Tensor, target: Tensor, smoothing: float, taught, r_drop: float
    ):
        learning = any(ctx.needs_input_grad)
        grads = [torch.zeros_like(x) for x in (hidden, weight, bias)] if learning else []
        weight_in = weight.to(hidden.dtype)
        kind = torch.promote_types(hidden.dtype, torch.float32)
        loss = hidden.new_zeros((), dtype=kind)
        share, temperature = (taught.share, taught.temperature) if taught else (0.0, 1.0)
        for rows in chunks(len(target), ROWS.get(hidden.device.type, 1024), hidden.device, bool(r_drop)):
            part, target_part = hidden[rows], target[rows, None]
            logits = (part @ weight_in.t()).to(kind).add_(bias)
            log_p = F.log_softmax(logits, dim=-1)
            hit = log_p.gather(1, target_part)
            log_likelihood = (1 - smoothing) * hit.sum()
            if smoothing:
                log_likelihood += smoothing * log_p.mean(dim=-1).sum()
            loss -= (1 - share) * log_likelihood
            softened = log_p if temperature == 1 else F.log_softmax(logits.div_(temperature), dim=-1)
            if taught:
                wanted = taught.log_probabilities(rows, kind)
                loss += share * temperature**2 * divergence(wanted, softened)
            if r_drop:
                divergences, slopes = disagreement(*log_p.chunk(2))
                loss += r_drop / 2 * divergences
            if learning:
                error = log_p.exp_()
                if softened is not log_p:
                    error.mul_(1 - share).add_(softened.exp_(), alpha=share * temperature)
                if smoothing:
                    error.sub_((1 - share) * smoothing / log_p.shape[1])
                error.scatter_add_(1, target_part, torch.full_like(hit, (1 - share) * (smoothing - 1)))
                if taught:
                    subtract(error, wanted, share * temperature)
                if r_drop:
                    error.add_(slopes, alpha=r_drop / 2)
                grads[2] += error.sum(dim=0)
                error = error.to(hidden.dtype)
                grads[0][rows] = error @ weight_in
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

    def log_probabilities(self, rows: slice | Tensor, kind: torch.dtype) -> LogProbabilities:
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


def chunks(count: int, most: int, device: torch.device, paired: bool) -> Iterator[slice | Tensor]:
    """At most `most` of the rows 0 ... count - 1 at a time; `paired`: i and count / 2 + i together, in two halves."""
    half = count // 2
    for start in range(0, half if paired else count, most // (1 + paired)):
        if paired:
            first = torch.arange(start, min(start + most // 2, half), device=device)
            yield torch.cat([first, first + half])
        else:
            yield slice(start, start + most)


def disagreement(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """KL(p ‖ q) + KL(q ‖ p) in nats, summed over the rows, of log-probabilities [n, V]; its gradient [2n, V].

    The gradient is that of both models' logits: p (log p - log q - KL(p ‖ q)) + p - q, and the same of q.
    """
    gap, p, q = first - second, first.exp(), second.exp()
    there, back = (p * gap).sum(1, keepdim=True), -(q * gap).sum(1, keepdim=True)
    between = p - q
    slopes = torch.cat([p.mul_(gap - there).add_(between), q.mul_(gap.neg_().sub_(back)).sub_(between)])
    return (there + back).sum(), slopes


def smoothed_cross_entropy(
    hidden: Tensor,
    layer: nn.Linear,
    target: Tensor,
    smoothing: float,
    taught: Distillation | None = None,
    r_drop: float = 0.0,
) -> Tensor:
    """The loss in nats, summed over `target` [N], of the states `hidden` [N, D]."""
    return SmoothedCrossEntropy.apply(hidden, layer.weight, layer.bias, target, smoothing, taught, r_drop)


class Objective(nn.Module):
    """The model with its loss: a batch's parts → the sum over its target pieces in nats.

    teacher             a frozen model; None where the batch itself holds what a teacher says, or there is none
    share, temperature  of a teacher, see `Distillation`
    r_drop  α of R-Drop: in training each sentence passes twice, with other dropout; the sum is of their mean
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
        r_drop: float = 0.0,
    ):
        super().__init__()
        self.model, self.smoothing, self.teacher = model, smoothing, teacher
        self.share, self.temperature, self.r_drop = share, temperature, r_drop
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
        target_N = target_BT[:, 1:].flatten().index_select(0, predicted_N)
        r_drop = self.r_drop if self.training else 0.0
        if r_drop:
            second = predicted_N + batch[1].numel()
            batch = (*(torch.cat([x, x]) for x in batch[:2]), torch.cat([predicted_N, second]))
            of_positions = 1 if len(given) == 3 else 2  # of what a teacher says; a model's output layer follows
            given = (*(torch.cat([x, x]) for x in given[:of_positions]), *given[of_positions:])
            target_N = torch.cat([target_N, target_N])
        taught = Distillation(given, self.share, self.temperature) if given else None
        state_ND = self.states(self.model, *batch)
        loss = smoothed_cross_entropy(state_ND, self.model.generator, target_N, self.smoothing, taught, r_drop)
        return loss / 2 if r_drop else loss


def states(model: nn.Module, source_BS: Tensor, target_BT: Tensor, predicted_N: Tensor) -> Tensor:
    """Decoder states [N, D] at these positions of the flattened targets."""
    state_BTD = model.decode(target_BT, *model.encode(source_BS))
    return state_BTD.flatten(0, 1).index_select(0, predicted_N)
