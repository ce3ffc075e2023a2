"""Optimal Brain Surgeon, layer by layer: the weights that are left make up for the one that goes.

Hassibi, Stork & Wolff 1993; for layers of more inputs than `EXACT`, in blocks of columns with one inverse for
all rows, as SparseGPT does (Frantar & Alistarh 2023, arXiv 2301.00774, algorithm 1), and, since its one pass
leaves something to gain, the exact weights for the mask that it found.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tzip.compression.code import matrix
from tzip.compression.curvature import damped, inverse_factor, settled
from tzip.compression.parametrization import Mask, lowest
from tzip.options import option

NEEDS = ("hessian",)
EXACT = 32  # inputs of a layer
SOURCE = "Hassibi, Stork & Wolff 1993 (Optimal Brain Surgeon); Frantar & Alistarh 2023 (SparseGPT)"


@dataclass(frozen=True)
class Options:
    """Optimal Brain Surgeon."""

    damp: float = option(0.01, "what is added to the Hessian's diagonal, over its mean", low=1e-6, high=1.0)
    block: int = option(16, "columns in which weights are chosen together", low=1)


class Pruner(Mask):
    """Saliency w_q² / (2 [H⁻¹]_qq) and update δw = -(w_q / [H⁻¹]_qq) · H⁻¹ e_q (equation 5), H = 2 X Xᵀ."""

    degree = 2

    def __init__(self, weight: Tensor, options: Options, *, hessian: Tensor | None = None):
        super().__init__(weight, options)
        columns = matrix(tuple(weight.shape))[1]
        self.register_buffer("hessian", damped(hessian, columns, options.damp), persistent=False)

    def saliency(self, weight: Tensor) -> Tensor:
        inverse = torch.linalg.inv(self.hessian).diagonal()
        rows = weight.double().reshape(-1, len(inverse))
        return (rows.square() / (2 * inverse)).to(weight.dtype).view_as(weight)

    @torch.no_grad()
    def prune(self, weight: Tensor, sparsity: float) -> None:
        count = round(sparsity * weight.numel())
        if count <= int((~self.keep).sum()):
            return
        rows = (weight * self.keep).double().reshape(-1, len(self.hessian))
        keep = self.keep.view_as(rows).clone()
        if rows.shape[1] <= EXACT:
            rows, keep = one_by_one(rows, keep, self.hessian, count)
        else:
            chosen = lowest(self.ranks(weight), count).view_as(keep)
            target = rows.clone()
            rows, keep = by_blocks(rows, keep, self.hessian, chosen, self.options.block)
            rows = settled(rows, target, keep, self.hessian)
        self.keep.copy_(keep.view_as(self.keep))
        weight.copy_(rows.view_as(weight))


def one_by_one(rows: Tensor, keep: Tensor, hessian: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Prune the least salient weight of all and update its row, until `count` are pruned.

    Each row has an inverse of its own, of its kept weights. [R, C], bool [R, C], [C, C] → the first two.
    """
    inverse = torch.linalg.inv(hessian).expand(len(rows), -1, -1).clone()
    for row, column in (~keep).nonzero().tolist():
        inverse[row] = without(inverse[row], column)
    for _ in range(count - int((~keep).sum())):
        diagonal = inverse.diagonal(dim1=1, dim2=2)
        saliency = torch.where(keep, rows.square() / (2 * diagonal), torch.inf)
        row, column = divmod(int(saliency.argmin()), rows.shape[1])
        rows[row] -= rows[row, column] / diagonal[row, column] * inverse[row, column]
        inverse[row] = without(inverse[row], column)
        keep[row, column] = False
        rows[row, ~keep[row]] = 0.0
    return rows, keep


def without(inverse: Tensor, column: int) -> Tensor:
    """The inverse of a matrix without one of its inputs, from the inverse with it; 1 in its place."""
    cleared = inverse - torch.outer(inverse[:, column], inverse[column]) / inverse[column, column]
    cleared[column], cleared[:, column] = 0.0, 0.0
    cleared[column, column] = 1.0
    return cleared


def by_blocks(rows: Tensor, keep: Tensor, hessian: Tensor, chosen: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Prune block after block of columns, each passing what it loses on to those after it.

    A block loses as many weights as `chosen` [R, C] has in it, the least salient once those before it have
    passed on their losses; what was pruned before stays so.
    """
    factor = inverse_factor(hessian)
    for start in range(0, rows.shape[1], block):
        part = slice(start, start + block)
        saliency = rows[:, part].square() / factor.diagonal()[part].square()
        ranks = saliency.masked_fill(~keep[:, part], -1.0).flatten()
        keep[:, part] = ~lowest(ranks, int(chosen[:, part].sum())).view_as(keep[:, part])
        for column in range(start, min(start + block, rows.shape[1])):
            loss = torch.where(keep[:, column], 0.0, rows[:, column] / factor[column, column])
            rows[:, column:] -= torch.outer(loss, factor[column, column:])
        rows[:, part] = rows[:, part].masked_fill(~keep[:, part], 0.0)
    return rows, keep
