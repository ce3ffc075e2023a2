"""Make one variant: a checkpoint in, fine-tuned under its compression, model.tzip out. Resumes by itself."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tzip import device, options, pipeline, script
from tzip.compression import curvature, registry
from tzip.compression.variant import Variant, method_digest
from tzip.data.pieces import Encoded
from tzip.files import write_json
from tzip.format import container
from tzip.nmt import checkpoint
from tzip.nmt.options import FINETUNE, Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, type=Path, help="the trained model's folder")
    parser.add_argument("--student", default="", help="the student that it is of, for the summary")
    parser.add_argument(
        "--teacher-checkpoint", type=Path, help="its teacher's folder [the checkpoint itself]"
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of encoded training pairs (train.*)")
    parser.add_argument("--name", required=True, help="the variant's name")
    parser.add_argument("--statistics", type=Path, help="calibrate.py's, for the methods that ask for them")
    parser.add_argument("--methods", action="append", default=[], help="a folder of your own methods")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", required=True, type=Path, help="folder for the state to resume from")
    parser.add_argument("--output", required=True, type=Path, help="model.tzip")
    parser.add_argument("--summary", required=True, type=Path, help="JSON: what was done, time, memory")
    options.add_arguments(parser, Variant)
    options.add_arguments(parser, Training, defaults=FINETUNE)
    args = parser.parse_args()

    for folder in args.methods:
        registry.extend(folder)
    here = device.prepare(args.threads)
    variant = options.from_arguments(args, Variant, args.name)
    settings = options.from_arguments(args, Training, f"{args.name}: finetune", FINETUNE)
    model, pieces = checkpoint.load(args.checkpoint)
    model.to(here)
    code = method_digest(variant)
    updates, tune = 0, None
    if settings.updates and (variant.prune or variant.quantize):
        updates, log = settings.updates, args.state.parent / "finetuning.jsonl"
        teacher = pipeline.load_teacher(settings, args.teacher_checkpoint or args.checkpoint, pieces, here)
        state = args.state / code[:16]  # what a method's earlier code began is not gone on with
        tune = pipeline.tuning(Encoded(args.data / "train"), settings, seed=args.seed, state=state, log=log,
                              teacher=teacher)  # fmt: skip
    made, costs = pipeline.build(
        model, pieces, variant, name=args.name, seed=args.seed, updates=updates, finetune=tune,
        statistics=curvature.load(args.statistics) if args.statistics else None,
        origin=checkpoint.origin(args.checkpoint),
    )  # fmt: skip
    if method_digest(variant) != code:
        raise ValueError(f"{args.name}: the file of a method changed while it was made; make it again")
    container.write(args.output, made)
    write_json(args.summary, {
        "variant": args.name, "seed": args.seed, "plan": vars(variant), "updates": updates,
        **({"student": args.student, "mixer": model.config.mixer} if args.student else {}),
        "seconds_compress": round(costs.compress, 3), "seconds_finetune": round(costs.finetune, 3),
        **device.footprint(here),
    })  # fmt: skip
    shutil.rmtree(args.state, ignore_errors=True)


if __name__ == "__main__":
    script.run(main)
