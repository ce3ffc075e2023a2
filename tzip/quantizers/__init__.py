"""Quantizers, one file per method: a weight becomes symbols and a codebook.

A module `tzip/quantizers/NAME.py`, or `quantizers/NAME.py` in a folder of a user's own, holds

    Options     frozen dataclass of what a user may choose; `bits` is the bits per weight as the paper counts
    SOURCE      where the method comes from, for tables; author and year
    NEEDS       kinds of statistics (`tzip.compression.curvature`) that it needs; left out if none
    Quantizer   a parametrization (torch.nn.utils.parametrize):
        Quantizer(weight, options, *, keep=None, seed=0)
                        fits itself to a weight of any shape; `keep`, bool of the same shape, is True where
                        a pruner kept the weight: elsewhere the effective weight is exactly 0. The
                        statistics in NEEDS are keyword arguments, for tensors that have them
        trains_latent   bool: whether fine-tuning moves the weight itself, or only parameters of its own
        forward(weight) the effective weight, float32, differentiable in the way that the method trains
        code(weight)    its Code: `code(weight).decode()` equals `forward(weight)` bit for bit

All state is in parameters and buffers whose shapes depend on the weight's shape and the options alone, so
that the state dict of one training loads into a newly prepared model. `compression.parametrization` has bases
for the usual kinds.
"""
