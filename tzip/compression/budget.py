"""Bits by tensor: as many as each one's sensitivity earns within a budget of bytes."""

from __future__ import annotations

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
    """What a tensor would cost at a number of bits: bytes in the file, and loss by its second derivatives."""

    bits: int
    bytes: float
    loss: float


def allocate(choices: Mapping[str, Sequence[Choice]], room: float) -> dict[str, int]:
    """The bits of each tensor that lose least in all and take at most `room` bytes.

    Every tensor takes the choice of least loss + λ · bytes, with the lowest price λ of a byte that fits
    (Shoham & Gersho 1988, "Efficient bit allocation for an arbitrary set of quantizers"); what is left then
    goes, step by step, to whichever tensor gains most by the byte. Raises ValueError if nothing fits.
    """
    smallest = sum(min(one.bytes for one in of_tensor) for of_tensor in choices.values())
    if smallest > room:
        raise ValueError(f"the tensors take {smallest:,.0f} bytes at least, and have room for {room:,.0f}")

    def at(price: float) -> dict[str, Choice]:
        return {
            name: min(of_tensor, key=lambda one: (one.loss + price * one.bytes, one.bytes))
            for name, of_tensor in choices.items()
        }

    def fits(chosen: Mapping[str, Choice]) -> bool:
        return sum(one.bytes for one in chosen.values()) <= room

    low, high = 0.0, 1e-30
    while not fits(at(high)) and high < 1e300:
        low, high = high, high * 1e3
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5 if low else high / 2
        low, high = (low, middle) if fits(at(middle)) else (middle, high)
    chosen = at(high)
    if not fits(chosen):
        chosen = {name: min(of_tensor, key=lambda one: one.bytes) for name, of_tensor in choices.items()}
    return {name: one.bits for name, one in filled(chosen, choices, room).items()}


def filled(
    chosen: dict[str, Choice], choices: Mapping[str, Sequence[Choice]], room: float
) -> dict[str, Choice]:
    """The choices after every exchange that still fits, the one with most loss saved by the byte first."""
    left = room - sum(one.bytes for one in chosen.values())
    while True:
        better = [
            ((chosen[name].loss - one.loss) / max(one.bytes - chosen[name].bytes, 1e-9), name, one)
            for name, of_tensor in choices.items()
            for one in of_tensor
            if one.loss < chosen[name].loss and one.bytes - chosen[name].bytes <= left
        ]
        if not better:
            return chosen
        _, name, one = max(better, key=lambda item: (item[0], item[1], -item[2].bits))
        left -= one.bytes - chosen[name].bytes
        chosen = chosen | {name: one}


def file_bytes(code: Code) -> float:
    """About what a tensor takes in a file, a little more rather than less (docs/format.md, "Size")."""
    return 1.002 * (entropy_bits(code) + side_bits(code)) / 8 + 0.5 * code.entries + 64


def bits_within(room: float, chosen: Places, options: Any, quantizer: Callable[[str, Any], nn.Module],
                 statistics: Statistics | None) -> dict[str, int]:  # fmt: skip
    """The bits of each tensor that together raise the loss least within `room` bytes.

    The loss is ½ Σ h (w - q)², h the diagonal of the empirical Fisher matrix (Optimal Brain Damage's).
    """
    if statistics is None:
        raise ValueError("budget needs statistics (fisher) of the model; calibrate it first")
    (field,) = (field for field in dataclasses.fields(options) if field.name == "bits")
    possible = field.metadata["choices"] or range(field.metadata["ge"], field.metadata["le"] + 1)
    choices: dict[str, list[Choice]] = {tensor: [] for tensor in chosen}
    for tensor, places in chosen.items():
        latent, weight = chain(*places[0])[0].detach(), getattr(*places[0]).detach()
        curvature = statistics["fisher"][tensor].to(weight.device)
        for bits in possible:
            step = quantizer(tensor, dataclasses.replace(options, bits=bits))
            loss = 0.5 * float((curvature * (weight - step(weight).detach()).square()).double().sum())
            choices[tensor].append(Choice(bits, file_bytes(step.code(latent)), loss))
    return allocate(choices, room)
