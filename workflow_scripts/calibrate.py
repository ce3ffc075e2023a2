"""Measure a trained model's second derivatives on training text, once for all variants that need them."""

from __future__ import annotations

import argparse
from pathlib import Path

from tzip import device, options, pipeline, script
from tzip.compression import curvature
from tzip.compression.variant import Calibration
from tzip.data.pieces import Encoded
from tzip.nmt import checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, type=Path, help="the trained model's folder")
    parser.add_argument("--data", required=True, type=Path, help="folder of encoded training pairs (train.*)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True, type=Path, help="safetensors")
    options.add_arguments(parser, Calibration)
    args = parser.parse_args()

    here = device.prepare(args.threads)
    settings = options.from_arguments(args, Calibration, "calibration")
    model, _ = checkpoint.load(args.checkpoint)
    found = pipeline.calibrated(model.to(here), Encoded(args.data / "train"), settings, seed=args.seed)
    curvature.save(args.output, found)


if __name__ == "__main__":
    script.run(main)
