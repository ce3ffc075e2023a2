"""One model in the files of several codecs: bytes and BLEU of each, and whether ours are the smaller.

    python3 -m venv build/codecs-venv
    build/codecs-venv/bin/pip install torch==2.13.0
    build/codecs-venv/bin/pip install --no-deps -r benchmarks/codecs.txt
    python benchmarks/codecs.py results/multi30k-frontier --peers build/codecs-venv/bin/python \\
        --rows uniform-4bit lsq-50x --tests test2016

Bytes are all that has to be kept to translate: the tensors in their stored form, and for every peer the vocabulary as
model.tzip stores it and the model's configuration as deflated JSON, some 150 bytes. Ours is the whole of model.tzip:
its names, shapes and history, too. BLEU is of the development set, by the run's own search with the weights that come
back from the file. The last lines say of each of ours whether a peer of at least its BLEU is smaller.

nncodec       ISO/IEC 15938-17 by its authors: a real bitstream, of the baseline and of each row's weights; uniform
              quantization or dependent (trellis-coded), in steps of 2^(qp / 4), vectors in steps of 2^-10, much coarser
              and shorter than its default. "Levels" has a row's own integers, coded without loss, and its scales and
              codebooks as vectors in steps of 2^-13: what CABAC makes of them in place of our coder
CTranslate2   model.bin of `tzip export --type int8`, and the same by `gzip -9`; translated by CTranslate2
quanto        optimum-quanto's safetensors: matrices in 4 or 2 bits, scales and vectors in half precision; by its own
              choice of scales (max) and by half-quadratic quantization (HQQ)
GGUF          by formula, without names and shapes: the blocks of every matrix, one row running on into the next, and
              vectors in float32. Q8_0 and Q4_0 are rounded as llama.cpp does; Q4_K and Q2_K have bytes alone
"""

import argparse
import csv
import dataclasses
import gzip
import json
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from sacrebleu import corpus_bleu
from safetensors.numpy import load_file, save_file

from tzip.compression.code import Code
from tzip.config import datasets
from tzip.config import run as configuration
from tzip.data.pieces import Pieces
from tzip.exchange import exporting, inference
from tzip.files import read_json, read_lines
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer, holding, tensors
from tzip.nmt.options import Search, settings
from tzip.options import make

PEER = Path(__file__).with_name("codecs_peer.py")
QP = (-28, -24, -21, -18, -15, -12)
VECTORS, SCALES = -40, -52  # qp of biases and norms, and of a row's scales and codebooks
BLOCKS = {"Q8_0": (32, 34), "Q4_0": (32, 18), "Q4_K": (256, 144), "Q2_K": (256, 84)}  # weights of a block, its bytes
OURS = "model.tzip"
Weights = dict[str, np.ndarray]
Scores = list[float]  # of the development set, then of each test set
Line = tuple[str, str, int, Scores]  # storage, whose weights, bytes, BLEU


def weights_of(model: Transformer) -> Weights:
    """Every parameter of a model, tied ones once."""
    return {name: getattr(*places[0]).detach().numpy() for name, places in tensors(model).items()}


def beside(model: Transformer, vocabulary: bytes) -> int:
    """Bytes of what a peer keeps beside its tensors."""
    return container.vocabulary_bytes(vocabulary) + len(zlib.compress(json.dumps(settings(model.config)).encode(), 9))


