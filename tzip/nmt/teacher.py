"""A student's teacher: weights to start from, and a frozen model to learn from."""

import torch
from torch import nn

from tzip.nmt.model import Transformer

FORM = ("heads", "norm", "activation", "positions", "epsilon")  # options that no tensor's shape shows


@torch.no_grad()
def inherit(student: Transformer, teacher: Transformer) -> None:
    """Copy a teacher's weights to a student: all outside of the layers, and as many layers as the student has.

    The layers are evenly spaced in the teacher's encoder and decoder, the first and the last among them
    (Shleifer & Rush 2020, arXiv 2010.13002, section 3). ValueError in one line if the student is deeper or
    of another form.
    """
    refused = "a student cannot start from this teacher"
    for key in FORM:
        value, expected = getattr(student.config, key), getattr(teacher.config, key)
        if value != expected:
            raise ValueError(f"{refused}: {key} = {value!r}, and the teacher's is {expected!r}")
    weights = teacher.state_dict()
    for name, value in student.state_dict().items():
        stack, _, rest = name.partition(".")
        source = name
        if stack in ("encoder", "decoder"):
            number, _, rest = rest.partition(".")
            depth, available = len(getattr(student, stack)), len(getattr(teacher, stack))
            if depth > available:
                raise ValueError(f"a student of {depth} {stack} layers cannot start from a teacher of {available}")
            source = f"{stack}.{spread(depth, available)[int(number)]}.{rest}"
        if source not in weights or weights[source].shape != value.shape:
            shape = tuple(weights[source].shape) if source in weights else "nothing"
            raise ValueError(f"{refused}: {name} is {tuple(value.shape)}, and the teacher has {shape}")
        value.copy_(weights[source])


def spread(count: int, available: int) -> list[int]:
    """`count` evenly spaced numbers below `available`; the first and the last, if more than one."""
    return [round(i * (available - 1) / max(count - 1, 1)) for i in range(count)]


def frozen(teacher: nn.Module | None, student: nn.Module) -> nn.Module:
    """The teacher without dropout or gradients; ValueError if there is none or its vocabulary is another."""
    if teacher is None:
        raise ValueError("teacher is the share of a teacher in the loss, but none is given; set it to 0")
    for side in ("vocabulary", "targets"):
        pieces, expected = getattr(teacher.config, side), getattr(student.config, side)
        if pieces != expected:
            raise ValueError(f"the teacher's vocabulary has {pieces} pieces, {expected} expected")
    return teacher.eval().requires_grad_(False)
