"""The `tzip` command, and how every command of the project ends. Starting it imports no torch."""

import argparse
import difflib
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import tzip
from tzip import files, options
from tzip.compression import registry
from tzip.compression.variant import Calibration, Pruning, Variant
from tzip.config import MEAN
from tzip.exchange.options import Export, Import
from tzip.interface.arguments import (
    CHECKPOINT,
    COMMANDS,
    DEFAULTS,
    FORCE,
    METHODS,
    MODEL,
    NEW_FOLDER,
    PIECES,
    RUN,
    SEED,
    SUMMARY,
    THREADS,
    command,
)
from tzip.nmt.options import Search, Training
from tzip.options import amount, check_outputs, output, path, plain


def run(main: Callable[[], None]) -> None:
    """Call `main`; what a user can get wrong (ValueError, OSError) becomes one line and exit status 1.

    Text goes out as UTF-8 whatever the locale. SIGTERM ends as an exception does, so that no half-written file stays.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if sys.stdout is None:
        sys.exit("error: standard output is closed; send it to a file or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # tests put others in their place
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as shells have it after Ctrl-C
    except (ValueError, OSError) as error:
        if not isinstance(error, BrokenPipeError):  # who stopped reading knows it
            print(f"error: {files.one_line(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # what cannot be written is dropped, so that Python does not try again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@command(
    plain("source", metavar="SOURCE", help="file or folder of the model, or ARCHIVE::MEMBER"),
    path("output", **NEW_FOLDER),
    *(SUMMARY, FORCE, Import),
)
def run_import(args: argparse.Namespace) -> None:
    """a model from elsewhere to a checkpoint folder"""
    settings = options.from_arguments(args, Import, "import")
    from tzip import pipeline

    print(pipeline.import_model(args.source, args.output, settings, args.summary))


@command(
    PIECES,
    path("source", metavar="SOURCE", help="text, one sentence per line"),
    path("target", metavar="TARGET", help="its translation, line by line"),
    path("prefix", metavar="PREFIX", help="writes PREFIX.tokens.npy and PREFIX.offsets.npy"),
    plain("--max-length", type=int, metavar="N", help="most pieces of a side, END included; longer pairs are dropped"),
    FORCE,
)
def run_encode(args: argparse.Namespace) -> None:
    """parallel text to encoded pairs, for --data of other commands"""
    from tzip.interface import encode

    print(encode.encode(args.model, args.source, args.target, args.prefix, args.max_length, args.force))


@command(
    CHECKPOINT,
    output("output", metavar="OUTPUT", help="the file to write, safetensors"),
    plain("--data", required=True, metavar="PREFIX", help="encoded training pairs to measure on"),
    *(SEED, THREADS, FORCE, Calibration),
)
def run_calibrate(args: argparse.Namespace) -> None:
    """measure second derivatives once for all variants of a model"""
    settings = options.from_arguments(args, Calibration, "calibration")
    from tzip import pipeline

    pipeline.calibrate(args.checkpoint, args.output, args.data, settings, args.seed, args.threads)


@command(
    path("checkpoints", metavar="CHECKPOINT", nargs="+", help="trained models' folders; their mean is kept"),
    output("output", metavar="OUTPUT", help="the file to write, .npy"),
    plain("--data", required=True, metavar="PREFIX", help="encoded pairs to look at"),
    plain("--top", type=int, default=16, metavar="N", help="most likely pieces to keep at each position [16]"),
    *(THREADS, FORCE),
)
def run_soften(args: argparse.Namespace) -> None:
    """soft targets: teachers' most likely pieces at each position of a text"""
    from tzip import pipeline

    print(pipeline.soften(args.checkpoints, args.output, args.data, args.top, args.threads))


@command(
    CHECKPOINT,
    output("output", metavar="OUTPUT", help="the file to write, model.tzip"),
    plain("--data", metavar="PREFIX", help="encoded pairs to fine-tune on; without, no fine-tuning"),
    METHODS,
    path("--teacher-checkpoint", metavar="DIR", help="checkpoint of the teacher [CHECKPOINT itself]"),
    path("--soft-targets", help="what tzip soften wrote, for --top [computed first]"),
    path("--statistics", help="what tzip calibrate wrote of CHECKPOINT [measured where a method needs it]"),
    path("--state", metavar="DIR", help="where fine-tuning is resumed from; removed at the end"),
    plain("--name", default="", metavar="NAME", help="the variant's name [that of OUTPUT]"),
    plain("--student", default="", metavar="NAME", help="the student that CHECKPOINT is, for --summary"),
    *(SUMMARY, SEED, THREADS, FORCE, Variant, Training, Calibration),
)
def run_compress(args: argparse.Namespace) -> None:
    """a checkpoint folder to one model.tzip"""
    from tzip.interface import compress

    names = ("data", "teacher_checkpoint", "soft_targets", "statistics", "state", "summary", "student")
    inputs = {name: getattr(args, name) for name in (*names, "methods", "name", "seed", "threads")}
    given = {key: value for cls in (Variant, Training, Calibration) for key, value in options.given(args, cls).items()}
    print(compress.write(args.checkpoint, args.output, given, DEFAULTS[Variant], **inputs))


