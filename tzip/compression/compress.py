"""From a model and a variant to the Code of every tensor: prune, quantize, fine-tune, encode."""

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
from tzip.compression.code import Code, fixed, raw
from tzip.compression.curvature import Statistics
from tzip.compression.parametrization import Mask
from tzip.compression.variant import SCOPES, Pruning, Variant
from tzip.nmt.dropout import Dropout
from tzip.nmt.model import Places, chain, tensors
from tzip.options import make, parse


class Compression:
    """A parametrized model while it is fine-tuned: `on_update` prunes by the schedule, `codes` encodes it."""

    def __init__(self, model: nn.Module, variant: Variant):
        self.model, self.variant = model, variant
        self.schedule = Pruning()
        self.pruners: list[tuple[Mask, Tensor]] = []  # each with its weight
        self.sparsity = -1.0  # the last one that was pruned to
        dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
        if variant.dropout >= 0:
            for module in (module for module in dropouts if module.shared):
                module.p = variant.dropout
        self.dropouts = [(module, module.p) for module in dropouts]

    def on_update(self, update: int, updates: int) -> None:
        """Prune as the schedule says before update `update`, counted from 0; `update == updates` is the end."""
        sparsity = pruning.sparsity(self.schedule, update, updates)
        if self.pruners and sparsity != self.sparsity:
            self.prune(sparsity)

    @torch.no_grad()
    def prune(self, sparsity: float) -> None:
        """Prune until this share of all weights with a pruner is pruned."""
        shares = pruning.shares(self.schedule.select, self.pruners, sparsity)
        for (pruner, weight), share in zip(self.pruners, shares, strict=True):
            pruner.prune(weight, share)
        self.sparsity = sparsity
        if self.schedule.dropout == "scaled":
            for module, p in self.dropouts:  # Han et al. 2015, section 3.2: D_r = D_o sqrt(C_r / C_o)
                module.p = p * (1 - sparsity) ** 0.5

    @torch.no_grad()
    def codes(self, release: bool = False) -> dict[str, Code]:
        """The Code of every tensor by its name in the plain model, tied tensors once.

        release  give up the memory of each tensor that has a method, which leaves the model without them
        """
        codes = {}
        for name, places in tensors(self.model).items():
            value, *steps = chain(*places[0])
            for step in steps[:-1]:
                value = step(value)
            try:
                code = steps[-1].code(value) if steps else encoded(value.detach().cpu().numpy(), self.variant.rest)
                if release and steps:
                    del value
                    _release(chain(*places[0]))
                if not np.isfinite(code.decode()).all():
                    raise ValueError("a weight is not finite: fine-tuning has diverged")
            except ValueError as error:
                raise ValueError(f"tensor {name}: {error}") from None
            codes[name] = code
        return codes


def encoded(weights: np.ndarray, rest: str) -> Code:
    """The code of a tensor that no method touches, as `Variant.rest` says."""
    if rest == "coded":
        return fixed(weights) if weights.ndim < 2 else raw(weights, "float16")
    return raw(weights, rest)


def prepare(
    model: nn.Module, variant: Variant, seed: int, statistics: Statistics | None = None, budget: float = 0.0
) -> Compression:
    """Parametrize the model's tensors in place, as the variant says; the model's own weights become latent.

    statistics  (`curvature`) of the model as it is, for methods that need them
    budget      bytes that all tensors together may take, if the variant has a budget

    After a pruning stage, a model can be prepared for quantization: pruned weights stay pruned. A variant
    that does both in one stage is pruned to the end of its schedule before it is quantized. ValueError in one
    line for a method, an option or a tensor that is not possible.
    """
    compression = Compression(model, variant)
    layers = re.compile(SCOPES[variant.scope])
    inside = {name: p for name, p in tensors(model).items() if layers.fullmatch(name.rpartition(".")[0])}
    if not inside:
        raise ValueError(f"scope = {variant.scope!r}: the model has no such layer")
    weights = {name: places for name, places in inside.items() if name.endswith(".weight")}
    biases = {name: places for name, places in inside.items() if name.endswith(".bias")}
    if variant.prune:
        _add_pruner(compression, weights, statistics)
        if variant.quantize:
            compression.prune(compression.schedule.end)
    if variant.biases:
        _add_quantizer("biases", variant.biases, biases, seed, statistics)
    if variant.quantize:
        room = None  # bytes for these weights
        if variant.budget:
            rest = sum(file_bytes(code) for name, code in compression.codes().items() if name not in weights)
            room = max(budget - rest, 0.0)
        options = _add_quantizer("quantize", variant.quantize, weights, seed, statistics, room)
        if getattr(options, "activations", False):
            model.binarize_inputs("attention" if variant.scope == "attention" else "linear")
    return compression


