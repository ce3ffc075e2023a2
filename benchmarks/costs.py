"""What each file of a model costs where it runs: bytes on disk and in memory, words per second of one core, BLEU.

    python3 -m venv build/firefox-venv
    build/firefox-venv/bin/pip install -r tests/interop/firefox.txt
    python benchmarks/costs.py results/firefox --firefox build/firefox-venv/bin/python

The run is that of config/firefox.yaml: two models of nearly one size, one with self-attention in the decoder and one
with recurrent units, each in several numbers of bits. Every engine translates the same lines greedily, in a process of
its own with one thread. Time is the processor's once the model is open, the fastest of five rounds; memory is what the
process has more after a first sentence than before it opened the model.

Firefox's engine (fxtranslate) opens what `tzip export --to firefox` makes of each .tzip, in 8 bits. The
last rows are the engines' own files of the models that were never compressed: what is downloaded today, by `gzip -9`.
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sacrebleu import corpus_bleu

from tzip.files import read_lines

FIREFOX = Path(__file__).with_name("costs_firefox.py")
OWN = (sys.executable, __file__, "--child")
ROUNDS = 5
Cost = dict[str, Any]


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measured(opened: Callable[[], Callable[[list[str]], list[str]]], lines: list[str]) -> Cost:
    """Memory of an engine, seconds of the processor, and what it translates."""
    before = resident()
    translate = opened()
    translate(lines[:1])
    memory, seconds = resident() - before, []
    for _ in range(ROUNDS):
        started = time.process_time()
        found = translate(lines)
        seconds.append(time.process_time() - started)
    return {"memory": memory, "seconds": min(seconds), "lines": found}


def by_tzip(file: Path, engine: str, precision: str) -> Callable[[list[str]], list[str]]:
    """A model.tzip as `tzip translate --beam 1` opens it."""
    import torch

    from tzip.interface.translator import Translator
    from tzip.nmt.options import Search

    translator = Translator(file, torch.device("cpu"))
    options = Search(beam=1, engine=engine, precision=precision)
    return lambda lines: [best[0][0] for best in translator.translate(lines, options)]


def by_ctranslate2(folder: Path) -> Callable[[list[str]], list[str]]:
    """An exported folder by CTranslate2, with our limit of length: at 256 pieces, its own, a loop spoils the score."""
    from tzip.exchange.inference import Options, Translator

    translator, options = Translator(folder), Options(beam=1)
    return lambda lines: translator.translate(lines, options)


def child(how: str, place: Path, source: Path) -> None:
    """In a process of its own: measure one engine and print it. Libraries are imported before memory is counted."""
    import torch

    import tzip.exchange.inference
    import tzip.interface.translator  # noqa: F401

    torch.set_num_threads(1)
    kinds = {"torch": ("torch", "fp32"), "int8": ("ctranslate2", "int8")}
    opened = (lambda: by_ctranslate2(place)) if how == "folder" else lambda: by_tzip(place, *kinds[how])
    print(json.dumps(measured(opened, read_lines(source))))


def run(*command: object, **variables: str) -> Cost:
    """What a process prints that measures one engine; with these environment variables, too."""
    environment = os.environ | variables
    done = subprocess.run(list(map(str, command)), env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def exported(file: Path, folder: Path, *options: object) -> tuple[int, int]:
    """Export a file; the bytes of what an engine opens, by gzip and as they are."""
    command = [sys.executable, "-m", "tzip", "export", file, "--output", folder, *options]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    files = [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".bin", ".spm")]
    return sum(len(gzip.compress(data, 9)) for data in files), sum(map(len, files))


def costs(args: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, str, int, int, Cost]]:
    """File, engine, bytes to download, bytes that the engine opens, and what was measured."""
    seed = args.run / f"seed-{args.seed}"
    firefox = ("--to", "firefox", "--type", "int8", "--calibration")
    for row in (*args.attention, *args.recurrent):
        file = seed / row / "model.tzip"
        size = file.stat().st_size
        yield row, "tzip, float32", size, size, run(*OWN, "torch", file, args.source)
        if row in args.attention:
            yield row, "tzip, `--engine ctranslate2 --precision int8`", size, size, run(*OWN, "int8", file, args.source)
        else:
            folder = scratch / row
            _, opened = exported(file, folder, *firefox, args.calibration)
            yield row, "Firefox, int8", size, opened, run(args.firefox, FIREFOX, folder, args.source)
    folder = scratch / "ctranslate2"
    sizes = exported(seed / "baseline" / "model.tzip", folder, "--to", "ctranslate2", "--type", "int8")
    yield "baseline", "CTranslate2, int8, its own file", *sizes, run(*OWN, "folder", folder, args.source)
    folder = scratch / "firefox"
    sizes = exported(seed / args.student / "model.tzip", folder, *firefox, args.calibration)
    yield args.student, "Firefox, int8, its own file", *sizes, run(args.firefox, FIREFOX, folder, args.source)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, as results/firefox")
    parser.add_argument("--firefox", type=Path, required=True, help="Python of the environment with fxtranslate")
    parser.add_argument("--attention", nargs="+", default=[f"attention-{bits}bit" for bits in (8, 4, 3, 2)])
    parser.add_argument("--recurrent", nargs="+", default=[f"recurrent-{bits}bit" for bits in (8, 4, 3, 2)])
    parser.add_argument("--student", default="recurrent", help="the row of --recurrent's model, uncompressed")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    data = args.run / "data"
    args.source, args.calibration = data / "test" / "test.en", data / "dev.en"
    references, lines = read_lines(data / "test" / "test.de"), read_lines(args.source)
    words = sum(len(line.split()) for line in lines)
    print("| file | engine | bytes to download | bytes that it opens | memory, MB | words/s | BLEU |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for row, engine, size, opened, cost in costs(args, Path(scratch)):
            bleu = corpus_bleu(cost["lines"], [references]).score
            speed = f"{words / cost['seconds']:,.0f}"
            figures = [f"{size:,}", f"{opened:,}", f"{cost['memory'] / 1e6:.0f}", speed, f"{bleu:.2f}"]
            print("| " + " | ".join([f"`{row}`", engine, *figures]) + " |", flush=True)


if __name__ == "__main__":
    main()
