"""What a teacher adds to the time of an update: read in every update, and its most likely pieces computed before.

    python benchmarks/teacher.py --data results/multi30k/data

Forward and backward pass of the same batches, in turn; medians of the rounds' ratios. The models are as initialized:
the time of an update does not depend on the weights.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path

import torch

from tzip.data.pieces import Encoded, Pieces
from tzip.nmt import device
from tzip.nmt.batches import Batch, Stream
from tzip.nmt.loss import Objective
from tzip.nmt.model import Transformer
from tzip.nmt.options import PRESETS, configure
from tzip.nmt.teacher import soften

SHARE = 0.7  # of the teacher


class Text(Encoded):
    """The first pairs of an encoded text."""

    def __init__(self, prefix: Path, pairs: int):
        super().__init__(prefix)
        self.offsets = self.offsets[: 2 * pairs + 1]


def seconds(objective: Objective, batch: Batch) -> float:
    started = time.perf_counter()
    objective(*batch).backward()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of encoded data, as the workflow makes it")
    parser.add_argument("--preset", choices=PRESETS, default="small", help="sizes of student and teacher")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--top", type=int, default=16, help="most likely pieces")
    parser.add_argument("--pairs", type=int, default=2000, help="of the text, from which the batches are")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    device.prepare(args.threads)
    torch.manual_seed(1)
    pieces, text = Pieces(args.data / "pieces.model"), Text(args.data / "train", args.pairs)
    config = configure({"preset": args.preset, "norm": "pre", **pieces.decides()})
    student, teacher = Transformer(config), Transformer(config).eval().requires_grad_(False)
    started = time.perf_counter()
    soft = soften([teacher], text, args.top)
    taken = time.perf_counter() - started
    objectives = {"alone": Objective(student, 0.1), "whole": Objective(student, 0.1, teacher, SHARE)}
    objectives["top"] = Objective(student, 0.1, None, SHARE)
    streams = [Stream(text, args.batch_tokens, seed=1, soft=given)() for given in (None, soft)]
    times: dict[str, list[float]] = {name: [] for name in objectives}
    for plain, taught in itertools.islice(zip(*streams, strict=True), args.rounds + 1):
        for name, objective in objectives.items():
            times[name].append(seconds(objective, taught if name == "top" else plain))
    for name, label in (("whole", "the teacher read in every update"), ("top", f"its {args.top} most likely pieces")):
        ratios = [with_it / alone for with_it, alone in zip(times[name][1:], times["alone"][1:], strict=True)]
        print(f"{label}: {statistics.median(ratios):.2f} times an update without a teacher")
    alone = statistics.median(times["alone"][1:])
    print(f"an update without: {alone:.3f} s; the pieces of {args.pairs:,} pairs, once: {taken:.1f} s")


if __name__ == "__main__":
    main()
