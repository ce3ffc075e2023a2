"""Peak memory of tzip import and tzip compress against the size of the model's weights in float32.

    python benchmarks/footprint.py

The model is a random one of NLLB's form, about 60 million weights by default, of which 40 % are embeddings as in
NLLB-200 of 600 million. Memory is the largest resident set of the command's process, less that of the same command
on a model of a few weights: what the interpreter and its libraries take.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file

from tzip.exchange.importers.m2m100 import FAIRSEQ
from tzip.nmt import checkpoint

LANGUAGES = ["eng_Latn", "deu_Latn"]
TEXT = [f"the {a} {b} sees {c}" for a in ("old", "new") for b in ("man", "dog", "cat") for c in ("it", "us", "him")]
COMPRESSIONS = {
    "compress": (),
    "compress, uniform 8 bits": ("--quantize", "uniform:bits=8", "--scope", "all"),
    "compress, k-means 4 bits": ("--quantize", "kmeans:bits=4", "--scope", "all"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=512, help="of the model [512]")
    parser.add_argument("--pieces", type=int, default=48000, help="of the vocabulary [48000]")
    parser.add_argument("--layers", type=int, default=5, help="of encoder and of decoder [5]")
    parser.add_argument(
        "--type", default="float32", choices=("float32", "float16"), help="that it is saved in [float32]"
    )
    parser.add_argument("--file", default="safetensors", choices=("safetensors", "bin"), help="of the weights")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, whole = Path(folder, "small"), Path(folder, "whole")
        write(small, 16, 200, 1, args.type, args.file)
        write(whole, args.width, args.pieces, args.layers, args.type, args.file)
        base, peaks = steps(small), steps(whole)
        size = 4 * sum(x.numel() for x in checkpoint.load(whole / "checkpoint")[0].parameters()) / 2**20
    print(f"{size / 4 * 2**20 / 1e6:.1f} million weights, {size:.0f} MB in float32")
    for name in peaks:
        more = peaks[name] - base[name]
        print(
            f"{name:<28}{peaks[name]:>7,.0f} MB, {more:>6,.0f} MB more than for a small model: {more / size:.2f} times"
        )


def write(folder: Path, width: int, count: int, layers: int, kind: str, file: str) -> None:
    """A random model of so many pieces in a folder as NLLB is published."""
    folder.mkdir()
    data = io.BytesIO()
    lines = iter(TEXT * 3)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=data, model_type="bpe", vocab_size=60, minloglevel=2
    )
    (folder / "sentencepiece.bpe.model").write_bytes(data.getvalue())
    model = sentencepiece.SentencePieceProcessor(model_proto=data.getvalue())
    known = [*FAIRSEQ, *(model.id_to_piece(i) for i in range(3, len(model)))]
    added = [*(f"piece{i}" for i in range(count - len(known) - len(LANGUAGES))), *LANGUAGES]
    tokens = [{"id": len(known) + i, "content": piece} for i, piece in enumerate(added)]
    vocab = {piece: i for i, piece in enumerate(known)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocab}, "added_tokens": tokens}))
    config = {"model_type": "m2m_100", "vocab_size": count, "d_model": width, "scale_embedding": True}
    config |= {"activation_function": "relu", "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    for stack in ("encoder", "decoder"):
        sizes = {"layers": layers, "ffn_dim": 4 * width, "attention_heads": 4}
        config |= {f"{stack}_{name}": value for name, value in sizes.items()}
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 256}))
    torch.manual_seed(1)
    state = {name: (torch.randn(shape) / width**0.5).to(getattr(torch, kind)) for name, shape in shapes(config)}
    if file == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        save_file(state, folder / "model.safetensors")


def shapes(config: dict) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the model's tensors as transformers has them."""
    width, inner = config["d_model"], config["encoder_ffn_dim"]
    result: list[tuple[str, tuple[int, ...]]] = [("model.shared.weight", (config["vocab_size"], width))]
    for stack, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for i in range(config["encoder_layers"]):
            linear = {f"{one}.{part}_proj": (width, width) for one in attentions for part in ("q", "k", "v", "out")}
            linear |= {"fc1": (inner, width), "fc2": (width, inner)}
            norms = [f"{one}_layer_norm" for one in attentions] + ["final_layer_norm"]
            for name, shape in (linear | dict.fromkeys(norms, (width,))).items():
                at = f"model.{stack}.layers.{i}.{name}"
                result += [(f"{at}.weight", shape), (f"{at}.bias", shape[:1])]
        result += [(f"model.{stack}.layer_norm.{part}", (width,)) for part in ("weight", "bias")]
    return result


def steps(folder: Path) -> dict[str, float]:
    """The peak memory of each command, in MB."""
    languages = ("--source-language", LANGUAGES[0], "--target-language", LANGUAGES[1])
    peaks = {"import": peak("import", folder, folder / "checkpoint", *languages)}
    for i, (name, options) in enumerate(COMPRESSIONS.items()):
        peaks[name] = peak("compress", folder / "checkpoint", folder / f"{i}.tzip", "--threads", 1, *options)
    return peaks


def peak(*arguments: object) -> float:
    """Run a command of tzip; the largest resident memory of its process, in MB."""
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "tzip", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            raise SystemExit(f"{arguments[0]}: {said.read()[-2000:]}")
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
