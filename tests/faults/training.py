"""Trainings that run out of memory or diverge."""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file

from tests.faults.conftest import NANO, RUN, finish, start, write_configuration

TRAINED = str(RUN / "seed-1" / "training.json")


def said_by_training(folder: Path) -> str:
    return (folder / RUN / "logs" / "train.seed-1.log").read_text().strip()


def test_out_of_memory_names_the_setting(fresh: Path, told) -> None:
    grammar = {"train": 40000, "dev": 20, "test": 20, "seed": 1}
    settings = NANO | {"datasets": {"embedded": {"grammar": grammar}}, "model": NANO["model"] | {"d_ff": 2048}}
    write_configuration(fresh, settings | {"training": NANO["training"] | {"batch_tokens": 2_000_000}})
    assert start(fresh, "--", TRAINED, memory=6 << 30).wait(600) != 0
    said = said_by_training(fresh).splitlines()[-1]
    assert "out of memory in a batch of batch_tokens = 2000000; lower it" in said
    write_configuration(fresh, settings)
    finish(fresh, "--", TRAINED)
    told(
        "a batch too large for the memory (6 GiB of address space)",
        "the message says which setting to lower",
        f"`{said}`; lowered, the training ended",
    )


def test_a_loss_that_explodes_stops_the_training_and_keeps_its_state(fresh: Path, told) -> None:
    exploding = NANO["training"] | {"learning_rate": 6.0, "warmup": 600, "schedule": "linear", "updates": 700}
    write_configuration(fresh, NANO | {"training": exploding})
    assert start(fresh, "--", TRAINED).wait(600) != 0
    said = said_by_training(fresh).splitlines()[-1]
    assert re.search(r"the loss is \S+ at update \d+: the training has diverged", said)
    assert not (fresh / TRAINED).exists()
    kept = load_file(fresh / RUN / "seed-1" / "state" / "state.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())
    told("a loss that explodes", "training stops with the step; the last good state is kept", f"`{said}`")