def block_bytes(weights: Weights, kind: str) -> int:
    """What GGUF takes for these tensors, without their names and shapes."""
    block, size = BLOCKS[kind]
    return sum(-(-x.size // block) * size if x.ndim > 1 else 4 * x.size for x in weights.values())


def block_rounded(values: np.ndarray, kind: str) -> np.ndarray:
    """A tensor as it comes back from blocks of Q8_0 or Q4_0: integers times one float16 for each 32 weights."""
    if values.ndim < 2:
        return values
    flat = np.pad(values.reshape(-1), (0, -values.size % 32)).reshape(-1, 32)
    largest = np.take_along_axis(flat, np.abs(flat).argmax(1, keepdims=True), 1)
    scale = np.abs(largest) / 127 if kind == "Q8_0" else largest / -8
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    numbers = np.rint(flat * inverse) if kind == "Q8_0" else np.clip(np.floor(flat * inverse + 8.5), 0, 15) - 8
    return (numbers * scale.astype(np.float16).astype(np.float32)).reshape(-1)[: values.size].reshape(values.shape)


def levels(codes: dict[str, Code]) -> Weights:
    """A row's tensors for a codec of integers: indices around 0, which is what was pruned, apart from scales."""
    parts: Weights = {}
    for name, code in codes.items():
        if not code.entries or code.codebook.ndim > 1 or code.residual is not None:
            parts[name] = code.decode()
            continue
        middle = int(np.abs(code.codebook).argmin())
        numbers = code.symbols.astype(np.int32) - middle
        if code.mask is not None:
            kept, numbers = numbers, np.zeros(code.size, np.int32)
            numbers[code.mask] = kept + (kept >= 0)
        parts[name] = numbers.reshape(code.shape)
        parts[f"{name} codebook"] = code.codebook
        if code.scales is not None:
            parts[f"{name} scales"] = code.scales.astype(np.float32).reshape(-1)
    return parts


def from_levels(codes: dict[str, Code], parts: Weights) -> Weights:
    """The weights of what `levels` made, once it was decoded; the integers have come back as they were."""
    result = {}
    for name, code in codes.items():
        result[name] = parts[name]
        if f"{name} codebook" in parts:
            scales = parts.get(f"{name} scales")
            scales = None if scales is None else scales.reshape(code.scales.shape).astype(np.float16)
            result[name] = dataclasses.replace(code, codebook=parts[f"{name} codebook"], scales=scales).decode()
    return result


class Comparison:
    """What every codec needs of the run: its texts, its search, the other Python."""

    def __init__(self, args: argparse.Namespace, scratch: Path):
        config = read_json(args.run / "config.json")
        source, target = datasets.dataset(config)["languages"]
        places = [args.run / "data" / name for name in ("dev", *(f"test/{test}" for test in args.tests))]
        self.texts = [[read_lines(f"{place}.{language}") for language in (source, target)] for place in places]
        self.search = make(Search, config["search"], "search")
        self.tokenize = configuration.scores(config).get("tokenize", "13a")
        self.args, self.scratch, self.seed = args, scratch, args.run / f"seed-{args.seed}"

    def scores(self, translate: Callable[[list[str]], list[str]]) -> Scores:
        """BLEU of each text."""
        return [corpus_bleu(translate(lines), [right], tokenize=self.tokenize).score for lines, right in self.texts]

    def translated(self, model: Transformer, pieces: Pieces, weights: Weights) -> Scores:
        """BLEU of a model with these weights."""
        found = holding(model.config, {name: torch.from_numpy(value.copy()) for name, value in weights.items()})
        return self.scores(lambda lines: model_file.translate(found, pieces, lines, self.search))

    def coded(self, weights: Weights, codec: str, **options: object) -> tuple[int, Weights]:
        """Bytes that a peer stores, and the tensors that it decodes."""
        numbers = {name: str(i) for i, name in enumerate(weights)}
        save_file({numbers[name]: np.ascontiguousarray(x) for name, x in weights.items()}, self.scratch / "weights")
        if each := options.get("qp_per_tensor"):
            options["qp_per_tensor"] = {numbers[name]: qp for name, qp in each.items()}
        command = [self.args.peers, PEER, self.scratch / "weights", self.scratch, codec, json.dumps(options)]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        decoded = load_file(self.scratch / "decoded.safetensors")
        return (self.scratch / "stored").stat().st_size, {name: decoded[i] for name, i in numbers.items()}

    def nncodec(self, of: str, model: Transformer, pieces: Pieces, rest: int) -> Iterator[Line]:
        """Bitstreams of a model's weights."""
        weights = weights_of(model)
        for kind, dependent in (("uniform", False), ("dependent", True)):
            for qp in self.args.qp:
                size, found = self.coded(weights, "nncodec", qp=qp, nonweight_qp=VECTORS, use_dq=dependent)
                yield f"nncodec, {kind}, qp {qp}", of, size + rest, self.translated(model, pieces, found)

    def nncodec_levels(
        self, of: str, model: Transformer, pieces: Pieces, rest: int, codes: dict[str, Code]
    ) -> Iterator[Line]:
        """Bitstreams of a row's integers; matrices that have none, and they alone, have a qp."""
        parts = levels(codes)
        if all(x.dtype != np.int32 for x in parts.values()):
            return
        fine = {name: SCALES for name in parts if name not in codes}
        others = [name for name in codes if parts[name].dtype != np.int32 and parts[name].ndim > 1]
        for qp in self.args.qp if others else self.args.qp[:1]:
            options = {"qp": qp, "nonweight_qp": VECTORS, "qp_per_tensor": fine, "use_dq": True}
            size, found = self.coded(parts, "nncodec", **options)
            bleu = self.translated(model, pieces, from_levels(codes, found))
            yield "nncodec, levels" + (f", qp {qp} of others" if others else ""), of, size + rest, bleu

    def baseline(self) -> Iterator[Line]:
        """The uncompressed model, and every peer's form of it."""
        of = "baseline"
        model, data = checkpoint.load(self.seed / "checkpoint")
        pieces, weights, rest = Pieces(data), weights_of(model), beside(model, data)
        size = (self.seed / "checkpoint" / checkpoint.WEIGHTS).stat().st_size
        yield "float32, safetensors", of, size + rest, self.translated(model, pieces, weights)
        folder = self.scratch / "ctranslate2"
        exporting.write(folder, model, pieces, exporting.Options(to="ctranslate2", type="int8"))
        options = {key: getattr(self.search, key) for key in ("beam", "alpha", "max_ratio", "patience")}
        engine, binary = inference.Translator(folder), (folder / "model.bin").read_bytes()
        bleu = self.scores(lambda lines: engine.translate(lines, inference.Options(**options)))
        yield "CTranslate2, int8", of, len(binary) + rest, bleu
        yield "CTranslate2, int8, gzip -9", of, len(gzip.compress(binary, 9)) + rest, bleu
        for kind in BLOCKS:
            bleu = []
            if kind in ("Q8_0", "Q4_0"):
                found = {name: block_rounded(value, kind) for name, value in weights.items()}
                bleu = self.translated(model, pieces, found)
            yield f"GGUF, {kind}", of, block_bytes(weights, kind) + rest, bleu
        for bits in (4, 2):
            for optimizer in ("max", "HQQ"):
                size, found = self.coded(weights, "quanto", bits=bits, optimizer=optimizer)
                name = f"quanto, int{bits}, {optimizer}"
                yield name, of, size + rest, self.translated(model, pieces, found)
        yield from self.nncodec(of, model, pieces, rest)

    def row(self, row: str) -> Iterator[Line]:
        """A row's own file, and nncodec's of the same weights."""
        path = self.seed / row / "model.tzip"
        model, pieces, archive = model_file.restore(path)
        rest = beside(model, archive.vocabulary)
        yield OURS, row, path.stat().st_size, self.translated(model, pieces, weights_of(model))
        yield from self.nncodec_levels(row, model, pieces, rest, archive.codes)
        yield from self.nncodec(row, model, pieces, rest)


def verdicts(lines: list[Line], tolerance: float = 0.0) -> Iterator[str]:
    """For each of ours, the smallest peer of at least its BLEU less `tolerance`; then whether ours is, in each."""
    larger, least_bleu = [], "its BLEU" + (f" - {tolerance:g}" if tolerance else "")
    for _, row, size, bleu in (line for line in lines if line[0] == OURS):
        rivals = [line for line in lines if line[0] != OURS and line[3] and line[3][0] >= bleu[0] - tolerance]
        if not rivals:
            yield f"`{row}`: no peer has {least_bleu}."
            continue
        storage, of, least, _ = min(rivals, key=lambda line: line[2])
        smaller = least > size
        larger += [] if smaller else [f"`{row}`"]
        said = f"{'smaller' if smaller else 'NOT smaller'} than each peer of at least {least_bleu}"
        yield f"`{row}`: {said}; the smallest is {storage} of `{of}`, {least / size:.3f} times its bytes."
    where = f"not smaller at equal BLEU in {', '.join(larger)}" if larger else "smaller at equal BLEU in each"
    yield f"Ours is {where}."


def cells(line: Line, tests: bool) -> list[str]:
    """A line of the table: of the test sets, the mean."""
    storage, of, size, bleu = line
    shown = [bleu[0], *([np.mean(bleu[1:])] if tests else [])] if bleu else []
    return [storage, f"`{of}`", f"{size:,}", *(f"{x:.2f}" for x in shown), *["–"] * (1 + tests - len(shown))]


def write(path: Path, lines: list[Line], tests: list[str]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["storage", "weights_of", "bytes", "dev", *tests])
        writer.writerows([*line[:3], *line[3]] for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, as results/multi30k-frontier")
    parser.add_argument("--peers", type=Path, required=True, help="Python of the environment of benchmarks/codecs.txt")
    parser.add_argument("--rows", nargs="+", required=True, help="rows of ours")
    parser.add_argument("--tests", nargs="+", default=[], help="test sets to translate, too [none]")
    parser.add_argument("--qp", nargs="+", type=int, default=list(QP), help="nncodec's quantization parameters")
    parser.add_argument("--tolerance", type=float, default=0.0, help="BLEU below ours that counts as equal [0]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="the table, with each test set, as CSV")
    args = parser.parse_args()
    head = ["storage", "weights of", "bytes", "BLEU of dev", *(["mean BLEU of tests"] if args.tests else [])]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as scratch:
        comparison = Comparison(args, Path(scratch))
        for source in (comparison.baseline(), *map(comparison.row, args.rows)):
            for line in source:
                lines.append(line)
                print("| " + " | ".join(cells(line, bool(args.tests))) + " |", flush=True)
                if args.csv:
                    write(args.csv, lines, args.tests)
    print("\n" + "\n\n".join(verdicts(lines, args.tolerance)))


if __name__ == "__main__":
    main()
