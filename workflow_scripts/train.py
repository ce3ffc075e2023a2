"""Train a baseline or a student: encoded pairs and pieces in, a checkpoint folder out. Resumes by itself."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import torch
from sacrebleu import corpus_bleu

import tzip
from tzip import options, pipeline
from tzip.cli import run
from tzip.data.pieces import Encoded, Pieces
from tzip.files import read_lines, write_json
from tzip.format import model as model_file
from tzip.nmt import checkpoint, device, model, store, teacher, train
from tzip.nmt.batches import batch, groups
from tzip.nmt.options import OF_PIECES, PRESETS, Config, Search, Training, configure


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, metavar="PREFIX", help="encoded training pairs")
    parser.add_argument("--dev", required=True, metavar="PREFIX", help="encoded development pairs")
    parser.add_argument("--dev-source", required=True, type=Path, help="development sentences, for BLEU")
    parser.add_argument("--dev-target", required=True, type=Path, help="their translations")
    parser.add_argument("--pieces", required=True, type=Path, help="SentencePiece model")
    parser.add_argument("--teacher-checkpoint", type=Path, help="checkpoint folder of a teacher")
    parser.add_argument("--soft-targets", type=Path, help="what tzip soften wrote, for --top [computed first]")
    parser.add_argument("--start", choices=("random", "teacher"), default="random", help="weights to start from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", required=True, type=Path, help="folder for the state to resume from")
    parser.add_argument("--journal", required=True, type=Path, help="JSON lines: losses, speed, evaluations")
    parser.add_argument("--output", required=True, type=Path, help="checkpoint folder")
    parser.add_argument("--summary", required=True, type=Path, help="JSON: time, memory, last scores")
    parser.add_argument("--store", type=Path, help="folder of models that runs share; it is looked at first")
    parser.add_argument("--preset", choices=PRESETS, default="base", help="sizes of the model")
    options.add_arguments(parser, Config, skip=OF_PIECES)
    options.add_arguments(parser, Training)
    return parser.parse_args()


def identity(args: argparse.Namespace, here: torch.device) -> tuple[dict[str, Any], list[str | Path]]:
    """What a trained model follows from: its settings, and the files that are read."""
    places = ("train", "dev", "dev_source", "dev_target", "pieces", "teacher_checkpoint", "soft_targets")
    places += ("state", "journal", "output", "summary", "store")
    about = {key: str(value) for key, value in vars(args).items() if key not in places}
    about |= {"device": device.describe(here), "torch": torch.__version__, "tzip": tzip.__version__}
    about["world"] = os.environ.get("WORLD_SIZE", "1")
    encoded = [f"{prefix}.{part}.npy" for prefix in (args.train, args.dev) for part in ("tokens", "offsets")]
    taught = [args.teacher_checkpoint / checkpoint.WEIGHTS] if args.teacher_checkpoint else []
    taught += [args.soft_targets] if args.soft_targets else []
    return about, [*encoded, args.dev_source, args.dev_target, args.pieces, *taught]


def main() -> None:
    args = arguments()
    here = device.prepare(args.threads)
    shared = {"training.json": args.summary, "training.jsonl": args.journal}
    shared |= {name: args.output / name for name in checkpoint.FILES}
    if args.store:
        name = store.key(*identity(args, here))
        if store.fetch(args.store, name, shared):
            print(f"taken from {args.store}: {name}", file=sys.stderr)
            return
    pieces = Pieces(args.pieces.read_bytes())
    config = configure({"preset": args.preset, **pieces.decides(), **options.given(args, Config)})
    settings = options.from_arguments(args, Training, "training")
    pairs, folders = Encoded(args.train), [args.teacher_checkpoint] if args.teacher_checkpoint else []
    taught_by = pipeline.load_teacher(settings, folders, pieces.model, here, pairs, args.soft_targets)
    torch.manual_seed(args.seed)
    network = model.Transformer(config).to(here)
    if args.start == "teacher":
        if args.teacher_checkpoint is None:
            raise ValueError("start = teacher: there is no teacher; give --teacher-checkpoint")
        teacher.inherit(network, checkpoint.load(args.teacher_checkpoint)[0].to(here))

    dev = Encoded(args.dev)
    parts = groups(dev.lengths(), settings.batch_tokens, None)
    batches = [batch(dev, rows, config.source_end) for rows in parts]
    sources = read_lines(args.dev_source)
    references = read_lines(args.dev_target)

    def evaluate(network: model.Transformer) -> dict[str, float]:
        scores = {"loss": train.likelihood(network, batches)}
        if settings.metric == "bleu":
            translations = model_file.translate(network, pieces, sources, Search(beam=1))
            scores["bleu"] = corpus_bleu(translations, [references]).score
        return scores

    state = train.train(
        network,
        pairs,
        settings,
        seed=args.seed,
        folder=args.state,
        log=args.journal,
        evaluate=evaluate,
        teacher=taught_by,
    )
    if device.world()[0] == 0:
        last = evaluate(network)
        done = {"updates": state.update, "seconds": round(state.seconds, 2), **device.footprint(here)}
        write_json(args.summary, done | {f"dev_{key}": value for key, value in last.items()})
        checkpoint.save(args.output, network, pieces.model)
        if args.store:
            store.keep(args.store, name, shared)
        state.remove()


if __name__ == "__main__":
    run(main)
