"""Peak memory of tzip import and tzip compress against the size of the model's weights in float32.

    python benchmarks/footprint.py

The model is a random one of NLLB's form, about 60 million weights by default, of which 40 % are embeddings as in
NLLB-200 of 600 million. A process does each step on a model of a few weights first; memory is by how much its
resident set is larger at most while it then does the same with the whole model. For Linux, which tells that.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


# A process's arguments are two commands of tzip, one after the other; it prints the memory of the second, in kB.
RUN = """
import json, re, sys
from pathlib import Path
from tzip import cli

def memory(key):
    return int(re.search(rf"{key}:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

commands = [json.loads(text) for text in sys.argv[1:]]
for words in commands:
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    sys.argv = ["tzip", *words]
    cli.main()
print(memory("VmHWM") - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=512, help="of the model [512]")
    parser.add_argument("--pieces", type=int, default=48000, help="of the vocabulary [48000]")
    parser.add_argument("--layers", type=int, default=5, help="of encoder and of decoder [5]")
    parser.add_argument("--type", default="float32", choices=("float32", "float16"), help="in the file [float32]")
    parser.add_argument("--file", default="safetensors", choices=("safetensors", "bin"), help="of the weights")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"width": args.width, "count": args.pieces, "layers": args.layers}
        weights, peaks = measured(Path(folder), **sizes, kind=args.type, file=args.file)
    print(f"{weights / 1e6:.1f} million weights, {4 * weights / 1e6:.0f} MB in float32")
    for name, size in peaks.items():
        print(f"{name:<28}{size / 1e6:>7,.0f} MB at most, {size / (4 * weights):.2f} times the weights")


def measured(
    folder: Path,
    width: int,
    count: int,
    layers: int,
    kind: str = "float32",
    file: str = "safetensors",
    compressions: Mapping[str, tuple[str, ...]] = COMPRESSIONS,
) -> tuple[int, dict[str, float]]:
    """The number of weights, and the memory in bytes that each step takes at most."""
    small, whole = folder / "small", folder / "whole"
    write(small, 16, 200, 1, kind, file)
    write(whole, width, count, layers, kind, file)
    languages = ("--source-language", LANGUAGES[0], "--target-language", LANGUAGES[1])
    steps = {"import": ("import", "", "checkpoint", *languages)}
    for i, (name, options) in enumerate(compressions.items()):
        steps[name] = ("compress", "checkpoint", f"{i}.tzip", "--threads", "1", *options)
    peaks = {}
    for name, (command, source, output, *options) in steps.items():
        both = [json.dumps([command, str(place / source), str(place / output), *options]) for place in (small, whole)]
        done = subprocess.run([sys.executable, "-c", RUN, *both], text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        peaks[name] = 1024 * float(done.stdout.splitlines()[-1])
    weights = sum(parameter.numel() for parameter in checkpoint.load(whole / "checkpoint")[0].parameters())
    return weights, peaks


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


if __name__ == "__main__":
    main()
