"""The whole order, read first: a checkpoint to model.tzip, and model.tzip to translations."""

import dataclasses
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tzip.compression import compress as compression_of
from tzip.compression import curvature
from tzip.compression.code import Code
from tzip.compression.curvature import Statistics
from tzip.compression.variant import Calibration, Variant, measures, method_digest, needs, stages
from tzip.data.pieces import Encoded
from tzip.exchange import importing
from tzip.exchange.options import Import
from tzip.files import replacing_folder, write_json
from tzip.format import container, sizes
from tzip.format import model as model_file
from tzip.interface.translator import Translator
from tzip.nmt import checkpoint, device
from tzip.nmt import teacher as teacher_of
from tzip.nmt.model import Transformer, check_scores, shape, tensors
from tzip.nmt.options import Search, Training, settings
from tzip.nmt.soft import SoftTargets
from tzip.nmt.train import train

HEADER = 1000  # bytes of a file that are neither tensors nor vocabulary, more or less

Teacher = Transformer | SoftTargets
Measure = Callable[[Transformer], Statistics]
Tune = Callable[[Transformer, compression_of.Compression, int], float]


@dataclass(frozen=True)
class Costs:
    """What making an archive took, in seconds: compressing, and fine-tuning apart."""

    compress: float
    finetune: float


def here(threads: int | None) -> torch.device:
    """The device to run on, prepared with so many threads; None for as many as PyTorch takes by itself."""
    return device.prepare(torch.get_num_threads() if threads is None else threads)


def compress(
    folder: Path,
    output: Path,
    variant: Variant,
    training: Training,
    *,
    name: str,
    seed: int,
    threads: int | None = None,
    data: str = "",
    teacher: Path | None = None,
    soft_targets: Path | None = None,
    statistics: Path | None = None,
    calibration: Calibration | None = None,
    state: Path | None = None,
    summary: Path | None = None,
    student: str = "",
) -> str:
    """Make the file `output` of a variant of the checkpoint in `folder`; one line of what it is.

    The order is: per stage of the variant calibrate (where a method asks for it and, at first, `statistics` names no
    file), prune or quantize, and fine-tune; then encode, then write.

    data      prefix of the encoded pairs to fine-tune and calibrate on; without it there is no fine-tuning
    teacher   checkpoint of the teacher, if the training has one; `folder` by default
    soft_targets  file of what a teacher says of the data, in its place (see `soften`)
    state     folder to resume fine-tuning from, removed at the end; its journal stays beside it
    summary   JSON file of what was done, time and memory; `student` names the model for it
    """
    place = here(threads)
    digest = method_digest(variant)
    model, pieces = checkpoint.load(folder)
    check_scores(model.to(place))
    pairs = Encoded(data) if data else None
    updates = training.updates if pairs and (variant.prune or variant.quantize) else 0
    measured = curvature.load(statistics) if statistics else None
    measure = None if pairs is None else lambda model: calibrated(model, pairs, calibration or Calibration(), seed=seed)
    with tempfile.TemporaryDirectory() as scratch:
        tune = None
        if updates:
            root = state or Path(scratch, "state")
            own, log = root / digest[:16], root.parent / "finetuning.jsonl"  # another digest's state is not resumed
            teaching = load_teacher(training, [teacher or folder], pieces, place, pairs, soft_targets)
            tokens = training.batch_tokens * training.accumulate
            print(f"fine-tuning: {updates:,} updates of {tokens:,} tokens per stage", file=sys.stderr)
            tune = tuning(pairs, training, seed=seed, state=own, log=log, teacher=teaching)
        inputs = {"finetune": tune, "statistics": measured, "measure": measure, "origin": checkpoint.origin(folder)}
        inputs |= {"release": True}
        archive, costs = build(model, pieces, variant, name=name, seed=seed, updates=updates, **inputs)
        mixer = " + ".join(dict.fromkeys(model.config.mixers))
        del model  # most of the memory
    if method_digest(variant) != digest:
        raise ValueError(f"{name}: the file of a method changed while it was made; make it again")
    container.write(output, archive)
    done = archive.history["updates"]
    del archive
    if summary:
        report = {"variant": name, "seed": seed, "plan": vars(variant), "updates": done}
        report |= {"finetune": vars(training)} if done else {}
        report |= {"student": student, "mixer": mixer} if student else {}
        report |= {"seconds_compress": round(costs.compress, 3), "seconds_finetune": round(costs.finetune, 3)}
        write_json(summary, report | device.footprint(place))
    if state:
        shutil.rmtree(state, ignore_errors=True)
    counted = sizes.sizes(container.read(output), output.stat().st_size)
    return (
        f"{output}: {counted['file_bytes']:,} bytes, {counted['ratio_file']:.2f}x smaller"
        f" ({costs.compress:.1f} s to compress, {costs.finetune:.1f} s to fine-tune)"
    )


def translate(
    file: Path, lines: list[str], options: Search, place: torch.device, summary: Path | None = None
) -> list[list[tuple[str, float]]]:
    """The n best translations of lines, with scores, by a model.tzip as read back from disk.

    Standard error names the lines of which a part can be lost. summary: JSON file of what it took
    """
    translator = Translator(file, place)
    translations = translator.translate(lines, options)
    if summary:
        write_json(summary, translator.report(options))
    return translations


