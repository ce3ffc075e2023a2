"""Bytes of files with side information plain and coded, and what coding changes in a model's predictions.

    RUN=results/multi30k-taught
    python benchmarks/side_information.py $RUN/seed-1/students/taught/checkpoint --data $RUN/data/dev

Variants are not fine-tuned: their bytes hardly depend on it. The vocabulary is rounded as it is when it is learned.
With --plain, the script runs at earlier revisions, too, on the vocabulary as it is: copy it there.
Predictions are compared by the divergence KL(p || q) per piece, p of the trained model, q of the changed one.
"""

import argparse
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np
import torch

from tzip import pipeline
from tzip.compression.code import entropy_bits
from tzip.compression.variant import Variant
from tzip.data.pieces import Encoded
from tzip.format import container
from tzip.format.model import load
from tzip.nmt import checkpoint
from tzip.nmt.batches import batch
from tzip.nmt.model import Transformer

METHODS = ("uniform:bits=4,per=row", "uniform:bits=3,per=row", "ternary:per=row", "ternary:per=row,threshold=1.35")
EFFECTS = (("float16", ""), ("coded", ""), ("float32", "uniform:bits=8,per=row"), ("float32", METHODS[0]))


def variants(plain: bool) -> Iterator[Variant]:
    for method in METHODS:
        yield Variant(quantize=method, scope="all", rest="float16")
        if not plain:
            yield Variant(quantize=f"{method},scale_steps=8", scope="all", rest="coded")


def built(folder: Path, variant: Variant, plain: bool) -> container.Archive:
    model, pieces = checkpoint.load(folder)
    if not plain:
        from tzip.data.sentencepiece_model import rounded

        pieces = rounded(pieces)
    return pipeline.build(model, pieces, variant, name="", seed=1)[0]


def predictions(model: Transformer, data: Encoded, sentences: int) -> torch.Tensor:
    """Log-probabilities of all pieces at each position of some sentences; [positions, pieces]."""
    rows = np.linspace(0, len(data) - 1, sentences).astype(int)
    pairs = batch(data, rows, model.config.source_end)
    with torch.no_grad():
        logits = model(pairs.source, pairs.target[:, :-1]).flatten(0, 1)[pairs.predicted]
    return logits.double().log_softmax(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, help="prefix of encoded pairs on which predictions are compared")
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--plain", action="store_true", help="nothing that format version 2 has not")
    args = parser.parse_args()
    print(f"{'method':40} {'rest':8} {'file':>10} {'symbols':>10} {'side':>8} {'vocabulary':>10}")
    for variant in variants(args.plain):
        archive = built(args.checkpoint, variant, args.plain)
        size, stored = len(data := container.encode(archive)), container.decode(data).stored
        matrices = [code for code in archive.codes.values() if len(code.shape) > 1]
        symbols = ceil(sum(map(entropy_bits, matrices)) / 8)
        numbers = f"{size:10,} {symbols:10,} {size - symbols:8,} {stored.vocabulary:10,}"
        print(f"{variant.quantize:40} {variant.rest:8} {numbers}")
    if args.data:
        model, _ = checkpoint.load(args.checkpoint)
        data = Encoded(args.data)
        before = predictions(model, data, args.sentences)
        for rest, method in EFFECTS:
            load(model, built(args.checkpoint, Variant(quantize=method, scope="all", rest=rest), args.plain).codes)
            after = predictions(model, data, args.sentences)
            divergence = float((before.exp() * (before - after)).sum(1).mean())
            print(f"weights {method or 'as they are':24} rest {rest:8} KL {divergence:.1e}")


if __name__ == "__main__":
    main()
