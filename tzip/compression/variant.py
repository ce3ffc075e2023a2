"""A variant: which tensors are compressed, by which methods; read without torch."""

import dataclasses
import hashlib
from dataclasses import dataclass

from tzip.compression import registry
from tzip.options import option, parse

# What stands in the place of self-attention belongs where that belongs; the few kernels of a convolution stay.
MIXERS = r"(self|cross)_attention\.(query|key|value|output)|convolution\.(input|output)|ssru\.(input|forget)"
ATTENTION = rf"(en|de)coder\.\d+\.({MIXERS})"
LINEAR = rf"{ATTENTION}|(en|de)coder\.\d+\.feed_forward\.(inner|outer)"
SCOPES = {"attention": ATTENTION, "linear": LINEAR, "all": rf"{LINEAR}|(source|target)_embedding|generator"}


@dataclass(frozen=True)
class Variant:
    """A compressed variant: which tensors, and what becomes of them."""

    scope: str = option(
        "linear",
        "layers that are compressed: attention; and feed-forward; and embeddings and output layer",
        choices=("attention", "linear", "all"),
    )
    prune: str = option("", "pruner and schedule, as magnitude:schedule=stepwise,start=0.3,end=0.5", metavar="METHOD")
    quantize: str = option("", "quantizer of the weights, as kmeans:bits=4", metavar="METHOD")
    biases: str = option("", "quantizer of these layers' biases, as kmeans:bits=8", metavar="METHOD")
    rest: str = option(
        "float32",
        "format of what no method touches; coded: biases and norms in steps of an eighth of each tensor's standard "
        "deviation, entropy-coded, matrices as float16",
        choices=("float32", "float16", "coded"),
    )
    budget: str = option(
        "",
        "how many times smaller the file must be, as 8x: bits per tensor, chosen by its sensitivity",
        metavar="RATIO",
    )
    dropout: float = option(
        -1.0, "dropout while fine-tuning, of layers without a rate of their own; -1 = the model's", low=-1.0, high=0.9
    )

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


def method_digest(variant: Variant) -> str:
    """The SHA-256 of the files of the methods that a variant uses, as they are now."""
    return hashlib.sha256(b"".join(registry.path(kind, name).read_bytes() for kind, name in used(variant))).hexdigest()


def stages(variant: Variant) -> list[Variant]:
    """The variants to prepare and fine-tune one after the other, on one model, to reach this one.

    What is pruned and quantized is first pruned and fine-tuned, then what is left is quantized and the
    quantization fine-tuned (Deep Compression, figure 1).
    """
    if not variant.prune or not (variant.quantize or variant.biases):
        return [variant]
    return [dataclasses.replace(variant, quantize="", biases="", budget=""), dataclasses.replace(variant, prune="")]


def needs(variant: Variant) -> set[str]:
    """The kinds of statistics (`curvature`) that a variant's methods ask for."""
    asked = {need for kind, name in used(variant) for need in registry.needs(kind, name)}
    return asked | ({"fisher"} if variant.budget else set())


def measures(variant: Variant, given: bool = False) -> bool:
    """Whether a variant needs training text for statistics; given: those of the model that it starts from are there.

    A later stage needs those of the model that the stage before it made.
    """
    first, *later = map(needs, stages(variant))
    return bool(first and not given) or any(later)


@dataclass(frozen=True)
class Pruning:
    """The course of the sparsity while fine-tuning, and its distribution."""

    schedule: str = option(
        "one-shot",
        "all at once; `start` at once and the rest in nine equal steps; or ever smaller steps (cubic)",
        choices=("one-shot", "stepwise", "gradual"),
    )
    start: float = option(0.0, "sparsity of the first cut (stepwise, gradual)", low=0.0, high=1.0)
    end: float = option(0.5, "sparsity at the end: the share of weights that are pruned", low=0.0, high=1.0)
    recovery: float = option(0.3, "share of the updates that is left after the last cut (gradual)", low=0.0, high=1.0)
    select: str = option(
        "uniform",
        "how tensors share the sparsity: each the same; by one threshold for all; by one in units of each "
        "tensor's standard deviation (class-uniform, class-blind, class-distribution)",
        choices=("uniform", "blind", "distribution"),
    )
    quality: float = option(
        0.0, "threshold in standard deviations (select = distribution), instead of `end`; 0 = `end`", low=0.0
    )
    dropout: str = option(
        "kept",
        "dropout while fine-tuning; scaled: by the root of the share of weights left",
        choices=("kept", "scaled"),
    )

    def __post_init__(self) -> None:
        if self.schedule == "one-shot" and self.start:
            raise ValueError(f"start = {self.start} has no meaning with schedule = one-shot; set end alone")
        if self.start > self.end:
            raise ValueError(f"start = {self.start} is more than end = {self.end}")
        if self.quality and self.select != "distribution":
            raise ValueError(f"quality = {self.quality} has no meaning with select = {self.select}")


@dataclass(frozen=True)
class Calibration:
    """What second derivatives are measured on."""

    sentences: int = option(256, "sentence pairs of the training text", low=1)


def check(variant: Variant) -> None:
    """ValueError in one line unless every method of a variant exists and has its options; needs no torch."""
    if variant.prune:
        registry.check("pruners", variant.prune, "prune", Pruning)
    for spec, what in ((variant.quantize, "quantize"), (variant.biases, "biases")):
        if spec:
            registry.check("quantizers", spec, what)
