"""Source words translated per second of one core: ours by each engine, and CTranslate2 alone, in turn, in one run.

    python benchmarks/translation.py results/default/seed-1/baseline/model.tzip results/default/data/test/test.en

The peer is CTranslate2 as its users call it, on what `tzip export` makes of the same file: pieces by SentencePiece, one
call for the whole text, the same beam and longest translation; it sorts and batches by itself (`--batch`, in tokens).
Each cuts the text into pieces and joins them again. The figure is of processor time, so that what else the machine does
disturbs it little; read the ratios.
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
import sentencepiece
import torch

from tzip.exchange import exporting
from tzip.exchange.options import Export
from tzip.files import read_lines
from tzip.format import model as model_file
from tzip.interface.translator import engine
from tzip.nmt.options import Search

Engine = Callable[[list[str], int], list[str]]
OURS = {"torch fp32": {}, "ctranslate2 fp32": {"engine": "ctranslate2"}}
OURS["ctranslate2 int8"] = OURS["ctranslate2 fp32"] | {"precision": "int8"}


def ours(file: Path, how: dict[str, str], beams: list[int]) -> Engine:
    """A model.tzip as `tzip translate` translates with it."""
    model, pieces, _ = model_file.restore(file)
    opened = {beam: engine(model, pieces, Search(beam=beam, **how)) for beam in beams}
    return lambda lines, beam: [best[0][0] for best in opened[beam](pieces.encode(lines))]


def peer(file: Path, folder: Path, kind: str, batch: int) -> Engine:
    """CTranslate2 without tzip, with weights of this type."""
    model, pieces, _ = model_file.restore(file)
    exporting.write(folder / kind, model, pieces, Export(type=kind))
    translator = ctranslate2.Translator(str(folder / kind), "cpu", inter_threads=1, intra_threads=1)
    cut = sentencepiece.SentencePieceProcessor(model_file=str(folder / kind / "source.spm"))

    def translate(lines: list[str], beam: int) -> list[str]:
        rows = cut.encode(lines, out_type=str)
        found = translator.translate_batch(rows, beam_size=beam, max_batch_size=batch, batch_type="tokens")
        return cut.decode([one.hypotheses[0] for one in found])

    return translate


def measure(engines: dict[str, Engine], lines: list[str], beam: int, rounds: int) -> dict[str, list[float]]:
    """Each engine's words per second of processor in each round."""
    words = sum(len(line.split()) for line in lines)
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    for _, (name, translate) in itertools.product(range(rounds), engines.items()):
        before = time.process_time()
        translate(lines, beam)
        speeds[name].append(words / (time.process_time() - before))
    return speeds


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median of the rounds' ratios: what slows the machine for a while slows both."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a model.tzip")
    parser.add_argument("source", type=Path, help="text to translate, one sentence per line")
    parser.add_argument("--lines", type=int, default=300, help="its first lines alone")
    parser.add_argument("--beams", type=int, nargs="+", default=[5, 1])
    parser.add_argument("--rounds", type=int, default=7, help="times each engine translates the text, in turn")
    parser.add_argument("--types", nargs="+", default=["float32", "int8"], help="of the peer's weights")
    parser.add_argument("--batch", type=int, default=1024, help="tokens of a batch of the peer")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = read_lines(args.source)[: args.lines]
    with tempfile.TemporaryDirectory() as folder:
        engines = {f"tzip {name}": ours(args.model, how, args.beams) for name, how in OURS.items()}
        peers = {f"CTranslate2 {kind}": peer(args.model, Path(folder), kind, args.batch) for kind in args.types}
        engines |= peers
        for beam in args.beams:
            said = {name: translate(lines, beam) for name, translate in engines.items()}  # and warms up
            speeds = measure(engines, lines, beam, args.rounds)
            for name, speed in speeds.items():
                same = sum(map(str.__eq__, said["tzip torch fp32"], said[name]))
                ratios = ", ".join(f"{ratio(speed, speeds[other]):.2f}x {other}" for other in peers if other != name)
                median = f"{statistics.median(speed):8,.0f} words/s"
                print(f"beam {beam}  {name:22} {median}  {same}/{len(lines)} alike  {ratios}", flush=True)


if __name__ == "__main__":
    main()
