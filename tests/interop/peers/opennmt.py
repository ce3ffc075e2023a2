"""In an OpenNMT-py environment, 1.0 or 3.x: train a model by its own commands, and record what it does.

    python opennmt.py FOLDER UPDATES

FOLDER has train, dev and test of .en and .de. Written there: model.pt, average.pt (of 1.0), sp.model,
record.json and logits.npz as by recording.py.
"""

import argparse
import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onmt
import sentencepiece
import torch

FOLDER, UPDATES = Path(sys.argv[1]), int(sys.argv[2])
OLD = onmt.__version__.startswith("1.")
LOGITS = 50  # sentences
LONGEST = 99  # pieces of a translation
FORM = {
    "encoder_type": "transformer",
    "decoder_type": "transformer",
    "position_encoding": True,
    "enc_layers": 2,
    "dec_layers": 2,
    "word_vec_size": 128,
    "transformer_ff": 256,
    "heads": 4,
    "dropout": [0.0],
    "attention_dropout": [0.0],
}
TRAINING = {
    "train_steps": UPDATES,
    "valid_steps": UPDATES,
    "save_checkpoint_steps": UPDATES // 2,
    "batch_size": 1500,
    "batch_type": "tokens",
    "normalization": "tokens",
    "optim": "adam",
    "adam_beta2": 0.98,
    "decay_method": "noam",
    "warmup_steps": 100,
    "learning_rate": 0.25,
    "max_grad_norm": 0,
    "param_init": 0,
    "param_init_glorot": True,
    "label_smoothing": 0.0,
    "seed": 1,
    "save_model": "./m",
}
# OpenNMT-py's commands by their modules, with torch as it was for them: what it loads is trusted, and whole
# numbers divided into whole numbers are rounded down.
RUN = """
import functools, importlib, sys, torch
divide = torch.div
torch.load = functools.partial(torch.load, weights_only=False)
torch.div = lambda a, b, rounding_mode=None, out=None: divide(
    a, b, rounding_mode=rounding_mode if out is None or out.is_floating_point() else "floor", out=out
)
importlib.import_module("onmt.bin." + sys.argv.pop(1)).main()
"""


def run(tool: str, *arguments: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", RUN, tool, *arguments]
    done = subprocess.run(command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    print("\n".join(line for line in done.stdout.splitlines() if "Step" in line or "perplexity" in line), flush=True)


def flags(settings: dict) -> list[str]:
    """Options as the commands take them: a true one without its value."""
    made = []
    for key, value in settings.items():
        value = value[0] if isinstance(value, list) else value
        made += [f"-{key}"] if value is True else [f"-{key}", str(value)]
    return made


def cut() -> None:
    """sp.model of both languages, and each text cut by it."""
    sentencepiece.SentencePieceTrainer.train(
        input=[str(FOLDER / f"train.{end}") for end in ("en", "de")],
        model_prefix=str(FOLDER / "sp"),
        vocab_size=1500,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "sp.model"))
    for name in ("train", "dev", "test"):
        for end in ("en", "de"):
            text = (FOLDER / f"{name}.{end}").read_text(encoding="utf-8").splitlines()
            rows = [" ".join(row) for row in model.encode(text, out_type=str)]
            (FOLDER / f"{name}.sp.{end}").write_text("\n".join(rows) + "\n", encoding="utf-8")


def train_old() -> None:
    """1.0: one vocabulary, all three embeddings tied; the last two checkpoints are averaged, too."""
    texts = {"train_src": "train.sp.en", "train_tgt": "train.sp.de", "valid_src": "dev.sp.en", "valid_tgt": "dev.sp.de"}
    run("preprocess", *flags(texts | {"save_data": "./d", "share_vocab": True}))
    tied = {"share_embeddings": True, "share_decoder_embeddings": True, "rnn_size": 128, "data": "./d"}
    run("train", *flags(FORM | TRAINING | tied))
    both = [f"m_step_{step}.pt" for step in (UPDATES // 2, UPDATES)]
    run("average_models", "-models", *both, "-output", "average.pt")


def train_new() -> None:
    """3.x: two vocabularies, nothing tied."""
    data = {
        "corpus_1": {"path_src": "train.sp.en", "path_tgt": "train.sp.de"},
        "valid": {"path_src": "dev.sp.en", "path_tgt": "dev.sp.de"},
    }
    files = {"save_data": "./d", "src_vocab": "./vocab.src", "tgt_vocab": "./vocab.tgt", "data": data}
    own = {"hidden_size": 128, "num_workers": 0, "bucket_size": 4000}
    (FOLDER / "c.yaml").write_text(json.dumps(files | FORM | TRAINING | own))  # JSON is YAML
    run("build_vocab", "-config", "c.yaml", "-n_sample", "-1")
    run("train", "-config", "c.yaml")


def translate(beam: int) -> list[dict]:
    files = {"model": "model.pt", "src": "test.sp.en", "output": f"beam-{beam}"}
    options = {"beam_size": beam, "max_length": LONGEST, "batch_size": 50, "length_penalty": "none"}
    run("translate", *flags(files | options))
    model = sentencepiece.SentencePieceProcessor(model_file=str(FOLDER / "sp.model"))
    rows = (FOLDER / f"beam-{beam}").read_text(encoding="utf-8").split("\n")[:-1]
    return [{"pieces": row.split(), "text": model.decode(row.split())} for row in rows]


@torch.inference_mode()
def logits(sources: list[list[str]], targets: list[list[str]]) -> tuple[dict, dict]:
    """The pieces of both sides by their ids, and the logits of the first sentences."""
    from onmt.model_builder import load_test_model

    torch.load = functools.partial(torch.load, weights_only=False)
    opt = argparse.Namespace(models=[str(FOLDER / "model.pt")], gpu=-1, fp32=False, int8=False, data_type="text")
    vocabs, model, _ = load_test_model(opt, str(FOLDER / "model.pt"))
    sides = [vocabs[side].base_field.vocab.itos if OLD else vocabs[side].ids_to_tokens for side in ("src", "tgt")]
    numbers = [{piece: i for i, piece in enumerate(side)} for side in sides]
    found = {}
    for i in range(LOGITS):
        unknown = [side["<unk>"] for side in numbers]
        source = torch.tensor([numbers[0].get(piece, unknown[0]) for piece in sources[i]])
        whole = ["<s>", *targets[i], "</s>"]
        target = torch.tensor([numbers[1].get(piece, unknown[1]) for piece in whole])
        shape = (-1, 1, 1) if OLD else (1, -1, 1)
        states, _ = model(source.view(shape), target.view(shape), torch.tensor([len(source)]))
        layer = model.generator[0] if OLD else model.generator
        found[str(i)] = layer(states).reshape(len(target) - 1, -1).numpy()
    return {"pieces_source": sides[0], "pieces_target": sides[1]}, found


def main() -> None:
    cut()
    (train_old if OLD else train_new)()
    (FOLDER / f"m_step_{UPDATES}.pt").rename(FOLDER / "model.pt")
    texts = {}
    for side, end in (("source", "en"), ("target", "de")):
        rows = (FOLDER / f"test.sp.{end}").read_text(encoding="utf-8").split("\n")[:-1]
        texts[side] = [row.split() for row in rows]
    pieces, found = logits(texts["source"], texts["target"])
    np.savez(FOLDER / "logits.npz", **found)
    record = texts | pieces | {"greedy": translate(1), "beam": translate(5)}
    (FOLDER / "record.json").write_text(json.dumps(record), encoding="utf-8")


main()