def import_model(source: str, output: Path, options: Import, summary: Path | None = None) -> str:
    """Write the checkpoint folder `output` of a model from elsewhere; one line of what it is."""
    started, place = time.perf_counter(), here(1)
    imported = importing.read(source, options)
    model = importing.build(imported)
    with replacing_folder(output) as temporary:
        checkpoint.save(temporary, model, imported.pieces, imported.origin)
    if summary:
        seconds = round(time.perf_counter() - started, 2)
        write_json(summary, {"imported": imported.origin["format"], "seconds": seconds, **device.footprint(place)})
    config = model.config
    own = f" and {config.targets:,} of the target" if config.target_vocabulary else ""
    return (
        f"{output}: {sum(p.numel() for p in model.parameters()):,} weights, {config.encoder_layers} +"
        f" {config.decoder_layers} layers, {config.vocabulary:,} pieces{own}"
    )


def build(
    model: Transformer,
    pieces: bytes,
    variant: Variant,
    *,
    name: str,
    seed: int,
    updates: int = 0,
    finetune: Tune | None = None,
    statistics: Statistics | None = None,
    measure: Measure | None = None,
    origin: dict[str, Any] | None = None,
    release: bool = False,
) -> tuple[container.Archive, Costs]:
    """Compress a trained model (which is changed) as `variant` says; the archive and what it cost.

    statistics  of the model, for its first stage; measured if that asks for them and they are not given
    measure   the statistics of a plain model (see `calibrated`): a later stage asks for those of the pruned one
    updates   of each stage; the history counts those of all
    finetune  called once per stage with the model under its parametrizations, the compression and the
              stage's number; returns the seconds spent (see `tuning`)
    origin    where the model came from, if it was imported
    release   whether the model, of no use afterwards, gives up its memory as it is encoded
    """
    if measures(variant, statistics is not None) and measure is None:
        raise ValueError("a method of this variant measures the model before it on training text; give --data")
    started = time.perf_counter()
    tuning_seconds = apart = 0.0  # of all processes that fine-tuned, and of this one
    steps, tuned, codes = stages(variant), 0, {}
    budget = room(model, pieces, variant)
    for number, stage in enumerate(steps):
        if needs(stage) and (number or statistics is None):
            statistics = measure(plain(model, codes) if codes else model)
        compression = compression_of.prepare(model, stage, seed, statistics, budget)
        if finetune and updates:
            begun = time.perf_counter()
            tuning_seconds += finetune(model, compression, number)
            apart += time.perf_counter() - begun
            tuned += updates
        compression.on_update(updates, updates)
        codes = compression.codes(release and stage is steps[-1])
    history = {"name": name, "seed": seed, "updates": tuned, "variant": dataclasses.asdict(variant)}
    history |= {"origin": origin} if origin else {}
    archive = container.Archive(settings(model.config), codes, pieces, history)
    return archive, Costs(time.perf_counter() - started - apart, tuning_seconds)


def plain(model: Transformer, codes: dict[str, Code]) -> Transformer:
    """A model without parametrizations of the weights that a parametrized one's codes hold, on its device."""
    result = Transformer(model.config)
    model_file.load(result, codes)
    return result.to(next(model.parameters()).device)


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


def calibrate(folder: Path, output: Path, data: str, options: Calibration, seed: int, threads: int | None) -> None:
    """Write the statistics of the checkpoint in `folder` once for all its variants that ask for them."""
    place = here(threads)
    model, _ = checkpoint.load(folder)
    curvature.save(output, calibrated(model.to(place), Encoded(data), options, seed=seed))


def load_teacher(
    options: Training,
    folders: Sequence[Path],
    pieces: bytes,
    here: torch.device,
    data: Encoded,
    soft_targets: Path | None = None,
) -> Teacher | None:
    """The teacher that a training's options ask for, or None; ValueError if its vocabulary is another.

    With options.top it is what the teachers of these checkpoint folders say of the data, read from the file
    `soft_targets` where there is one.
    """
    if not options.teacher:
        return None
    if options.top and soft_targets:
        return SoftTargets.load(soft_targets, data, options.top)
    models = teachers(folders, pieces, here)
    if options.top and models:
        return teacher_of.soften(models, data, options.top)
    return next(iter(models), None)


def teachers(folders: Sequence[Path], pieces: bytes, here: torch.device) -> list[Transformer]:
    """The models in checkpoint folders; ValueError if a vocabulary is another."""
    models = []
    for folder in folders:
        model, vocabulary = checkpoint.load(folder)
        if vocabulary != pieces:
            raise ValueError(f"{folder}: the teacher's vocabulary is not the student's")
        models.append(model.to(here))
    return models


def soften(folders: Sequence[Path], output: Path, data: str, top: int, threads: int | None = None) -> str:
    """Write what the teachers in these checkpoint folders say of a text, once for all who learn from it; one line."""
    place, text = here(threads), Encoded(data)
    models = teachers(folders, checkpoint.load(folders[0])[1], place)
    found = teacher_of.soften(models, text, top)
    found.save(output)
    return f"{output}: {found.top} pieces at each of {len(found.entries):,} positions, {output.stat().st_size:,} bytes"


def tuning(
    data: Encoded, options: Training, *, seed: int, state: Path, log: Path, teacher: Teacher | None = None
) -> Tune:
    """Fine-tuning as `build` calls it: the same loop that trains the baseline, resumable in `state`."""

    def tune(model: Transformer, compression: compression_of.Compression, stage: int) -> float:
        def on_update(update: int) -> None:
            compression.on_update(update, options.updates)

        where = {"folder": state / f"stage-{stage}", "log": log}
        return train(model, data, options, seed=seed, on_update=on_update, teacher=teacher, **where).seconds

    return tune
