"""Target tokens per second of training transformers' MarianMTModel on a CPU: a peer in `benchmarks/training.py`.

Run by the Python of the environment that benchmarks/peers.txt describes:

    python benchmarks/marian.py --batches batches.npz --vocabulary 8000

The loop is what a careful user writes: scaled dot-product attention, autocast to bf16 (`--precision`), fused AdamW,
label smoothing by PyTorch. The batches are those that ours trains on: arrays `source0`, `target0`, `source1`, ... of
piece ids, padded with 0. What is counted: target pieces to predict, END included, BEGIN and padding not. What is timed:
the wall clock from the end of the last warm-up update on.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import MarianConfig, MarianMTModel

PAD, BEGIN, END = 0, 2, 3  # as in tzip/data/pieces.py; this environment has no tzip
SIZES = {"layers": 3, "ffn_dim": 1024, "attention_heads": 4}  # of encoder and decoder


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", required=True, type=Path, help="npz of source0, target0, ...")
    parser.add_argument("--vocabulary", required=True, type=int, help="pieces, of both languages")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--warm-up", type=int, default=5, help="first updates, not timed")
    return parser.parse_args()


def create(vocabulary: int, dropout: float) -> MarianMTModel:
    """The `small` preset as transformers has it: one vocabulary, its embeddings shared with the output layer."""
    torch.manual_seed(1)
    sizes = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in SIZES.items()}
    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=256,
        **sizes,
        activation_function="relu",
        max_position_embeddings=512,
        scale_embedding=True,
        dropout=dropout,
        pad_token_id=PAD,
        decoder_start_token_id=BEGIN,
        eos_token_id=END,
        forced_eos_token_id=END,
        attn_implementation="sdpa",
    )
    return MarianMTModel(config)


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    model = create(args.vocabulary, args.dropout).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.998), weight_decay=0.0, fused=True)
    arrays = np.load(args.batches)
    updates = len(arrays.files) // 2
    tokens, started = 0, 0.0
    for update in range(updates):
        if update == args.warm_up:
            tokens, started = 0, time.perf_counter()
        source, target = (torch.from_numpy(arrays[f"{side}{update}"]) for side in ("source", "target"))
        predicted = target[:, 1:]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
            logits = model(
                input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=target[:, :-1]
            ).logits
            loss = F.cross_entropy(logits.flatten(0, 1), predicted.flatten(), ignore_index=PAD, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += int((predicted != PAD).sum())
    seconds = time.perf_counter() - started
    result = {"target_tokens_per_second": tokens / seconds, "loss": loss.item()}
    result |= {"parameters": sum(p.numel() for p in model.parameters()), "updates": updates - args.warm_up}
    print(json.dumps(result))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
