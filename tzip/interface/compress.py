"""From a checkpoint folder to model.tzip: `tzip compress`, and `tzip.compress` in Python."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tzip import pipeline
from tzip.compression import registry
from tzip.compression.variant import Calibration, Variant, check, measures
from tzip.files import check_new, named
from tzip.interface.inspection import Inspection, inspect
from tzip.nmt.options import FINETUNE, Training
from tzip.options import flag, make

OWN, TUNING, MEASURING = ([field.name for field in dataclasses.fields(cls)] for cls in (Variant, Training, Calibration))


def compress(
    checkpoint: str | Path,
    output: str | Path,
    *,
    data: str | Path = "",
    teacher_checkpoint: str | Path | None = None,
    soft_targets: str | Path | None = None,
    statistics: str | Path | None = None,
    state: str | Path | None = None,
    methods: Sequence[str | Path] = (),
    name: str = "",
    seed: int = 1,
    threads: int | None = None,
    force: bool = False,
    **options: Any,
) -> Inspection:
    """Compress a checkpoint folder into the file `output`; what that file holds.

    data        prefix of encoded pairs to fine-tune on, as `tzip encode` writes them; without, no fine-tuning
    force       replace a file that exists already
    options     those of `tzip compress`, by name: what is compressed and how (scope, prune, quantize, biases,
                rest, budget, dropout), how it is fine-tuned (updates, batch_tokens, factor, ...), and on how many
                sentences a method measures the model

    `tzip compress --help` explains the others. Raises ValueError in one line for a wrong option, a folder that is
    no checkpoint, or an output that exists; FileNotFoundError for data that do not exist.
    """
    for key in options:
        if key not in (known := OWN + TUNING + MEASURING):
            raise ValueError(f"compress: no option '{key}'; choose from {', '.join(known)}")
    places = {"teacher_checkpoint": teacher_checkpoint, "soft_targets": soft_targets}
    places |= {"statistics": statistics, "state": state}
    given = {key: Path(place) if place else None for key, place in places.items()}
    with named():
        check_new(Path(output), force)
        write(
            Path(checkpoint),
            Path(output),
            options,
            {"scope": "all"},
            **given,
            data=str(data),
            methods=methods,
            name=name,
            seed=seed,
            threads=threads,
        )
        return inspect(output)


def write(
    checkpoint: Path,
    output: Path,
    given: dict[str, Any],
    defaults: dict[str, Any],
    *,
    data: str,
    teacher_checkpoint: Path | None,
    methods: Sequence[str | Path],
    name: str,
    **inputs: Any,
) -> str:
    """Check the options together, and make the file by `pipeline.compress`; one line of what it is.

    given     options of Variant, Training and Calibration, by name
    defaults  of Variant, other than its own
    inputs    further arguments of `pipeline.compress`
    """
    for folder in methods:
        registry.extend(folder)
    tuning = {key: given[key] for key in TUNING if key in given}
    variant = make(Variant, defaults | {key: given[key] for key in OWN if key in given}, name or "compress")
    training = make(Training, FINETUNE | tuning, f"{name}: finetune".lstrip(": "))
    calibration = make(Calibration, {key: given[key] for key in MEASURING if key in given}, "calibration")
    check(variant)
    if tuning and not data:
        raise ValueError(f"{flag(next(iter(tuning)))} is for fine-tuning, which needs --data")
    if measures(variant, bool(inputs["statistics"])) and not tuning:
        training = dataclasses.replace(training, updates=0)  # the data are there for the statistics
    asked = {"teacher_checkpoint": teacher_checkpoint, "soft_targets": inputs["soft_targets"]}
    for key, by in (("teacher_checkpoint", "teacher"), ("soft_targets", "teacher"), ("soft_targets", "top")):
        if asked[key] and not getattr(training, by):
            raise ValueError(f"{flag(key)} is given, but {by} = 0 makes no use of it; give {flag(by)}")
    inputs |= {"name": name or output.stem, "data": data, "teacher": teacher_checkpoint, "calibration": calibration}
    return pipeline.compress(checkpoint, output, variant, training, **inputs)
