"""Weights for tests of methods, what calibration would say of them, and what a change of them loses."""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from tzip import options
from tzip.compression import registry
from tzip.compression.code import matrix

SHAPE = (24, 40)


def weights() -> dict[str, Tensor]:
    """Weights that a method must survive, by name."""
    random = torch.Generator().manual_seed(5)
    normal = torch.randn(SHAPE, generator=random) * 0.05
    outliers = normal.clone()
    outliers[0, 0], outliers[3, 7] = 1e30, -1e9
    return {
        "normal": normal,
        "constant": torch.full(SHAPE, -0.3),
        "zero": torch.zeros(SHAPE),
        "two-values": torch.where(normal > 0, 0.25, -0.5),
        "near-constant": 1.0 + (normal > 0.1) * 2.0**-23,
        "outliers": outliers,
        "denormal": normal * 1e-42,
        "one": torch.tensor([[-0.7]]),
        "vector": normal[0].clone(),
    }


def statistics(module: ModuleType, weight: Tensor) -> dict[str, Tensor]:
    """What the module asks for, as calibration would give it: of 200 random inputs, or all alike."""
    random = torch.Generator().manual_seed(8)
    inputs = torch.randn(200, matrix(tuple(weight.shape))[1], generator=random)
    found = {"hessian": 2 * inputs.t() @ inputs / 200, "fisher": torch.ones_like(weight)}
    return {need: found[need] for need in getattr(module, "NEEDS", ())}


def pruned_by(name: str, weight: Tensor, measured: dict[str, Tensor] | None = None, **given: Any) -> nn.Module:
    """A pruner with these options; without statistics that are measured, those above."""
    module = registry.load("pruners", name)
    measured = statistics(module, weight) if measured is None else measured
    return module.Pruner(weight, options.make(module.Options, given, name), **measured)


def layer(rows: int, columns: int, seed: int = 3) -> tuple[Tensor, Tensor]:
    """A weight, and the second derivatives of its squared error over 400 correlated inputs; float64."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(columns, columns, generator=random)
    inputs = torch.randn(400, columns, generator=random).double() @ mix.double()
    return torch.randn(rows, columns, generator=random), 2 * inputs.t() @ inputs / 400


def loss(change: Tensor, hessian: Tensor) -> float:
    """½ Σ δ H δᵀ over the rows δ of a change."""
    return float(0.5 * (change.double() @ hessian * change.double()).sum())
