"""Training, fine-tuning, translation and k-means of the paper's `base` model on a GPU, in a few minutes.

    python benchmarks/gpu.py --output measured.json

Training is on batches of 25,000 tokens of random pieces, in sentences as long as newstest's, in bf16 and
compiled; its share of the matmul peak counts the products of forward and backward pass alone. Fine-tuning is
the paper's, 2 batches of 512 tokens per update, of k-means at 4 bits. Translation is by beam 4 in bf16, every
translation as long as its source and 10 pieces, for weights that nobody trained do not end. K-means is that
of every matrix of the model at 4 bits, which runs on the processor. Without a GPU only that is measured;
`--cpu` measures the rest on the processor, in the precision that it is quick in.

benchmarks/scaling.py reads what --output wrote.
"""

import argparse
import copy
import itertools
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from tzip.compression import compress, kmeans1d
from tzip.compression.variant import Variant
from tzip.data.pieces import Encoded
from tzip.files import write_json
from tzip.nmt import device, model, search, train
from tzip.nmt.batches import Stream
from tzip.nmt.loss import Objective
from tzip.nmt.options import PRESETS, Search, Training, configure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="base", help="size of the model [base]")
    parser.add_argument("--batch-tokens", type=int, default=25_000, help="of a training batch [25000]")
    parser.add_argument("--warm", type=int, default=40, help="updates before the clock starts [40]")
    parser.add_argument("--updates", type=int, default=200, help="that are timed [200]")
    parser.add_argument("--sentences", type=int, default=3000, help="to translate [3000]")
    parser.add_argument("--threads", type=int, default=2, help="of the processor [2]")
    parser.add_argument("--cpu", action="store_true", help="all of it on the processor, however slow")
    parser.add_argument("--output", type=Path, help="a JSON file for what was measured")
    args = parser.parse_args()
    here = device.prepare(args.threads)
    here = torch.device("cpu") if args.cpu else here
    result = measured(args, here)
    if args.output:
        write_json(args.output, result)


def measured(args: argparse.Namespace, here: torch.device) -> dict[str, Any]:
    """Every measure, each printed when it is there."""
    config = configure({"preset": args.preset, "vocabulary": 32000})
    torch.manual_seed(1)
    network = model.Transformer(config)
    result = {
        "device": device.describe(here),
        "threads": args.threads,
        "torch": torch.__version__,
        "preset": args.preset,
        "weights": weights(network),
        "batch_tokens": args.batch_tokens,
    }
    print("{device}, torch {torch}, {preset}: {weights:,} weights".format(**result))
    result["kmeans_seconds"] = kmeans(network)
    print(f"k-means, 4 bits, every matrix: {result['kmeans_seconds']:.2f} s on the processor")
    if here.type == "cpu" and not args.cpu:
        print("no GPU here: training, fine-tuning and translation were not measured")
        return result
    lengths = newstest(200_000)
    quick = here.type == "cuda" or device.has_bf16(here)
    peak = result["product_flops"] = matmul_peak(here, torch.bfloat16 if quick else torch.float32)
    print(f"products of {'bf16' if quick else 'fp32'}: {peak / 1e12:,.2f} TFLOP/s")
    tuned = {"batch_tokens": 512, "accumulate": 2, "compile": False}
    four_bits = copy.deepcopy(network)
    compress.prepare(four_bits, Variant(quantize="kmeans:bits=4"), 1)
    for name, one, given in (("training", copy.deepcopy(network), {}), ("finetuning", four_bits, tuned)):
        tokens, flops, memory = training(one.to(here), lengths, args, given)
        one.cpu()
        result |= {f"{name}_tokens_per_second": tokens, f"{name}_share_of_peak": flops / peak}
        result |= {f"{name}_memory_bytes": memory} if memory else {}
        said = f", {memory / 2**30:.1f} GiB" if memory else ""
        print(f"{name}: {tokens:,.0f} target tokens/s, {100 * flops / peak:.0f} % of the products' peak{said}")
    speed = result["sentences_per_second"] = translation(network.to(here), lengths[: args.sentences, 0])
    print(f"translation: {speed:,.1f} sentences/s")
    return result


def newstest(pairs: int) -> np.ndarray:
    """Pieces of source and target [N, 2], at random as long as newstest2013's are by 8,000 pieces."""
    random = np.random.default_rng(1)
    source = random.lognormal(3.3, 0.65, pairs)
    return np.stack([source, source * random.lognormal(0.09, 0.2, pairs)], axis=1).clip(1, 180).astype(int)


def weights(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def kmeans(network: torch.nn.Module) -> float:
    """Seconds for the optimal 16 centroids of every matrix, and its symbols."""
    matrices = [value.detach().numpy().ravel() for value in network.parameters() if value.ndim == 2]
    started = time.perf_counter()
    for values in matrices:
        kmeans1d.assigned(values, kmeans1d.optimum(values, 16))
    return time.perf_counter() - started


def matmul_peak(here: torch.device, kind: torch.dtype, size: int = 8192) -> float:
    """FLOP/s of the product of two square matrices."""
    size = size if here.type == "cuda" else size // 8
    one = torch.randn(size, size, device=here, dtype=kind)
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
    network: model.Transformer, lengths: np.ndarray, args: argparse.Namespace, given: dict[str, Any]
) -> tuple[float, float, int]:
    """Target tokens/s, FLOP/s of the products that they take, and the most bytes of a GPU that were held.

    given  the training's options, where they are not those of a baseline's training
    """
    here = next(network.parameters()).device
    usual = {"batch_tokens": args.batch_tokens, "warmup": 100, "compile": here.type == "cuda"}
    options = Training(updates=args.warm + args.updates, **usual | given)
    clock: dict[int, float] = {}
    train.SAVE_SECONDS = math.inf  # what a state costs once a minute is not what is measured

    def on_update(update: int) -> None:
        if update in (args.warm, options.updates):
            clock[update] = finished(here)

    with tempfile.TemporaryDirectory() as folder:
        data, log = encoded(Path(folder, "data"), lengths), Path(folder, "log")
        multiple = train.MULTIPLE[here.type]
        stream = Stream(data, options.batch_tokens, 1, network.config.source_end, multiple)
        counted = list(itertools.islice(stream(args.warm * options.accumulate), args.updates * options.accumulate))
        each = flops(network, counted[0].to(here)) / counted[0].tokens
        if here.type == "cuda":
            torch.cuda.reset_peak_memory_stats(here)
        train.train(network, data, options, seed=1, folder=Path(folder, "state"), log=log, on_update=on_update)
    speed = sum(one.tokens for one in counted) / (clock[options.updates] - clock[args.warm])
    return speed, speed * each, torch.cuda.max_memory_allocated(here) if here.type == "cuda" else 0


def flops(network: model.Transformer, batch) -> int:
    """Floating-point operations of the products in one forward and backward pass."""
    with FlopCounterMode(display=False) as counter:
        Objective(network.train(), 0.1)(*batch).backward()
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
    options = Search(beam=4, max_ratio=1.0, batch_tokens=400_000 if here.type == "cuda" else 4000)
    network = network.eval().bfloat16() if here.type == "cuda" else network.eval()
    search.search(network, sources[: len(sources) // 10], options)
    started = finished(here)
    search.search(network, sources, options)
    return len(sources) / (finished(here) - started)


if __name__ == "__main__":
    main()
