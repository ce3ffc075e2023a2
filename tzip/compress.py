"""A variant's plan → a parametrized model → the Code of every tensor; and codes back into a plain model."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tzip import methods, schedules
from tzip.code import Code, raw
from tzip.options import make, option, parse

# A convolution that stands in the place of self-attention belongs where that belongs; its few kernels stay.
MIXERS = r"(self|cross)_attention\.(query|key|value|output)|convolution\.(input|output)"
ATTENTION = rf"(en|de)coder\.\d+\.({MIXERS})"
LINEAR = rf"{ATTENTION}|(en|de)coder\.\d+\.feed_forward\.(inner|outer)"
SCOPES = {
    "attention": ATTENTION,
    "linear": LINEAR,
    "all": rf"{LINEAR}|(source|target)_embedding|generator",
}


@dataclass(frozen=True)
class Variant:
    """A compressed variant: which tensors, and what becomes of them."""

    scope: str = option(
        "linear",
        "layers that are compressed: attention; and feed-forward; and embeddings and output layer",
        choices=("attention", "linear", "all"),
    )
    prune: str = option("", "pruner and schedule, as magnitude:schedule=stepwise,start=0.3,end=0.5")
    quantize: str = option("", "quantizer of the weights, as kmeans:bits=4")
    biases: str = option("", "quantizer of these layers' biases, as kmeans:bits=8")
    rest: str = option("float32", "format of what no method touches", choices=("float32", "float16"))


class Compression:
    """A model on its way to being compressed: its pruning advances by the update, and it ends as codes."""

    def __init__(self, model: nn.Module, variant: Variant):
        self.model, self.variant = model, variant
        self.schedule = schedules.Options()
        self.pruners: list[tuple[nn.Module, Tensor]] = []  # with the weight that each one prunes

    def on_update(self, update: int, updates: int) -> None:
        """Prune what is due before update `update`, counted from 0; `update == updates` is the end."""
        if self.pruners:
            self.prune(schedules.sparsity(self.schedule, update, updates))

    @torch.no_grad()
    def prune(self, sparsity: float) -> None:
        for pruner, weight in self.pruners:
            pruner.prune(weight, sparsity)

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
                if not np.isfinite(code.symbols if code.codebook is None else code.codebook).all():
                    raise ValueError("a weight is not finite: fine-tuning has diverged")
            except ValueError as error:
                raise ValueError(f"tensor {name}: {error}") from None
        return codes


def stages(variant: Variant) -> list[Variant]:
    """The variants to prepare and fine-tune one after the other, on one model, to reach this one.

    What is pruned and quantized is first pruned and fine-tuned, then what is left is quantized and the
    quantization fine-tuned (Deep Compression, figure 1).
    """
    if not variant.prune or not (variant.quantize or variant.biases):
        return [variant]
    return [
        dataclasses.replace(variant, quantize="", biases=""),
        dataclasses.replace(variant, prune=""),
    ]


def prepare(model: nn.Module, variant: Variant, seed: int) -> Compression:
    """Parametrize the model's tensors, in place, as the variant says; its weights are the latent ones.

    A model that a pruning stage left can be prepared for quantization: what it pruned stays pruned. A
    variant that does both at once is pruned to the end of its schedule before it is quantized. Raises
    ValueError, in one line, for a method, an option or a tensor that cannot be.
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
        _add_pruner(compression, weights)
        if variant.quantize:
            compression.prune(compression.schedule.end)
    if variant.quantize:
        _add_quantizer("quantize", variant.quantize, weights, seed)
    if variant.biases:
        _add_quantizer("biases", variant.biases, biases, seed)
    return compression


def _add_pruner(compression: Compression, weights: Places) -> None:
    name, given = parse(compression.variant.prune)
    module = methods.load("pruners", name)
    options, compression.schedule = methods.split(given, f"prune: {name}", module.Options, schedules.Options)
    for places in weights.values():
        latent = chain(*places[0])[0]
        pruner = module.Pruner(latent.detach(), options)
        _register(places, pruner)
        compression.pruners.append((pruner, latent))


def _add_quantizer(what: str, spec: str, chosen: Places, seed: int) -> None:
    name, given = parse(spec)
    module = methods.load("quantizers", name)
    options = make(module.Options, given, f"{what}: {name}")
    for tensor, places in chosen.items():
        latent, *steps = chain(*places[0])
        assert all(hasattr(step, "prune") for step in steps), f"{tensor} is quantized already"
        value, keep = latent.detach(), None
        for step in steps:
            value, keep = step(value), step.keep
        try:
            own = zlib.crc32(f"{seed} {tensor}".encode())
            quantizer = module.Quantizer(value, options, keep=keep, seed=own)
        except ValueError as error:
            raise ValueError(f"tensor {tensor}: {error}") from None
        _register(places, quantizer)
        latent.requires_grad_(quantizer.trains_latent)


def check(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """ValueError names the first tensor of a plain model that `codes` does not fit, and how."""
    mine = tensors(model)
    for name in [*mine, *codes]:
        if name not in codes:
            raise ValueError(f"tensor {name}: nothing found, {_shape(mine[name])} expected")
        if name not in mine:
            raise ValueError(f"tensor {name}: {codes[name].shape} found, but the model has no such tensor")
        if codes[name].shape != _shape(mine[name]):
            raise ValueError(f"tensor {name}: {codes[name].shape} found, {_shape(mine[name])} expected")


def load(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """Decode every tensor into a plain model; ValueError as by `check`."""
    check(model, codes)
    with torch.no_grad():
        for name, places in tensors(model).items():
            (parameter,) = chain(*places[0])  # a plain model: nothing but the parameter
            parameter.copy_(torch.from_numpy(codes[name].decode()))


Places = dict[str, list[tuple[nn.Module, str]]]


def tensors(model: nn.Module) -> Places:
    """Every parameter of the plain model by its first name, with the (module, attribute) pairs of it."""
    names: dict[int, str] = {}
    places: Places = {}
    for path, module in model.named_modules():
        if "parametrizations" in path.split("."):
            continue
        own = [
            *getattr(module, "parametrizations", ()),
            *(n for n, p in module._parameters.items() if p is not None),
        ]
        for attribute in sorted(own, key=lambda name: name == "bias"):  # PyTorch registers biases last
            name = names.setdefault(id(chain(module, attribute)[0]), f"{path}.{attribute}".lstrip("."))
            places.setdefault(name, []).append((module, attribute))
    return places


def chain(module: nn.Module, attribute: str) -> list:
    """The latent parameter behind a module's attribute and the parametrizations that make it effective."""
    if parametrize.is_parametrized(module, attribute):
        steps = module.parametrizations[attribute]
        return [steps.original, *steps]
    return [getattr(module, attribute)]


def _register(places: list[tuple[nn.Module, str]], step: nn.Module) -> None:
    """One parametrization for all that share a tensor, so that they go on sharing it."""
    for module, attribute in places:
        parametrize.register_parametrization(module, attribute, step)


def _shape(places: list[tuple[nn.Module, str]]) -> tuple[int, ...]:
    module, attribute = places[0]
    return tuple(getattr(module, attribute).shape)
