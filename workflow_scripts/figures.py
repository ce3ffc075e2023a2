"""Draw one of a run's figures, as PNG and SVG."""

import argparse
from itertools import product
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd

from tzip.cli import run
from tzip.config import BASELINE, MEAN
from tzip.report import paper, plots, plots_frontier, points, results
from tzip.report.frontier import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    figures = parser.add_subparsers(dest="figure", required=True, metavar="FIGURE")
    for name, (draw, add_inputs) in FIGURES.items():
        figure = figures.add_parser(name, help=draw.__doc__, description=draw.__doc__)
        add_inputs(figure)
        figure.add_argument("--output", nargs="+", type=Path, required=True, help="files to write: .png, .svg")
    args = parser.parse_args()
    plots.save(FIGURES[args.figure][0](args), args.output, args.note)


def frontier(args: argparse.Namespace) -> plots.Figure:
    """BLEU against real bytes: the run's variants with their frontier, and published points"""
    return plots_frontier.frontier(read(args.results, args.test), points.papers(), points.others())


def sharpness(args: argparse.Namespace) -> plots.Figure:
    """entropy of the attention rows and distance from the baseline's maps, by row"""
    lines, left_out = [], {}
    results.check_attention(args.results, args.rows, args.seeds)
    for row, seed in product(args.rows, args.seeds):
        record = results.load(results.place(args.results, seed, row, "attention.json"), ("by_kind",))
        for kind, measures in record["by_kind"].items():
            lines.append({"variant": row, "label": short(row), "seed": seed, "kind": kind} | measures)
        for kind, reason in sorted(record.get("left_out", {}).items(), reverse=True):
            left_out.setdefault((short(row), reason), {})[kind] = True
    rows: dict[tuple[str, str], list[str]] = {}
    for (row, reason), kinds in left_out.items():
        rows.setdefault((", ".join(kinds), reason), []).append(row)
    said = [f"{', '.join(named)}: no maps of {kinds}: {reason}" for (kinds, reason), named in rows.items()]
    notes = [fill(line, 75, break_on_hyphens=False) for line in said]
    args.note = "\n".join([args.note, *notes] if args.note else notes)
    measured = [f"{name}{end}" for name in ("sharpness", "distance") for end in ("", "_low", "_high")]
    return plots.sharpness(pd.DataFrame(lines, columns=["variant", "label", "seed", "kind", *measured]))


def attention(args: argparse.Namespace) -> plots.Figure:
    """the paper's grid: heads of one encoder layer, one line of heat maps per row"""
    paths = {row: results.place(args.results, args.seeds[0], row, "attention.npz") for row in args.rows}
    arrays = {path: load(path, ("encoder", "source")) for path in paths.values()}
    results.check_same({path: list(found["source"]) for path, found in arrays.items()}, "sentences")
    results.check_same({path: found.get("baseline") for path, found in arrays.items()}, "baselines")
    maps = {"Original" if row == BASELINE else short(row): arrays[path]["encoder"] for row, path in paths.items()}
    return plots.attention_grid(maps, list(next(iter(arrays.values()))["source"]), args.layer, args.heads)


def layers(args: argparse.Namespace) -> plots.Figure:
    """all layers and heads of one row"""
    sides = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}
    rows, columns = sides[args.kind]
    arrays = load(args.maps, (args.kind, rows, columns))
    title = f"{paper.label(args.name)}: {plots.KINDS[args.kind]}"
    return plots.attention_layers(arrays[args.kind], list(arrays[rows]), list(arrays[columns]), title)


def weights(args: argparse.Namespace) -> plots.Figure:
    """weights before and after k-means, with the centroids"""
    return plots.weights(tensors(args.weights))


def cumulative(args: argparse.Namespace) -> plots.Figure:
    """cumulative distribution of the weights, trained and quantized"""
    return plots.cumulative(tensors(args.weights))


def tensors(path: Path) -> list[plots.Clustered]:
    arrays = load(path)
    names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
    fields = [field for field in plots.Clustered.__dataclass_fields__ if field != "name"]
    return [plots.Clustered(name, *(arrays[f"{name}/{field}"] for field in fields)) for name in names]


def load(path: Path, keys: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of an .npz, `keys` among them."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError:
        raise results.missing(path) from None
    for key in keys:
        if key not in arrays:
            raise ValueError(f"{path}: no array '{key}'; it has {', '.join(arrays)}")
    return arrays


def short(row: str) -> str:
    """A row's name where there is little room."""
    return paper.label(row).replace(" quantization", "").replace("-quantization", "").replace(" model", "")


def of_frontier(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, required=True, help="the run's folder, with its tables")
    parser.add_argument("--test", default=MEAN, help="test set [the mean of all]")
    add_note(parser)


def of_maps(parser: argparse.ArgumentParser) -> None:
    results.add_arguments(parser)
    parser.add_argument("--layer", type=int, default=0, help="encoder layer [0]")
    parser.add_argument("--heads", type=int, default=4, help="how many heads, the first [4]")


def of_one_map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--maps", type=Path, required=True, help="attention.npz of a row")
    parser.add_argument("--name", required=True, help="the row's name")
    parser.add_argument("--kind", choices=tuple(plots.KINDS), default="encoder")
    add_note(parser)


def of_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, required=True, help="the output of weights.py")
    add_note(parser)


def add_note(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--note", default="", help="written below the figure, such as: synthetic corpus")


FIGURES = {
    "frontier": (frontier, of_frontier),
    "sharpness": (sharpness, results.add_arguments),
    "attention": (attention, of_maps),
    "attention-layers": (layers, of_one_map),
    "weights": (weights, of_weights),
    "cumulative": (cumulative, of_weights),
}

if __name__ == "__main__":
    run(main)