def _add_pruner(compression: Compression, weights: Places, statistics: Statistics | None) -> None:
    name, settings = parse(compression.variant.prune)
    module = registry.load("pruners", name)
    options, compression.schedule = registry.split(settings, f"prune: {name}", module.Options, Pruning)
    for tensor, places in weights.items():
        latent = chain(*places[0])[0]
        pruner = module.Pruner(latent.detach(), options, **_needed(module, name, tensor, statistics))
        _register(places, pruner)
        compression.pruners.append((pruner, latent))
    if compression.schedule.quality:
        end = pruning.below(compression.pruners, compression.schedule.quality)
        start = min(compression.schedule.start, end)
        compression.schedule = dataclasses.replace(compression.schedule, start=start, end=end)


def _add_quantizer(
    key: str, spec: str, places: Places, seed: int, statistics: Statistics | None, room: float | None = None
) -> Any:
    """Quantize these tensors by the spec; within `room` bytes, each with its own bits. Returns the options."""
    name, settings = parse(spec)
    module = registry.load("quantizers", name)
    options = make(module.Options, settings, f"{key}: {name}")

    def quantizer(tensor: str, options: Any) -> nn.Module:
        value, *pruners = chain(*places[tensor][0])
        value, keep = value.detach(), None
        for pruner in pruners:
            value, keep = pruner(value), pruner.keep
        own_seed = zlib.crc32(f"{seed} {tensor}".encode())
        try:
            needed = _needed(module, name, tensor, statistics)
            return module.Quantizer(value, options, keep=keep, seed=own_seed, **needed)
        except ValueError as error:
            raise ValueError(f"tensor {tensor}: {error}") from None

    by_tensor = dict.fromkeys(places, options)
    if room is not None:
        if "bits" not in options.__dataclass_fields__:
            raise ValueError(f"budget: {name} has no bits to choose; take a quantizer that has")
        bits = bits_within(room, places, options, quantizer, statistics)
        by_tensor = {tensor: dataclasses.replace(options, bits=bits[tensor]) for tensor in places}
    for tensor, own_options in by_tensor.items():
        step = quantizer(tensor, own_options)
        _register(places[tensor], step)
        chain(*places[tensor][0])[0].requires_grad_(step.trains_latent)
    return options


def _needed(module: ModuleType, name: str, tensor: str, statistics: Statistics | None) -> dict[str, Tensor]:
    """The statistics of a tensor that a method asks for, by kind; kinds that the tensor lacks are left out."""
    kinds = getattr(module, "NEEDS", ())
    if kinds and statistics is None:
        raise ValueError(f"{name} needs statistics ({', '.join(kinds)}) of the model; calibrate it first")
    return {kind: statistics[key] for kind in kinds if (key := f"{kind}/{tensor}") in statistics}


def _release(parts: list) -> None:
    """Free the memory of a latent weight and of its parametrizations."""
    latent, *steps = parts
    for tensor in [latent, *(tensor for step in steps for tensor in (*step.parameters(), *step.buffers()))]:
        tensor.data = tensor.new_empty(0)


def _register(places: list[tuple[nn.Module, str]], step: nn.Module) -> None:
    """Register one parametrization with all modules that share a tensor: they go on sharing it.

    PyTorch would compute the weight to check its shape, in several times its memory; only scales that each step of
    a training fits need that once.
    """
    for module, attribute in places:
        parametrize.register_parametrization(module, attribute, step, unsafe=not getattr(step, "fits", False))
