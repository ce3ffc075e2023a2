"""A student's teacher: weights to start from, and what it says of a text, to learn from."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from tzip.data.pieces import Encoded
from tzip.nmt.batches import batch, groups
from tzip.nmt.loss import states
from tzip.nmt.model import Transformer
from tzip.nmt.soft import ENTRY, SoftTargets, starts

BATCH_TOKENS = 4096  # of a text that a teacher reads: no option, for other batches round otherwise
POSITIONS = 1024  # whose logits are in memory at a time
FORM = ("heads", "norm", "activation", "positions", "epsilon", "begin")  # options that no tensor's shape shows


@torch.no_grad()
def inherit(student: Transformer, teacher: Transformer) -> None:
    """Copy a teacher's weights to a student: all outside of the layers, and as many layers as the student has.

    A student's layer that is used several times counts once. The layers are evenly spaced in the teacher's encoder
    and decoder, the first and the last among them (Shleifer & Rush 2020, arXiv 2010.13002, section 3). ValueError
    in one line if the student is deeper or of another form.
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
            order, available = student.config.order(stack), len(getattr(teacher, stack))
            depth = max(order) + 1
            if depth > available:
                raise ValueError(f"a student of {depth} {stack} layers cannot start from a teacher of {available}")
            source = f"{stack}.{spread(depth, available)[order[int(number)]]}.{rest}"
        if source not in weights or weights[source].shape != value.shape:
            shape = tuple(weights[source].shape) if source in weights else "nothing"
            raise ValueError(f"{refused}: {name} is {tuple(value.shape)}, and the teacher has {shape}")
        value.copy_(weights[source])


def spread(count: int, available: int) -> list[int]:
    """`count` evenly spaced numbers below `available`; the first and the last, if more than one."""
    return [round(i * (available - 1) / max(count - 1, 1)) for i in range(count)]


def check_pieces(teacher: nn.Module, student: nn.Module) -> None:
    """ValueError in one line if a teacher's vocabulary is another."""
    for side in ("vocabulary", "targets"):
        pieces, expected = getattr(teacher.config, side), getattr(student.config, side)
        if pieces != expected:
            raise ValueError(f"the teacher's vocabulary has {pieces} pieces, {expected} expected")


@torch.no_grad()
def soften(teachers: Sequence[Transformer], data: Encoded, top: int) -> SoftTargets:
    """The mean distribution of these models at every target position of a text: its `top` most likely pieces.

    Without dropout, in float32, in batches of like length whose order follows from the text alone.
    ValueError if the vocabulary has not so many.
    """
    place, first, pieces = next(teachers[0].parameters()).device, starts(data), teachers[0].config.targets
    if not 1 <= top <= pieces:
        raise ValueError(f"top = {top} is not from 1 to the vocabulary's {pieces} pieces")
    entries = np.zeros((first[-1], top), ENTRY)
    for rows in groups(data.lengths(), BATCH_TOKENS, None):
        pairs = batch(data, rows, teachers[0].config.source_end).to(place)
        where = np.concatenate([np.arange(first[row], first[row + 1]) for row in rows])
        given = (pairs.source, pairs.target[:, :-1], pairs.predicted)
        outputs = [(teacher.generator, states(teacher.eval(), *given)) for teacher in teachers]
        for begin in range(0, len(where), POSITIONS):
            part = slice(begin, begin + POSITIONS)
            logs = [layer(state_ND[part]).float().log_softmax(-1) for layer, state_ND in outputs]
            mean = torch.stack(logs).logsumexp(0) - math.log(len(logs)) if len(logs) > 1 else logs[0]
            best = mean.topk(top)
            entries["piece"][where[part]] = best.indices.cpu().numpy()
            entries["log"][where[part]] = best.values.cpu().numpy()
    return SoftTargets(entries, data)
