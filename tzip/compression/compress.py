"""A variant's plan → a parametrized model → the Code of every tensor; and codes back into a plain model."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tzip.compression import budget, pruning, registry, selection
from tzip.compression.budget import Choice
from tzip.compression.code import Code, entropy_bits, raw, side_bits
from tzip.compression.curvature import Places, Statistics
from tzip.compression.parametrization import Mask
from tzip.nmt.dropout import Dropout
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
    budget: str = option(
        "", "how much smaller the file shall be, as 8x: bits by tensor, as each one's sensitivity earns them"
    )
    dropout: float = option(-1.0, "dropout while fine-tuning; -1 = the model's own", low=-1.0, high=0.9)

    def __post_init__(self) -> None:
        if self.budget and not self.quantize:
            raise ValueError(f"budget = {self.budget} needs a quantizer whose bits it may choose")
        if self.budget and self.ratio <= 1:
            raise ValueError(f"budget = {self.budget!r} is not a ratio above 1, as 8x")

    @property
    def ratio(self) -> float:
        """The budget as a number; 0 for none or for what is none."""
        number = self.budget.removesuffix("x")
        plain = self.budget.endswith("x") and number.replace(".", "", 1).isdecimal()
        return float(number) if plain else 0.0


def used(variant: Variant) -> list[tuple[str, str]]:
    """The methods of a variant, each as its kind and its name."""
    steps = (("pruners", variant.prune), ("quantizers", variant.quantize), ("quantizers", variant.biases))
    return [(kind, parse(spec)[0]) for kind, spec in steps if spec]


def code(variant: Variant) -> str:
    """The SHA-256 of the files of the methods that a variant uses, as they are now."""
    return hashlib.sha256(b"".join(registry.path(*one).read_bytes() for one in used(variant))).hexdigest()


class Compression:
    """A model on its way to being compressed: its pruning advances by the update, and it ends as codes."""

    def __init__(self, model: nn.Module, variant: Variant):
        self.model, self.variant = model, variant
        self.schedule = pruning.Options()
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
        shares = selection.shares(self.schedule.select, self.pruners, sparsity)
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
    options, compression.schedule = registry.split(given, f"prune: {name}", module.Options, pruning.Options)
    for tensor, places in weights.items():
        latent = chain(*places[0])[0]
        pruner = module.Pruner(latent.detach(), options, **known(module, name, tensor, statistics))
        _register(places, pruner)
        compression.pruners.append((pruner, latent))
    if compression.schedule.quality:
        end = selection.below(compression.pruners, compression.schedule.quality)
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
        bits = _bits_within(room, chosen, options, quantizer, statistics)
        of_tensor = {tensor: dataclasses.replace(options, bits=bits[tensor]) for tensor in chosen}
    for tensor, places in chosen.items():
        step = quantizer(tensor, of_tensor[tensor])
        _register(places, step)
        chain(*places[0])[0].requires_grad_(step.trains_latent)
    return options


def _bits_within(room: float, chosen: Places, options: Any, quantizer: Callable[[str, Any], nn.Module],
                 statistics: Statistics | None) -> dict[str, int]:  # fmt: skip
    """The bits of each tensor that together raise the loss least within `room` bytes.

    The loss is ½ Σ h (w - q)², h the diagonal of the empirical Fisher matrix (Optimal Brain Damage's).
    """
    if statistics is None:
        raise ValueError("budget needs statistics (fisher) of the model; calibrate it first")
    (field,) = (field for field in dataclasses.fields(options) if field.name == "bits")
    possible = field.metadata["choices"] or range(field.metadata["low"], field.metadata["high"] + 1)
    choices: dict[str, list[Choice]] = {tensor: [] for tensor in chosen}
    for tensor, places in chosen.items():
        latent, weight = chain(*places[0])[0].detach(), getattr(*places[0]).detach()
        curvature = statistics["fisher"][tensor].to(weight.device)
        for bits in possible:
            step = quantizer(tensor, dataclasses.replace(options, bits=bits))
            loss = 0.5 * float((curvature * (weight - step(weight).detach()).square()).double().sum())
            choices[tensor].append(Choice(bits, file_bytes(step.code(latent)), loss))
    return budget.allocate(choices, room)


def file_bytes(code: Code) -> float:
    """About what a tensor takes in a file, a little more rather than less (docs/format.md, "Size")."""
    return 1.002 * (entropy_bits(code) + side_bits(code)) / 8 + 0.5 * code.entries + 64


def needs(variant: Variant) -> set[str]:
    """The kinds of statistics (`curvature`) that a variant's methods ask for."""
    asked = {need for one in used(variant) for need in registry.needs(*one)}
    return asked | ({"fisher"} if variant.budget else set())


def known(module: ModuleType, name: str, tensor: str, statistics: Statistics | None) -> dict[str, Tensor]:
    """What a method asks for of a tensor's statistics, by kind; what the tensor has not is left out."""
    asked = getattr(module, "NEEDS", ())
    if asked and statistics is None:
        raise ValueError(f"{name} needs statistics ({', '.join(asked)}) of the model; calibrate it first")
    return {kind: statistics[kind][tensor] for kind in asked if tensor in statistics[kind]}


def check(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """ValueError names the first tensor of a plain model that `codes` does not fit, and how."""
    mine = tensors(model)
    for name in [*mine, *codes]:
        if name not in codes:
            raise ValueError(f"tensor {name}: nothing found, {shape(mine[name])} expected")
        if name not in mine:
            raise ValueError(f"tensor {name}: {codes[name].shape} found, but the model has no such tensor")
        if codes[name].shape != shape(mine[name]):
            raise ValueError(f"tensor {name}: {codes[name].shape} found, {shape(mine[name])} expected")


def load(model: nn.Module, codes: Mapping[str, Code]) -> None:
    """Decode every tensor into a plain model; ValueError as by `check`."""
    check(model, codes)
    with torch.no_grad():
        for name, places in tensors(model).items():
            (parameter,) = chain(*places[0])  # a plain model: nothing but the parameter
            parameter.copy_(torch.from_numpy(codes[name].decode()))


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


def shape(places: list[tuple[nn.Module, str]]) -> tuple[int, ...]:
    """The shape of the tensor that lies at these places."""
    return tuple(getattr(*places[0]).shape)
