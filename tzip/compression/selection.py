"""How tensors share a sparsity: See, Luong & Manning 2016 (arXiv 1606.09274), section 3.2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tzip.compression.parametrization import Mask, lowest

Pruned = Sequence[tuple[Mask, Tensor]]  # pruners, each with its weight


def shares(select: str, pruned: Pruned, sparsity: float) -> list[float]:
    """The sparsity of each weight such that `sparsity` of all weights are pruned.

    uniform       the same for each (class-uniform)
    blind         what is least salient of all goes, whosever it is (class-blind)
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
    chosen = lowest(torch.cat(ranks), count).split([len(rank) for rank in ranks])
    return [int(one.sum()) / len(one) for one in chosen]


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
