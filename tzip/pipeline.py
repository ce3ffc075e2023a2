"""Both ends joined: a checkpoint to what model.tzip holds, and model.tzip to a model that translates."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tzip.compression import compress, curvature
from tzip.compression.curvature import Statistics
from tzip.compression.variant import Calibration, Variant, stages
from tzip.data.pieces import Encoded
from tzip.format import container, sizes
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer, shape, tensors
from tzip.nmt.options import Training, settings
from tzip.nmt.train import train

HEADER = 1000  # bytes of a file that are neither tensors nor vocabulary, more or less

Tune = Callable[[Transformer, compress.Compression, int], float]


@dataclass(frozen=True)
class Costs:
    """What making an archive took, in seconds: compressing, and fine-tuning apart."""

    compress: float
    finetune: float


def build(model: Transformer, pieces: bytes, variant: Variant, *, name: str, seed: int, updates: int = 0,
          finetune: Tune | None = None, statistics: Statistics | None = None,
          origin: dict[str, Any] | None = None) -> tuple[container.Archive, Costs]:
    """Compress a trained model (which is changed) as `variant` says; the archive and what it cost.

    statistics  of the model, if a method of the variant asks for them (see `calibrated`)
    finetune  called once a stage with the model under its parametrizations, the compression and the
              stage's number; returns the seconds spent (see `tuning`)
    origin    where the model came from, if it was imported
    """
    started = time.perf_counter()
    tuning_seconds = apart = 0.0  # of all processes that fine-tuned, and of this one
    budget = room(model, pieces, variant)
    for number, stage in enumerate(stages(variant)):
        compression = compress.prepare(model, stage, seed, statistics, budget)
        if finetune and updates:
            begun = time.perf_counter()
            tuning_seconds += finetune(model, compression, number)
            apart += time.perf_counter() - begun
        compression.on_update(updates, updates)
        codes = compression.codes()
    history = {"name": name, "seed": seed, "updates": updates, "variant": dataclasses.asdict(variant)}
    history |= {"origin": origin} if origin else {}
    archive = container.Archive(settings(model.config), codes, pieces, history)
    return archive, Costs(time.perf_counter() - started - apart, tuning_seconds)


def room(model: Transformer, pieces: bytes, variant: Variant) -> float:
    """The bytes that the tensors may take for the file to keep to the variant's budget; 0 without one."""
    if not variant.budget:
        return 0.0
    shapes = {name: shape(places) for name, places in tensors(model).items()}
    whole = (sizes.safetensors_bytes(shapes) + len(pieces)) / variant.ratio
    return whole - container.vocabulary_bytes(pieces) - HEADER


def calibrated(model: Transformer, data: Encoded, options: Calibration, *, seed: int) -> Statistics:
    """The statistics of a trained model that some methods ask for, on some of its training text."""
    sentences = curvature.sample(data, options.sentences, seed, model.config.source_end)
    return curvature.collect(model, sentences, tensors(model))


def load_teacher(
    options: Training, folder: Path | None, pieces: bytes, here: torch.device
) -> Transformer | None:
    """The teacher that a training's options ask for, or None; ValueError if its vocabulary is another."""
    if not options.teacher or folder is None:
        return None
    model, theirs = checkpoint.load(folder)
    if theirs != pieces:
        raise ValueError(f"{folder}: the teacher's vocabulary is not the student's")
    return model.to(here)


def tuning(data: Encoded, options: Training, *, seed: int, state: Path, log: Path,
           teacher: Transformer | None = None) -> Tune:
    """Fine-tuning as `build` calls it: the same loop that trains the baseline, resumable in `state`."""

    def tune(model: Transformer, compression: compress.Compression, stage: int) -> float:
        def on_update(update: int) -> None:
            compression.on_update(update, options.updates)

        where = {"folder": state / f"stage-{stage}", "log": log}
        return train(model, data, options, seed=seed, on_update=on_update, teacher=teacher, **where).seconds

    return tune
