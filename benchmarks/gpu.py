"""Training, translation and k-means of the paper's `base` model on this machine's GPU, in a few minutes.

    python benchmarks/gpu.py

Training is on batches of 25,000 tokens of random pieces, in sentences as long as newstest's, in bf16 and
compiled; its share of the matmul peak counts the products of forward and backward pass alone. Translation is
by beam 4 in bf16, every translation as long as its source and 10 pieces, for weights that nobody trained do
not end. K-means is that of every matrix of the model at 4 bits, which runs on the processor. Without a GPU
only that is measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tzip import clustering, device, model, search, train
from tzip.loss import Objective
from tzip.pieces import Encoded


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=model.PRESETS, default="base", help="size of the model [base]")
    parser.add_argument("--batch-tokens", type=int, default=25_000, help="of a training batch [25000]")
    parser.add_argument("--warm", type=int, default=40, help="updates before the clock starts [40]")
    parser.add_argument("--updates", type=int, default=200, help="that are timed [200]")
    parser.add_argument("--sentences", type=int, default=3000, help="to translate [3000]")
    parser.add_argument("--cpu", action="store_true", help="all of it on the processor, however slow")
    args = parser.parse_args()
    here = torch.device("cpu") if args.cpu else device.prepare(2)
    config = model.configure({"preset": args.preset, "vocabulary": 32000})
    torch.manual_seed(1)
    network = model.Transformer(config)
    print(f"{device.describe(here)}, torch {torch.__version__}, {args.preset}: {weights(network):,} weights")
    print(f"k-means, 4 bits, every matrix: {kmeans(network):.2f} s on the processor")
    if here.type == "cpu" and not args.cpu:
        print("no GPU here: training and translation were not measured")
        return
    network.to(here)
    lengths = np.random.default_rng(1).lognormal(3.2, 0.5, (20_000, 2)).clip(3, 120).astype(int)
    peak = matmul_peak(here)
    tokens, flops = training(network, lengths, args)
    print(f"products of bf16: {peak / 1e12:,.0f} TFLOP/s")
    print(f"training: {tokens:,.0f} target tokens/s, {100 * flops / peak:.0f} % of the products' peak")
    print(f"translation: {translation(network, lengths[: args.sentences, 0]):,.0f} sentences/s")


def weights(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def kmeans(network: torch.nn.Module) -> float:
    """Seconds for the optimal 16 centroids of every matrix, and its symbols."""
    matrices = [value.detach().numpy().ravel() for value in network.parameters() if value.ndim == 2]
    started = time.perf_counter()
    for values in matrices:
        clustering.assigned(values, clustering.optimum(values, 16))
    return time.perf_counter() - started


def matmul_peak(here: torch.device, size: int = 8192) -> float:
    """FLOP/s of the product of two square matrices in bf16."""
    size = size if here.type == "cuda" else size // 8
    one = torch.randn(size, size, device=here, dtype=torch.bfloat16)
    for rounds in (3, 20):
        started = finished(here)
        for _ in range(rounds):
            one @ one
    return 2 * size**3 * rounds / (finished(here) - started)


def finished(here: torch.device) -> float:
    """The time at which the device has done all that it was given."""
    if here.type == "cuda":
        torch.cuda.synchronize(here)
    return time.perf_counter()


def training(
    network: model.Transformer, lengths: np.ndarray, args: argparse.Namespace
) -> tuple[float, float]:
    """Target tokens/s, and FLOP/s of the products that they take."""
    here = next(network.parameters()).device
    options = train.Options(updates=args.warm + args.updates, batch_tokens=args.batch_tokens, warmup=100,
                            precision="bf16", compile=here.type == "cuda")  # fmt: skip
    clock: dict[int, float] = {}

    def on_update(update: int) -> None:
        if update in (args.warm, options.updates):
            clock[update] = finished(here)

    with tempfile.TemporaryDirectory() as folder:
        data, log = encoded(Path(folder, "data"), lengths), Path(folder, "log")
        trainer = train.Trainer(network, data, options, seed=1, state=Path(folder, "state"), log=log,
                                on_update=on_update)  # fmt: skip
        counted = [one for one, _ in zip(trainer.stream(args.warm), range(args.updates), strict=False)]
        each = flops(network, counted[0].to(here)) / counted[0].tokens
        trainer.run()
    speed = sum(one.tokens for one in counted) / (clock[options.updates] - clock[args.warm])
    return speed, speed * each


def flops(network: model.Transformer, batch) -> int:
    """Floating-point operations of the products in one forward and backward pass."""
    with FlopCounterMode(display=False) as counter:
        Objective(network.train(), 0.1)(*batch.parts())[0].backward()
    network.zero_grad()
    return counter.get_total_flops()


def encoded(prefix: Path, lengths: np.ndarray) -> Encoded:
    """A corpus of random pieces, in pairs of these lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths.ravel())]).astype(np.int64)
    tokens = np.random.default_rng(2).integers(4, 32000, offsets[-1]).astype(np.uint16)
    np.save(f"{prefix}.tokens.npy", tokens)
    np.save(f"{prefix}.offsets.npy", offsets)
    return Encoded(prefix)


def translation(network: model.Transformer, lengths: np.ndarray) -> float:
    """Sentences/s."""
    here = next(network.parameters()).device
    random = np.random.default_rng(3)
    sources = [random.integers(4, 32000, length).tolist() for length in lengths]
    options = search.Options(beam=4, max_ratio=1.0, batch_tokens=400_000 if here.type == "cuda" else 4000)
    network = network.eval().bfloat16()
    search.search(network, sources[: len(sources) // 10], options)
    started = finished(here)
    search.search(network, sources, options)
    return len(sources) / (finished(here) - started)


if __name__ == "__main__":
    main()