@command(MODEL, path("output", **NEW_FOLDER))
def run_decompress(args: argparse.Namespace) -> None:
    """a model.tzip to a checkpoint folder"""
    from tzip.format import model as model_file
    from tzip.nmt import checkpoint

    model, pieces, archive = model_file.restore(args.model)
    with files.replacing_folder(args.output) as folder:
        checkpoint.save(folder, model, pieces.model, archive.history.get("origin"))
    print(f"{args.output}: {(args.output / checkpoint.WEIGHTS).stat().st_size:,} bytes of float32 weights")


@command(MODEL, path("--output", required=True, **NEW_FOLDER), Export)
def run_export(args: argparse.Namespace) -> None:
    """a model.tzip to the folder of another engine"""
    settings = options.from_arguments(args, Export, "export")
    from tzip.exchange import exporting
    from tzip.format import model as model_file

    model, pieces, archive = model_file.restore(args.model)
    exporting.write(args.output, model, pieces, settings, archive.history)
    size, small = sum(path.stat().st_size for path in args.output.iterdir()), args.model.stat().st_size
    print(f"{args.output}: {size:,} bytes on disk, about as many in memory: {settings.type} for {settings.to},")
    print(f"whatever the bits of {args.model} ({small:,} bytes); docs/costs.md has words per second of each engine")


@command(
    PIECES,
    output("output", metavar="OUTPUT", help="the file to write"),
    plain("--data", required=True, metavar="PREFIX", help="encoded training pairs to learn from"),
    *(FORCE, "exchange/shortlist.py"),
)
def run_shortlist(args: argparse.Namespace) -> None:
    """a target shortlist, for tzip export"""
    from tzip.data.pieces import Encoded
    from tzip.exchange import shortlist
    from tzip.interface.encode import vocabulary

    settings = options.from_arguments(args, shortlist.Options, "shortlist")
    pieces, _ = vocabulary(args.model)
    result = shortlist.of(Encoded(args.data), pieces, settings)
    shortlist.write(args.output, result, pieces)
    print(f"{args.output}: {len(result.of):,} source pieces, {len(result.always):,} target pieces always allowed")


@command(
    MODEL,
    path("sources", metavar="SOURCE", nargs="*", default=[], help="files instead of standard input"),
    output("--output", help="a file instead of standard output"),
    output("--time", help="write seconds, words per second and memory as JSON"),
    plain("--batch", type=int, metavar="N", help="lines to translate and write at once; 0 = all [0; of a pipe 1]"),
    plain("--jsonl", action="store_true", help="lines are objects with a text; they gain translations and scores"),
    plain("--split-sentences", metavar="LANG", help="split each line into sentences of LANG (en, de, ...) first"),
    *(THREADS, FORCE, Search),
)
def run_translate(args: argparse.Namespace) -> None:
    """translate standard input or files, one sentence per line"""
    settings = options.from_arguments(args, Search, "search")
    from tzip.interface import translate

    form = translate.Form(args.batch, args.jsonl, args.split_sentences)
    translate.run(args.model, args.sources, args.output, args.time, form, settings, args.threads)


@command(
    path("files", metavar="FILE", nargs="+", help="MODEL SOURCE REFERENCE, or TRANSLATIONS REFERENCE"),
    [
        path("--baseline", help="translations to compare with, in the JSON of --output"),
        path("--against", metavar="OTHER", help="translations, or with MODEL another model.tzip, to compare with"),
    ],
    output("--output", help="write the scores as JSON instead of printing them"),
    output("--statistics", help="write the counts per sentence, .npz, for later comparisons"),
    *(THREADS, FORCE, Search, "report/score.py"),
)
def run_score(args: argparse.Namespace) -> None:
    """score translations, or translate a test set by a model.tzip and score that"""
    if len(args.files) not in (2, 3):
        raise ValueError(f"score takes MODEL SOURCE REFERENCE or TRANSLATIONS REFERENCE: {len(args.files)} given")
    from tzip.report import score

    search = options.from_arguments(args, Search, "search")
    scoring = options.from_arguments(args, score.Options, "score")
    *model, text, reference = args.files
    sources, references = score.read_pair(text, reference)
    texts = translated(model[0], sources, search, args.threads) if model else sources
    other, name = (args.against, str(args.against)) if args.against else (args.baseline, score.BASELINE)
    if model and args.against and args.against.suffix == ".tzip":
        baseline = translated(args.against, sources, search, args.threads)
    else:
        baseline = score.read_pair(other, reference)[0] if other else None
    report, counts = score.evaluate(texts, references, scoring, baseline, name)
    if args.statistics:
        score.write_statistics(args.statistics, counts)
    if args.output:
        files.write_json(args.output, report)
        return
    print("\n".join(score.lines(report)))


