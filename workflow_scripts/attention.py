"""Attention maps of one sentence, and how sharp and how far from the baseline's a model's maps are."""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from tzip.cli import run
from tzip.data.pieces import BEGIN, END, Pieces
from tzip.files import read_lines, replacing, sha256, write_json
from tzip.format.model import restore
from tzip.nmt import attention, device
from tzip.nmt.model import Transformer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.tzip to look at")
    parser.add_argument("--baseline", type=Path, required=True, help="model.tzip to compare it with")
    parser.add_argument("--sentence", required=True, help="source sentence to record the maps of")
    parser.add_argument("--translation", default="", help="its translation; without one, encoder maps only")
    parser.add_argument("--source", type=Path, required=True, help="sentences to measure on, one per line")
    parser.add_argument("--target", type=Path, required=True, help="their references, one per line")
    parser.add_argument("--sentences", type=int, default=200, help="how many of them, the first [200]")
    parser.add_argument("--seed", type=int, default=1, help="of the bootstrap over sentences [1]")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads [1]")
    parser.add_argument("--output", type=Path, required=True, help="the maps, .npz")
    parser.add_argument("--json", type=Path, required=True, help="sharpness and distance, with intervals")
    args = parser.parse_args()

    here = device.prepare(args.threads)
    (model, pieces, _), (baseline, others, _) = restore(args.model), restore(args.baseline)
    model, baseline = model.to(here), baseline.to(here)

    write_maps(args, model, pieces)
    longest = model.config.max_length
    usable = (pair for pair in pairs(args, pieces, ending(model)) if max(map(len, pair)) <= longest)
    if pieces.model == others.model:
        sample = attention.measure(model, baseline, islice(usable, args.sentences))
    else:
        sample = attention.Sample({}, dict.fromkeys(attention.KINDS, "the model has pieces of its own"), 0)
    write_json(args.json, attention.summarize(sample, args.seed) | origin(args))


def origin(args: argparse.Namespace) -> dict[str, str]:
    """Checksums of the baseline and of the sentences: only what has the same ones is comparable."""
    return {name: sha256(getattr(args, name))[:16] for name in ("baseline", "source", "target")}


def ending(model: Transformer) -> list[int]:
    """What a source ends in."""
    return [END] if model.config.source_end else []


def pairs(args: argparse.Namespace, pieces: Pieces, end: list[int]) -> list[tuple[list[int], list[int]]]:
    """The development pairs as the model reads them."""
    source, target = read_lines(args.source), read_lines(args.target)
    if len(source) != len(target):
        raise ValueError(f"{args.target}: {len(target)} lines, but {args.source} has {len(source)}")
    both = zip(pieces.encode(source), pieces.encode(target, target=True), strict=True)
    return [([*ids, *end], [BEGIN, *translated]) for ids, translated in both]


def write_maps(args: argparse.Namespace, model: Transformer, pieces: Pieces) -> None:
    """The configured sentence's maps [layers, heads, T, S] of each kind there is, and its pieces.

    Of a sentence that is longer than the model's limit, the beginning.
    """
    (ids,), (translated,) = pieces.encode([args.sentence]), pieces.encode([args.translation], target=True)
    longest, end = model.config.max_length, ending(model)
    source, target = [*ids[: longest - len(end)], *end], [BEGIN, *translated][:longest]
    maps = attention.maps(model, source, target)
    kept = {kind: found.numpy() for kind, found in maps.items() if translated or kind == "encoder"}
    with replacing(args.output) as temporary, open(temporary, "wb") as file:
        spelled = {"source": pieces.spell(source), "target": pieces.spell(target, target=True)}
        np.savez_compressed(file, **spelled, baseline=origin(args)["baseline"], **kept)


if __name__ == "__main__":
    run(main)
