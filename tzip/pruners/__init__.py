"""Pruners, one file per method: some weights become 0 and stay 0.

A module `tzip/pruners/NAME.py`, or `pruners/NAME.py` in a folder of a user's own, holds

    Options     frozen dataclass of what a user may choose about the saliency (when to prune, how much, and
                how the tensors share it, is the schedule's: `tzip.compression.pruning`)
    SOURCE      where the method comes from, for tables; author and year
    NEEDS       kinds of statistics (`tzip.compression.curvature`) that it must be told; left out if none
    Pruner      a parametrization (torch.nn.utils.parametrize), usually a `parametrization.Mask`:
        Pruner(weight, options)   keeps every weight at first; what NEEDS names comes as keyword arguments
        keep                      bool buffer of the weight's shape, True where a weight is kept
        degree                    the power of the weight that the saliency goes with
        ranks(weight)             the saliency of each weight, -1 where it is pruned; [size]
        prune(weight, sparsity)   prunes more weights until round(sparsity * size) are; a pruned one stays
                                  pruned. May update the weights that are left, in place
        forward(weight)           the weight, exactly 0 where it is pruned
        code(weight)              its Code: the kept weights and the mask; decodes to `forward(weight)`
"""