def translated(model: Path, lines: list[str], search: Search, threads: int | None) -> list[str]:
    """Translations for `run_score`, outside of it: what it imports itself decides when a workflow scores again."""
    from tzip import pipeline

    return [beam[0][0] for beam in pipeline.translate(model, lines, search, pipeline.here(threads))]


@command(MODEL)
def run_inspect(args: argparse.Namespace) -> None:
    """what a model.tzip holds, tensor by tensor"""
    from tzip.format import sizes

    print("\n".join(sizes.lines(args.model)))


@command(plain("method", nargs="?", metavar="METHOD", help="the method to describe"), METHODS)
def run_methods(args: argparse.Namespace) -> None:
    """the methods that compress, or the options of one"""
    for folder in args.methods:
        registry.extend(folder)
    print("\n".join(registry.described(args.method, Pruning) if args.method else registry.listed()))


@command(RUN)
def run_status(args: argparse.Namespace) -> None:
    """how far a run is, and when it will end"""
    from tzip.report import status

    print("\n".join(status.lines(args.folder)))


@command(
    RUN,
    [
        plain("--at", type=amount("x"), metavar="8x", help="the best BLEU at a file so many times smaller"),
        plain("--keep", type=amount("%"), metavar="99%", help="the smallest file that keeps this share of BLEU"),
    ],
    plain("--test", default=MEAN, metavar="NAME", help="test set [the mean of the run's]"),
)
def run_frontier(args: argparse.Namespace) -> None:
    """which variant of a run to take, and how to make it"""
    from tzip.report import frontier, tables

    frame = frontier.read(args.folder, args.test)
    if args.at is None and args.keep is None:
        print(tables.to_text(frontier.table(frame)), end="")
        return
    row = frontier.at(frame, args.at) if args.keep is None else frontier.keeping(frame, args.keep)
    print(frontier.described(row), frontier.command(args.folder, row["file"]), sep="\n")


@command(
    path("one", metavar="RUN", help="a finished run's folder, results/NAME"),
    path("other", metavar="OTHER", help="another finished run's"),
)
def run_diff(args: argparse.Namespace) -> None:
    """what differs between two runs: what they were made from, and their results"""
    from tzip.report import diff

    print("\n".join(diff.lines(args.one, args.other)) or "the same in all that is compared")


@command(plain("shell", choices=("bash", "zsh"), help="the shell to complete in"))
def run_completion(args: argparse.Namespace) -> None:
    """a script that completes this command in a shell"""
    from tzip.interface import completion

    print(completion.script(parser(), args.shell, tzip.__version__), end="")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="tzip", description=tzip.__doc__)
    top.add_argument("--version", action="version", version=f"tzip {tzip.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, arguments) in COMMANDS.items():
        subcommand = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        subcommand.set_defaults(run=function, parser=subcommand)
        for argument in arguments:
            options.add(subcommand, argument, DEFAULTS)
    return top


def main() -> None:
    run(execute)


def execute() -> None:
    """Run a subcommand, its files and options in any order; of an unknown flag, name the one that was meant."""
    top, words = parser(), sys.argv[1:]
    subcommands = next(action.choices for action in top._actions if isinstance(action.choices, dict))
    if not words or words[0] not in subcommands:
        top.parse_args()  # --help, --version, or an error
    subcommand = subcommands[words[0]]
    subcommand.usage = subcommand.format_usage().removeprefix("usage: ").replace("%", "%%")  # argparse forgets this
    args, unknown = subcommand.parse_known_intermixed_args(words[1:])
    if unknown:
        known = [name for action in args.parser._actions for name in action.option_strings]
        said = f"unrecognized arguments: {' '.join(unknown)}"
        close = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
        args.parser.error("; did you mean ".join([said, *(f"{name}?" for name in close)]))
    check_outputs(args)
    args.run(args)


if __name__ == "__main__":
    main()
