"""Pruners, one file a method: some weights become 0 and stay 0.

A module `tzip/pruners/NAME.py` holds

    Options     frozen dataclass of what a user may choose about the saliency (when to prune, and how much,
                is the schedule's: `tzip.schedules`)
    Pruner      a parametrization (torch.nn.utils.parametrize):
        Pruner(weight, options)   keeps every weight at first
        keep                      bool buffer of the weight's shape, True where a weight is kept
        prune(weight, sparsity)   prunes more weights until round(sparsity * size) are; a pruned one stays
                                  pruned. May update the weights that are left, in place
        forward(weight)           the weight, exactly 0 where it is pruned
        code(weight)              its Code: the kept weights and the mask; decodes to `forward(weight)`
"""

from __future__ import annotations

from types import ModuleType

from tzip import methods


def names() -> list[str]:
    return methods.names("pruners")


def load(name: str) -> ModuleType:
    """The module of a pruner; ValueError with the choices if there is none of that name."""
    return methods.load("pruners", name)
