"""Error against bits: a trained model's matrices as quantizers leave them without fine-tuning, ecsq beside others.

    OMP_NUM_THREADS=1 python benchmarks/rates.py CHECKPOINT

Bits per weight are the entropy of the symbols and what codebooks and scales take; the error is the mean square of a
tensor's change over its mean square, averaged over all weights. Each method stands beside ecsq at the same error,
between the two nearest of a row of prices (linear in the logarithm of the error). Without a CHECKPOINT the weights are
drawn, of a normal and of a Laplace distribution.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tzip.compression import registry
from tzip.compression.code import entropy_bits, side_bits
from tzip.nmt import checkpoint
from tzip.options import make, parse

METHODS = (
    *("ternary:threshold=0.7", "ternary:threshold=1.35", "kmeans:bits=2", "kmeans:bits=3", "kmeans:bits=4"),
    *(f"uniform:bits={bits},per=tensor,clip={clip}" for bits in (3, 4, 5) for clip in ("error", "max")),
)
PRICES = [2.0 ** (-step / 2) for step in range(21)]


def matrices(folder: Path) -> list[Tensor]:
    """The weights of all layers, embeddings included, tied ones once."""
    model, _ = checkpoint.load(folder)
    return [parameter.detach() for parameter in model.parameters() if parameter.ndim == 2]


def drawn(size: int, seed: int) -> dict[str, list[Tensor]]:
    random = np.random.default_rng(seed)
    samples = {"normal": random.normal(size=size), "Laplace": random.laplace(size=size)}
    return {name: [torch.from_numpy(sample.astype(np.float32))[None]] for name, sample in samples.items()}


def measure(spec: str, weights: list[Tensor]) -> tuple[float, float]:
    """Bits per weight and error of a method with its options."""
    name, given = parse(spec)
    module = registry.load("quantizers", name)
    options, bits, error = make(module.Options, given, name), 0.0, 0.0
    for weight in weights:
        code = module.Quantizer(weight, options).eval().code(weight)
        change = torch.from_numpy(code.decode()) - weight
        bits += entropy_bits(code) + side_bits(code)
        error += weight.numel() * float(change.double().square().mean() / weight.double().square().mean())
    size = sum(weight.numel() for weight in weights)
    return bits / size, error / size


def compare(title: str, weights: list[Tensor]) -> None:
    print(f"\n{title}: {sum(weight.numel() for weight in weights):,} weights\n")
    curve = sorted((measure(f"ecsq:price={price}", weights) for price in PRICES), key=lambda point: point[1])
    bits, errors = np.array(curve).T
    print("| method | bits per weight | error | ecsq's bits at this error | fewer |\n|---|---|---|---|---|")
    for spec in METHODS:
        rate, error = measure(spec, weights)
        if not errors[0] <= error <= errors[-1]:
            print(f"| `{spec}` | {rate:.2f} | {error:.4f} | beyond the prices | |")
            continue
        ours = float(np.interp(np.log(error), np.log(errors), bits))
        print(f"| `{spec}` | {rate:.2f} | {error:.4f} | {ours:.2f} | {100 * (1 - ours / rate):.1f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", help="folder of a trained model")
    parser.add_argument("--size", type=int, default=1 << 18, help="weights to draw without one")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    samples = {"the model": matrices(args.checkpoint)} if args.checkpoint else drawn(args.size, args.seed)
    for title, weights in samples.items():
        compare(title, weights)


if __name__ == "__main__":
    main()
