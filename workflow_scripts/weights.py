"""Weights before and after k-means, as histograms and centroids: what the weight figures are drawn from."""

import argparse
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tzip.cli import run
from tzip.compression.code import Code
from tzip.files import replacing
from tzip.format import container

BINS, QUANTILES = 160, 2049


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--model", type=Path, required=True, help="model.tzip of a k-means row")
    parser.add_argument("--tensors", nargs="+", help="parameters to look at [one of attention, one feed-forward]")
    parser.add_argument("--output", type=Path, required=True, help="the arrays, .npz")
    args = parser.parse_args()

    try:
        trained = load_file(args.checkpoint / "model.safetensors")
    except SafetensorError as error:
        raise ValueError(f"{args.checkpoint / 'model.safetensors'}: {error}") from None
    codes = container.read(args.model).codes
    coded = [name for name, code in codes.items() if name in trained and is_clustered(code)]
    if not coded:
        raise ValueError(f"{args.model}: no tensor with a codebook of weights; give the file of a k-means row")
    arrays = {}
    for name in args.tensors or typical(coded):
        if name not in coded:
            raise ValueError(f"--tensors: '{name}' has no codebook of weights; choose from {', '.join(coded)}")
        arrays |= {f"{name}/{key}": value for key, value in clustered(trained[name], codes[name]).items()}
    with replacing(args.output) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def is_clustered(code: Code) -> bool:
    """Whether the entries of its codebook are weights: not vectors, and not in units of a scale."""
    return code.codebook is not None and code.codebook.ndim == 1 and code.scales is None and code.residual is None


def typical(names: list[str]) -> list[str]:
    """The middle one of the attention matrices and of the feed-forward matrices, where there are any."""
    kinds = [[n for n in names if part in n and n.endswith("weight")] for part in ("attention", "feed_forward")]
    return [kind[len(kind) // 2] for kind in kinds if kind] or names[:1]


def clustered(trained: np.ndarray, code: Code) -> dict[str, np.ndarray]:
    """The fields of `plots.Clustered`. Fine-tuning moves centroids and keeps the indices, so the mean of
    the trained weights that share an index is where k-means had put its centroid."""
    weights = trained.astype(np.float64).reshape(-1)
    weights = weights if code.mask is None else weights[code.mask]
    size = len(code.codebook)
    number = np.bincount(code.symbols, minlength=size)
    total = np.bincount(code.symbols, weights, minlength=size)
    counts, edges = np.histogram(weights, BINS)
    return {
        "edges": edges,
        "counts": counts,
        "quantiles": np.quantile(weights, np.linspace(0, 1, QUANTILES)),
        "started": np.where(number > 0, total / np.maximum(number, 1), code.codebook),
        "centroids": code.codebook,
        "share": number / number.sum(),
    }


if __name__ == "__main__":
    run(main)
