"""What a student has of its teacher: weights to begin with, and a frozen model to learn from."""

from __future__ import annotations

import torch
from torch import nn

from tzip.nmt.model import Transformer

FORM = ("heads", "norm", "activation", "positions", "epsilon")  # of a model, what no tensor tells


@torch.no_grad()
def inherit(student: Transformer, teacher: Transformer) -> None:
    """Start a student from its teacher's weights: all that lies outside of the layers, and some of those.

    The layers of encoder and decoder are spread evenly over the teacher's, the first and the last among
    them (Shleifer & Rush 2020, arXiv 2010.13002, section 3). ValueError in one line where the student is
    deeper or of another form.
    """
    for key in FORM:
        found, expected = getattr(student.config, key), getattr(teacher.config, key)
        if found != expected:
            said = f"{key} = {found!r}, and the teacher's is {expected!r}"
            raise ValueError(f"a student cannot start from this teacher: {said}")
    theirs, mine = teacher.state_dict(), student.state_dict()
    for name, value in mine.items():
        stack, _, rest = name.partition(".")
        source = name
        if stack in ("encoder", "decoder"):
            number, _, rest = rest.partition(".")
            depth, available = len(getattr(student, stack)), len(getattr(teacher, stack))
            if depth > available:
                raise ValueError(
                    f"a student of {depth} {stack} layers cannot start from a teacher of {available}"
                )
            source = f"{stack}.{spread(depth, available)[int(number)]}.{rest}"
        if source not in theirs or theirs[source].shape != value.shape:
            found = tuple(theirs[source].shape) if source in theirs else "nothing"
            raise ValueError(f"a student cannot start from this teacher: {name} is {tuple(value.shape)}, "
                             f"and the teacher has {found}")  # fmt: skip
        value.copy_(theirs[source])


def spread(count: int, available: int) -> list[int]:
    """`count` numbers below `available`, evenly spaced; of several the first and the last."""
    return [round(i * (available - 1) / max(count - 1, 1)) for i in range(count)]


def frozen(teacher: nn.Module | None, student: nn.Module) -> nn.Module:
    """The teacher without dropout or gradients; ValueError unless there is one with the student's pieces."""
    if teacher is None:
        raise ValueError("teacher is the share of a teacher's in the loss, but none is given; set it to 0")
    for side in ("vocabulary", "targets"):
        theirs, ours = getattr(teacher.config, side), getattr(student.config, side)
        if theirs != ours:
            raise ValueError(f"the teacher's vocabulary has {theirs} pieces, {ours} expected")
    return teacher.eval().requires_grad_(False)
