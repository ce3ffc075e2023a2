"""Second derivatives of a layer's squared error, as Optimal Brain Surgeon and its descendants use them."""

from __future__ import annotations

import torch
from torch import Tensor

CONJUGATE = 200  # steps of conjugate gradients at most


def damped(hessian: Tensor | None, columns: int, damp: float) -> Tensor:
    """H with damp · mean(diagonal) added to its diagonal, float64 [C, C]; the identity if there is none.

    An input that is always 0 has no second derivative; it gets the mean's, so that H can be inverted. An
    embedding that is not the output layer's, too, has no inputs to measure, and gets the identity.
    """
    if hessian is None:
        return torch.eye(columns, dtype=torch.float64)
    found = hessian.double().clone()
    mean = found.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny)
    found.diagonal().add_(damp * mean)
    found.diagonal()[hessian.diagonal() <= 0] = mean
    return found


def inverse_factor(hessian: Tensor) -> Tensor:
    """U, upper triangular, with Uᵀ U = H⁻¹: row q over U_qq is what the later weights do about q.

    Rows and columns before q have been eliminated from it (Frantar et al. 2022, "GPTQ", arXiv 2210.17323,
    section 3.3).
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    return torch.linalg.cholesky(inverse, upper=True)


def settled(rows: Tensor, target: Tensor, keep: Tensor, hessian: Tensor) -> Tensor:
    """The kept weights that bring each row nearest to its target: the least of ½ (w - t) H (w - t)ᵀ.

    Preconditioned conjugate gradients from `rows`, all rows side by side. [R, C], [R, C], bool [R, C], [C, C]
    → [R, C], 0 where not kept.
    """
    rows = rows * keep
    slope = (target - rows) @ hessian * keep
    step = direction = slope / hessian.diagonal()
    energy = (slope * step).sum(1, keepdim=True)
    enough = 1e-12 * energy
    for _ in range(CONJUGATE):
        if (energy <= enough).all():
            break
        image = direction @ hessian * keep
        length = energy / (direction * image).sum(1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)
        rows, slope = rows + length * direction, slope - length * image
        step = slope / hessian.diagonal()
        before, energy = energy, (slope * step).sum(1, keepdim=True)
        direction = step + energy / before.clamp(min=torch.finfo(rows.dtype).tiny) * direction
    return rows
