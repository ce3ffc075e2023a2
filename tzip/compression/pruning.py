"""When a pruner prunes how much, and how the tensors share it: whatever the saliency."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tzip.compression.parametrization import Mask, lowest
from tzip.compression.variant import Pruning

STEPS = 9  # cuts after the first one
Pruned = Sequence[tuple[Mask, Tensor]]  # pruners, each with its weight


def sparsity(options: Pruning, update: int, updates: int) -> float:
    """The share of weights to be pruned before update `update`, counted from 0, of `updates`.

    stepwise is the paper's "Pruned X → Y": X at once, then (Y − X)/9 more after every `interval(updates)`
    updates. gradual is s_t = s_f + (s_i − s_f)(1 − t/(nΔt))³ (Zhu & Gupta 2017, arXiv 1710.01878, equation 1;
    Gale et al. 2019, arXiv 1902.09574), t the last multiple of Δt, the hundredth part of the updates, and
    nΔt where the recovery begins. At `update == updates`, the end, every schedule has reached `end` exactly.
    """
    if options.schedule == "one-shot" or update >= updates:
        return options.end
    if options.schedule == "gradual":
        step = max(1, updates // 100)
        last = max(1, round(updates * (1 - options.recovery)) // step)  # n
        left = max(0.0, 1 - update // step / last)
        return options.end + (options.start - options.end) * left**3
    steps = update // interval(updates)
    return options.end if steps >= STEPS else options.start + (options.end - options.start) * steps / STEPS


def interval(updates: int) -> int:
    """Updates between two cuts: updates // 10 + 1, the paper's 1,001 of 10,000.

    In fewer than 100 updates that could leave none after the last cut, so it is shorter there.
    """
    return max(1, min(updates // 10 + 1, (updates - 1) // STEPS))


def shares(select: str, pruned: Pruned, sparsity: float) -> list[float]:
    """The sparsity of each weight such that `sparsity` of all weights are pruned.

    uniform       the same for each (class-uniform)
    blind         the least salient of all weights go, in whatever tensor (class-blind)
    distribution  a weight's magnitude is taken in standard deviations of its tensor's (class-distribution);
                  so are saliencies, to the power of the weight that they go with
    """
    if select == "uniform":
        return [sparsity] * len(pruned)
    ranks = [pruner.ranks(weight) for pruner, weight in pruned]
    if select == "distribution":
        units = [deviation(pruner, weight) ** pruner.degree for pruner, weight in pruned]
        ranks = [torch.where(rank < 0, rank, rank / unit) for rank, unit in zip(ranks, units, strict=True)]
    count = round(sparsity * sum(map(len, ranks)))
    masks = lowest(torch.cat(ranks), count).split([len(rank) for rank in ranks])
    return [int(mask.sum()) / len(mask) for mask in masks]


def below(pruned: Pruned, quality: float) -> float:
    """The share of all weights below their tensor's threshold, quality · its standard deviation.

    Han, Pool, Tran & Dally 2015 (arXiv 1506.02626), section 4.
    """
    gone = sum(int((weight.abs() < quality * deviation(pruner, weight)).sum()) for pruner, weight in pruned)
    return gone / max(sum(weight.numel() for _, weight in pruned), 1)


def deviation(pruner: Mask, weight: Tensor) -> Tensor:
    """The standard deviation of the weights that are kept."""
    kept = weight[pruner.keep].double()
    return kept.std(correction=0).nan_to_num(0.0).clamp(min=torch.finfo(torch.float32).tiny).to(weight.dtype)
