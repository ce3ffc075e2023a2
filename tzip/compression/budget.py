"""Bits per tensor within a budget of bytes, by the sensitivity of each tensor."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from tzip.compression.code import Code, entropy_bits, side_bits
from tzip.compression.curvature import Statistics
from tzip.nmt.model import Places, chain

HALVINGS = 60  # of the interval in which the price of a byte lies


@dataclass(frozen=True)
class Choice:
    """The cost of a tensor at a number of bits: bytes in the file, and loss by its second derivatives."""

    bits: int
    bytes: float
    loss: float


def allocate(choices: Mapping[str, Sequence[Choice]], room: float) -> dict[str, int]:
    """The bits of each tensor that together lose least and take at most `room` bytes.

    Every tensor takes the choice of least loss + λ · bytes, with the lowest price λ per byte that fits
    (Shoham & Gersho 1988, "Efficient bit allocation for an arbitrary set of quantizers"). What is left goes,
    step by step, to the tensor that gains most per byte. ValueError if nothing fits.
    """
    cheapest = {name: min(own, key=lambda choice: choice.bytes) for name, own in choices.items()}
    if (least := total(cheapest)) > room:
        raise ValueError(f"the tensors take {least:,.0f} bytes at least, and have room for {room:,.0f}")

    def at(price: float) -> dict[str, Choice]:
        return {
            name: min(own, key=lambda choice: (choice.loss + price * choice.bytes, choice.bytes))
            for name, own in choices.items()
        }

    low, high = 0.0, 1e-30
    while total(at(high)) > room and high < 1e300:
        low, high = high, high * 1e3
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5 if low else high / 2
        low, high = (low, middle) if total(at(middle)) <= room else (middle, high)
    chosen = at(high) if total(at(high)) <= room else cheapest
    return {name: choice.bits for name, choice in filled(chosen, choices, room).items()}


def total(chosen: Mapping[str, Choice]) -> float:
    return sum(choice.bytes for choice in chosen.values())


def filled(chosen: dict[str, Choice], choices: Mapping[str, Sequence[Choice]], room: float) -> dict[str, Choice]:
    """The choices after every exchange that still fits; first the one that saves most loss per byte."""
    left = room - total(chosen)
    while True:
        better = [
            ((chosen[name].loss - choice.loss) / max(choice.bytes - chosen[name].bytes, 1e-9), name, choice)
            for name, own in choices.items()
            for choice in own
            if choice.loss < chosen[name].loss and choice.bytes - chosen[name].bytes <= left
        ]
        if not better:
            return chosen
        _, name, choice = max(better, key=lambda item: (item[0], item[1], -item[2].bits))
        left -= choice.bytes - chosen[name].bytes
        chosen = chosen | {name: choice}


def file_bytes(code: Code) -> float:
    """An upper estimate of the bytes that a tensor takes in a file (docs/format.md, "Size")."""
    return 1.002 * (entropy_bits(code) + side_bits(code)) / 8 + 0.5 * code.entries + 64


def bits_within(
    room: float, chosen: Places, options: Any, quantizer: Callable[[str, Any], nn.Module], statistics: Statistics | None
) -> dict[str, int]:
    """The bits of each tensor that together raise the loss least within `room` bytes.

    The loss is ½ Σ h (w - q)², h the diagonal of the empirical Fisher matrix (Optimal Brain Damage's).
    """
    if statistics is None:
        raise ValueError("budget needs statistics (fisher) of the model; calibrate it first")
    bounds = options.__dataclass_fields__["bits"].metadata
    possible = bounds["choices"] or range(bounds["ge"], bounds["le"] + 1)
    choices: dict[str, list[Choice]] = {tensor: [] for tensor in chosen}
    for tensor, places in chosen.items():
        latent, weight = chain(*places[0])[0].detach(), getattr(*places[0]).detach()
        curvature = statistics[f"fisher/{tensor}"].to(weight.device)
        for bits in possible:
            step = quantizer(tensor, dataclasses.replace(options, bits=bits))
            loss = 0.5 * float((curvature * (weight - step(weight).detach()).square()).double().sum())
            choices[tensor].append(Choice(bits, file_bytes(step.code(latent)), loss))
    return allocate(choices, room)
