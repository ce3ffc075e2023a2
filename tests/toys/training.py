"""Train the toy model of the tests in a process of its own (to be killed, or started twice by torchrun)."""

import sys
import time
from pathlib import Path

import torch

from tests.nmt.test_model import TOY
from tests.toys.data import toy_pairs
from tzip.nmt import checkpoint, device, train
from tzip.nmt.batches import batch, groups
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Training
from tzip.nmt.soft import SoftTargets
from tzip.nmt.state import State
from tzip.options import make

SETTINGS = {
    "updates": 24,
    "batch_tokens": 200,
    "warmup": 10,
    "learning_rate": 3e-3,
    "every": 8,
    "average": 2,
    "clip": 1.0,
}


def fit(
    folder: Path,
    pause: float = 0.0,
    dropout: float = 0.2,
    taught_by: int = 2,
    by: SoftTargets | None = None,
    place: torch.device | str = "cpu",
    **given,
) -> State:
    """Train in `folder`; `pause` seconds after each update leave time to be killed.

    A share `teacher` of the loss is a wider model's, which the seed `taught_by` decides, or what `by` holds.
    """
    data = toy_pairs(folder / "data" / "toy")
    torch.manual_seed(1)
    model = Transformer(Config(**TOY | {"dropout": dropout})).to(place)
    batches = [batch(data, rows) for rows in groups(data.lengths(), 400, None)]
    state = train.train(
        model,
        data,
        make(Training, SETTINGS | given, "toy"),
        seed=1,
        folder=folder / "state",
        log=folder / "log.jsonl",
        evaluate=lambda network: {"loss": train.likelihood(network, batches)},
        on_update=lambda _: time.sleep(pause),
        teacher=by or (toy_teacher(taught_by) if float(given.get("teacher", 0)) else None),
    )
    if device.world()[0] == 0:
        checkpoint.save(folder / "checkpoint", model, b"pieces")
    return state


def toy_teacher(seed: int = 2) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(Config(**TOY | {"d_model": 24})).eval()


if __name__ == "__main__":
    device.prepare(1)
    train.SAVE_SECONDS = 0.0
    fit(Path(sys.argv[1]), float(sys.argv[2]), **dict(word.split("=") for word in sys.argv[3:]))
