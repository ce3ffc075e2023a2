"""From a model and a variant to the Code of every tensor: prune, quantize, fine-tune, encode."""

from __future__ import annotations

import dataclasses
import re
import zlib
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tzip.compression import pruning, registry
from tzip.compression.budget import bits_within, file_bytes
from tzip.compression.code import Code, raw
from tzip.compression.curvature import Statistics
from tzip.compression.parametrization import Mask
from tzip.compression.variant import SCOPES, Pruning, Variant
from tzip.nmt.dropout import Dropout
from tzip.nmt.model import Places, chain, tensors
from tzip.options import make, parse


class Compression:
    """A model on its way to being compressed: its pruning advances by the update, and it ends as codes."""

    def __init__(self, model: nn.Module, variant: Variant):
        self.model, self.variant = model, variant
        self.schedule = Pruning()
        self.pruners: list[tuple[Mask, Tensor]] = []  # with the weight that each one prunes
        self.sparsity = -1.0  # that was last asked for
        dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
        if variant.dropout >= 0:
            for module in dropouts:
                module.p = variant.dropout
        self.dropouts = [(module, module.p) for module in dropouts]

    def on_update(self, update: int, updates: int) -> None:
        """Prune what is due before update `update`, counted from 0; `update == updates` is the end."""
        due = pruning.sparsity(self.schedule, update, updates)
        if self.pruners and due != self.sparsity:
            self.prune(due)

    @torch.no_grad()
    def prune(self, sparsity: float) -> None:
        """Prune until this share is pruned of all the weights that have pruners."""
        shares = pruning.shares(self.schedule.select, self.pruners, sparsity)
        for (pruner, weight), share in zip(self.pruners, shares, strict=True):
            pruner.prune(weight, share)
        self.sparsity = sparsity
        if self.schedule.dropout == "scaled":
            for module, p in self.dropouts:  # Han et al. 2015, section 3.2: D_r = D_o sqrt(C_r / C_o)
                module.p = p * (1 - sparsity) ** 0.5

    @torch.no_grad()
    def codes(self) -> dict[str, Code]:
        """Every tensor of the model, tied ones once, by the name that the plain model gives it."""
        codes = {}
        for name, places in tensors(self.model).items():
            value, *steps = chain(*places[0])
            try:
                if not steps:
                    codes[name] = raw(value.detach().cpu().numpy(), self.variant.rest)
                    continue
                for step in steps[:-1]:
                    value = step(value)
                codes[name] = code = steps[-1].code(value)
                if not np.isfinite(code.decode()).all():
                    raise ValueError("a weight is not finite: fine-tuning has diverged")
            except ValueError as error:
                raise ValueError(f"tensor {name}: {error}") from None
        return codes


def prepare(
    model: nn.Module, variant: Variant, seed: int, statistics: Statistics | None = None, budget: float = 0.0
) -> Compression:
    """Parametrize the model's tensors, in place, as the variant says; its weights are the latent ones.

    A model that a pruning stage left can be prepared for quantization: what it pruned stays pruned. A
    variant that does both at once is pruned to the end of its schedule before it is quantized. `statistics`
    (`curvature`) are of the model before any stage, for the methods that need them (`needs`). `budget`
    is the bytes that all tensors may take, where the variant has one. Raises ValueError, in one line, for a
    method, an option or a tensor that cannot be.
    """
    compression = Compression(model, variant)
    chosen = {
        name: places
        for name, places in tensors(model).items()
        if re.fullmatch(SCOPES[variant.scope], name.rpartition(".")[0])
    }
    if not chosen:
        raise ValueError(f"scope = {variant.scope!r}: the model has no such layer")
    weights = {name: places for name, places in chosen.items() if name.endswith(".weight")}
    biases = {name: places for name, places in chosen.items() if name.endswith(".bias")}
    if variant.prune:
        _add_pruner(compression, weights, statistics)
        if variant.quantize:
            compression.prune(compression.schedule.end)
    if variant.biases:
        _add_quantizer("biases", variant.biases, biases, seed, statistics)
    if variant.quantize:
        room = None
        if variant.budget:
            rest = sum(file_bytes(code) for name, code in compression.codes().items() if name not in weights)
            room = max(budget - rest, 0.0)
        options = _add_quantizer("quantize", variant.quantize, weights, seed, statistics, room)
        if getattr(options, "activations", False):
            model.binarize_inputs("attention" if variant.scope == "attention" else "linear")
    return compression


def _add_pruner(compression: Compression, weights: Places, statistics: Statistics | None) -> None:
    name, given = parse(compression.variant.prune)
    module = registry.load("pruners", name)
    options, compression.schedule = registry.split(given, f"prune: {name}", module.Options, Pruning)
    for tensor, places in weights.items():
        latent = chain(*places[0])[0]
        pruner = module.Pruner(latent.detach(), options, **known(module, name, tensor, statistics))
        _register(places, pruner)
        compression.pruners.append((pruner, latent))
    if compression.schedule.quality:
        end = pruning.below(compression.pruners, compression.schedule.quality)
        start = min(compression.schedule.start, end)
        compression.schedule = dataclasses.replace(compression.schedule, start=start, end=end)


def _add_quantizer(what: str, spec: str, chosen: Places, seed: int, statistics: Statistics | None,
                   room: float | None = None) -> Any:  # fmt: skip
    """Quantize tensors as the spec says, or, with room for so many bytes, each at the bits that suit it.

    Returns the spec's options.
    """
    name, given = parse(spec)
    module = registry.load("quantizers", name)
    options = make(module.Options, given, f"{what}: {name}")

    def quantizer(tensor: str, options: Any) -> nn.Module:
        latent, *steps = chain(*chosen[tensor][0])
        assert all(hasattr(step, "prune") for step in steps), f"{tensor} is quantized already"
        value, keep = latent.detach(), None
        for step in steps:
            value, keep = step(value), step.keep
        own = zlib.crc32(f"{seed} {tensor}".encode())
        try:
            found = known(module, name, tensor, statistics)
            return module.Quantizer(value, options, keep=keep, seed=own, **found)
        except ValueError as error:
            raise ValueError(f"tensor {tensor}: {error}") from None

    of_tensor = dict.fromkeys(chosen, options)
    if room is not None:
        if "bits" not in {field.name for field in dataclasses.fields(options)}:
            raise ValueError(f"budget: {name} has no bits to choose; take a quantizer that has")
        bits = bits_within(room, chosen, options, quantizer, statistics)
        of_tensor = {tensor: dataclasses.replace(options, bits=bits[tensor]) for tensor in chosen}
    for tensor, places in chosen.items():
        step = quantizer(tensor, of_tensor[tensor])
        _register(places, step)
        chain(*places[0])[0].requires_grad_(step.trains_latent)
    return options


def known(module: ModuleType, name: str, tensor: str, statistics: Statistics | None) -> dict[str, Tensor]:
    """What a method asks for of a tensor's statistics, by kind; what the tensor has not is left out."""
    asked = getattr(module, "NEEDS", ())
    if asked and statistics is None:
        raise ValueError(f"{name} needs statistics ({', '.join(asked)}) of the model; calibrate it first")
    return {kind: statistics[kind][tensor] for kind in asked if tensor in statistics[kind]}


def _register(places: list[tuple[nn.Module, str]], step: nn.Module) -> None:
    """One parametrization for all that share a tensor, so that they go on sharing it."""
    for module, attribute in places:
        parametrize.register_parametrization(module, attribute, step)
