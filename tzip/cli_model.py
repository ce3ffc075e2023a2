"""The `tzip` command on one trained model and one model.tzip; and the parser of all there is."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

import tzip
from tzip import cli_run, device, options, pipeline
from tzip.compression import registry
from tzip.compression.variant import Calibration, Variant, needs
from tzip.data.pieces import Encoded, Pieces
from tzip.exchange import exporting, importing, shortlist
from tzip.files import replacing_folder, split_lines
from tzip.format import container, sizes
from tzip.format import model as model_file
from tzip.nmt import checkpoint
from tzip.nmt.options import FINETUNE, Search, Training
from tzip.report import score


def run_import(args: argparse.Namespace) -> None:
    settings = options.from_arguments(args, importing.Options, "import")
    with replacing_folder(args.output) as temporary:
        imported = importing.read(args.source, settings)
        model = importing.build(imported)
        checkpoint.save(temporary, model, imported.pieces, imported.origin)
    config = model.config
    print(f"{args.output}: {sum(p.numel() for p in model.parameters()):,} weights, {config.encoder_layers} +"
          f" {config.decoder_layers} layers, {config.vocabulary:,} pieces"
          + (f" and {config.targets:,} of the target" if config.target_vocabulary else ""))


def run_compress(args: argparse.Namespace) -> None:
    here = device.prepare(args.threads)
    for folder in args.methods:
        registry.extend(folder)
    variant = options.from_arguments(args, Variant, "compress")
    model, pieces = checkpoint.load(args.checkpoint)
    settings = options.from_arguments(args, Training, "finetune", FINETUNE)
    unused = options.given(args, Training)
    if unused and not args.data:
        raise ValueError(f"{options.flag(next(iter(unused)))} is for fine-tuning, which needs --data")
    if args.teacher_checkpoint and not settings.teacher:
        raise ValueError("--teacher-checkpoint is given, but no share of the loss for it; give --teacher")
    with tempfile.TemporaryDirectory() as scratch:
        state, log = Path(scratch, "state"), Path(scratch, "log.jsonl")
        tune = None
        if args.data:
            teacher = pipeline.load_teacher(
                settings, args.teacher_checkpoint or args.checkpoint, pieces, here
            )
            tune = pipeline.tuning(Encoded(args.data), settings, seed=args.seed, state=state, log=log,
                                  teacher=teacher)
        model.to(here)
        found = None
        if needs(variant):
            if not args.data:
                raise ValueError("a method of this variant measures the model on training text; give --data")
            found = pipeline.calibrated(model, Encoded(args.data), Calibration(), seed=args.seed)
        made, costs = pipeline.build(model, pieces, variant, name=args.output.stem, seed=args.seed,
                                    updates=settings.updates if tune else 0, finetune=tune,
                                    statistics=found, origin=checkpoint.origin(args.checkpoint))
    container.write(args.output, made)
    counted = sizes.sizes(container.read(args.output), args.output.stat().st_size)
    print(
        f"{args.output}: {counted['file_bytes']:,} bytes, {counted['ratio_file']:.2f}x smaller"
        f" ({costs.compress:.1f} s to compress, {costs.finetune:.1f} s to fine-tune)"
    )


def run_decompress(args: argparse.Namespace) -> None:
    model, pieces, read = model_file.restore(args.model)
    with replacing_folder(args.output) as folder:
        checkpoint.save(folder, model, pieces.model, read.history.get("origin"))
    print(f"{args.output}: {(args.output / checkpoint.WEIGHTS).stat().st_size:,} bytes of float32 weights")


def run_export(args: argparse.Namespace) -> None:
    settings = options.from_arguments(args, exporting.Options, "export")
    model, pieces, read = model_file.restore(args.model)
    exporting.write(args.output, model, pieces, settings, read.history.get("origin"))
    total = sum(path.stat().st_size for path in args.output.iterdir())
    print(f"{args.output}: {total:,} bytes, {settings.type} for {settings.to}")


def run_shortlist(args: argparse.Namespace) -> None:
    settings = options.from_arguments(args, shortlist.Options, "shortlist")
    pieces = Pieces(container.read(args.model).vocabulary)
    made = shortlist.of(Encoded(args.data), pieces, settings)
    shortlist.write(args.output, made, pieces)
    print(f"{args.output}: {len(made.of):,} source pieces, {len(made.always):,} target pieces always allowed")


def run_translate(args: argparse.Namespace) -> None:
    here = device.prepare(args.threads)
    settings = options.from_arguments(args, Search, "search")
    model, pieces, _ = model_file.restore(args.model)
    text = args.source.read_bytes() if args.source else sys.stdin.buffer.read()
    lines = split_lines(text, str(args.source or "standard input"))
    for line in model_file.translate(model.to(here), pieces, lines, settings):
        print(line)


def run_score(args: argparse.Namespace) -> None:
    here = device.prepare(args.threads)
    settings = options.from_arguments(args, Search, "search")
    chosen = options.from_arguments(args, score.Options, "score")
    sources, references = score.read_pair(args.source, args.reference)
    model, pieces, _ = model_file.restore(args.model)
    report, _ = score.evaluate(
        model_file.translate(model.to(here), pieces, sources, settings), references, chosen
    )
    for metric in ("bleu", "chrf"):
        low, high = report[f"{metric}_low"], report[f"{metric}_high"]
        print(f"{report[metric]:6.2f}  [{low:.2f}, {high:.2f}]  {report['signatures'][metric]}")


def run_inspect(args: argparse.Namespace) -> None:
    read = container.read(args.model)
    rows = sizes.table(read)
    width = max(len(row["name"]) for row in rows)
    print(f"{'tensor':{width}}  {'shape':>12}  {'bits':>5}  {'entropy':>7}  {'bytes':>11}  {'share':>6}")
    for row in rows:
        shape = "" if row["shape"] is None else "x".join(map(str, row["shape"]))
        bits = "" if row["bits"] is None else f"{row['bits']:.2f}"
        entropy = "" if row["entropy"] is None else f"{row['entropy']:.3f}"
        print(
            f"{row['name']:{width}}  {shape:>12}  {bits:>5}  {entropy:>7}  {row['bytes']:>11,}"
            f"  {100 * row['share']:5.1f}%"
        )
    counted = sizes.sizes(read, args.model.stat().st_size)
    print(f"\n{args.model}: {counted['file_bytes']:,} bytes for {counted['weights']:,} weights")
    print(f"{counted['ratio_printed']:.2f}x as printed, {counted['ratio_file']:.2f}x in the file, "
          f"{counted['ratio_limit']:.2f}x at the limit")
    done = {key: value for key, value in read.history.get("variant", {}).items() if value}
    print(f"{read.history.get('name', '')}: {', '.join(f'{key} {value}' for key, value in done.items())}")
    if found := read.history.get("origin"):
        print(f"imported from {found['format']}:")
        print("\n".join(f"  {sha256}  {name}" for name, sha256 in found["files"].items()))


def parser() -> argparse.ArgumentParser:
    """Every subcommand with its options; each option and default is its dataclass's."""
    top = argparse.ArgumentParser(prog="tzip", description=tzip.__doc__)
    top.add_argument("--version", action="version", version=f"tzip {tzip.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    plain = cli_run.adder(commands)

    def command(name: str, run, help: str, *classes: type, threads: bool = True) -> argparse.ArgumentParser:
        made = plain(name, run, help)
        for cls in classes:
            options.add_arguments(made, cls)
        if threads:
            made.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
        return made

    one = command("import", run_import, "a model from elsewhere to a checkpoint folder", importing.Options,
                  threads=False)
    one.add_argument("source", type=Path, help="file or folder of the model, or ARCHIVE::MEMBER")
    one.add_argument("output", type=Path, help="folder to write; must be new or empty")
    one = command("compress", run_compress, "a checkpoint folder to one model.tzip", Variant)
    options.add_arguments(one, Training, defaults=FINETUNE)
    one.add_argument("checkpoint", type=Path, help="folder with model.safetensors, config.json, pieces.model")
    one.add_argument("output", type=Path, help="the file to write")
    one.add_argument(
        "--data", metavar="PREFIX", help="encoded pairs to fine-tune on; without, no fine-tuning"
    )
    one.add_argument("--methods", action="append", default=[], help="a folder of your own methods")
    one.add_argument(
        "--teacher-checkpoint", type=Path, metavar="FOLDER", help="of --teacher [the checkpoint]"
    )
    one.add_argument("--seed", type=int, default=1)
    one = command("decompress", run_decompress, "a model.tzip to a checkpoint folder", threads=False)
    one.add_argument("model", type=Path)
    one.add_argument("output", type=Path, help="folder to write")
    one = command(
        "export", run_export, "a model.tzip to the folder of another engine", exporting.Options, threads=False
    )
    one.add_argument("model", type=Path)
    one.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder to write; must be new or empty"
    )
    one = command(
        "shortlist", run_shortlist, "a target shortlist, for tzip export", shortlist.Options, threads=False
    )
    one.add_argument("model", type=Path, help="model.tzip, for its vocabulary")
    one.add_argument("output", type=Path, help="the file to write")
    one.add_argument("--data", required=True, metavar="PREFIX", help="encoded training pairs to learn from")
    one = command("translate", run_translate, "translate standard input, a sentence a line", Search)
    one.add_argument("model", type=Path)
    one.add_argument("source", type=Path, nargs="?", help="a file instead of standard input")
    one = command("score", run_score, "translate a test set and score it", Search, score.Options)
    one.add_argument("model", type=Path)
    one.add_argument("source", type=Path)
    one.add_argument("reference", type=Path)
    one = command("inspect", run_inspect, "what a model.tzip holds, tensor by tensor", threads=False)
    one.add_argument("model", type=Path)
    cli_run.add(plain)
    return top
