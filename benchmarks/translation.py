"""Source words translated per second of one core: ours and CTranslate2, in turn, in one run.

    python benchmarks/translation.py results/default/seed-1/baseline/model.tzip results/default/data/test/test.en

The peer translates what `tzip export` makes of the same file. Both cut the text into pieces and join them again, with
the same beam, length penalty and longest translation. The figure is of processor time, so that what else the machine
does disturbs it little; read the ratios.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import ctranslate2
import torch

from tzip.exchange import exporting, inference
from tzip.exchange.options import Export
from tzip.files import read_lines
from tzip.format import model as model_file
from tzip.nmt.options import Search

Engine = Callable[[list[str], int], list[str]]
PEER = f"CTranslate2 {ctranslate2.__version__}"


def engines(file: Path, folder: Path, precisions: list[str], types: list[str]) -> dict[str, Engine]:
    """Translate lines with a beam, by name: our search in each precision, CTranslate2 with weights of each type."""
    model, pieces, _ = model_file.restore(file)
    result: dict[str, Engine] = {}
    for precision in precisions:
        own = model_file.cast(model, Search(precision=precision))
        result[f"tzip {precision}"] = lambda lines, beam, own=own, precision=precision: model_file.translate(
            own, pieces, lines, Search(beam=beam, precision=precision)
        )
    for kind in types:
        exporting.write(folder / kind, model, pieces, Export(type=kind), None)
        peer = inference.Translator(folder / kind)
        result[f"{PEER} {kind}"] = lambda lines, beam, peer=peer: peer.translate(lines, inference.Options(beam=beam))
    return result


def measure(engines: dict[str, Engine], lines: list[str], beam: int, rounds: int) -> dict[str, float]:
    """The median of each engine's words per second of processor, after one translation of some lines."""
    words = sum(len(line.split()) for line in lines)
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    for translate in engines.values():
        translate(lines[:20], beam)
    for _, (name, translate) in itertools.product(range(rounds), engines.items()):
        before = time.process_time()
        translate(lines, beam)
        speeds[name].append(words / (time.process_time() - before))
    return {name: statistics.median(values) for name, values in speeds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model.tzip")
    parser.add_argument("source", type=Path, help="text to translate, one sentence per line")
    parser.add_argument("--lines", type=int, default=500, help="its first lines alone")
    parser.add_argument("--beams", type=int, nargs="+", default=[5, 1])
    parser.add_argument("--rounds", type=int, default=3, help="times each engine translates the text, in turn")
    parser.add_argument("--precisions", nargs="+", default=["fp32"], help="of our own search")
    parser.add_argument("--types", nargs="+", default=["float32", "int8"], help="of CTranslate2's weights")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = read_lines(args.source)[: args.lines]
    with tempfile.TemporaryDirectory() as folder:
        compared = engines(args.model, Path(folder), args.precisions, args.types)
        for beam in args.beams:
            speeds = measure(compared, lines, beam, args.rounds)
            for name, speed in speeds.items():
                own = {
                    other: mine / speed for other, mine in speeds.items() if other.startswith("tzip") and other != name
                }
                ratios = ", ".join(f"{other} {ratio:.2f}x of it" for other, ratio in own.items())
                print(f"beam {beam}  {name:28} {speed:8,.0f} words/s  {ratios}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
