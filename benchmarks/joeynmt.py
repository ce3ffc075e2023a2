"""Target tokens per second of JoeyNMT's own training loop on a CPU: the peer in `benchmarks/training.py`.

Run by the Python of the environment that benchmarks/peers.txt describes:

    python benchmarks/joeynmt.py --train data/train --dev data/dev --languages en de --pieces pieces.model \
        --work build/joeynmt

It writes JoeyNMT's YAML and vocabulary into the work folder, starts `python -m joeynmt train` in this
process with an observer on the trainer, and prints one JSON object; JoeyNMT's log goes to stderr.

What is counted: `batch.ntokens`, the target pieces to predict, END included, BEGIN and padding not. It is
what JoeyNMT's "Tokens per Sec" counts (joeynmt/batch.py); here it is counted again with the SentencePiece
model from the text of each batch, and must agree. What is timed: the wall clock between the end of the last
warm-up update and the end of the last update, reading and tokenizing included.

What the batch budget means (joeynmt/datasets.py, TokenBatchSampler): pairs are taken in random order, without
bucketing, until rows × longest row ≥ budget, a row's length being the larger of its source's and its target's
pieces, END included. So a batch reaches the budget or passes it by less than a row, padding included.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

# This file is called what it measures: without this line `import joeynmt` would find it, not the package.
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", required=True, metavar="PREFIX", help="training text: PREFIX.en, PREFIX.de")
    parser.add_argument("--dev", required=True, metavar="PREFIX", help="development text; never translated")
    parser.add_argument("--languages", nargs=2, default=("en", "de"), metavar=("SOURCE", "TARGET"))
    parser.add_argument("--pieces", required=True, type=Path, metavar="FILE", help="SentencePiece model of both")
    parser.add_argument("--work", required=True, type=Path, metavar="DIR", help="DIR/model is overwritten")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=4096, help="budget of a batch (see above)")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--updates", type=int, default=40, help="warm-up included")
    parser.add_argument("--warm-up", type=int, default=5, help="first updates, not timed")
    args = parser.parse_args()
    if not 0 < args.warm_up < args.updates:
        raise ValueError(f"--warm-up {args.warm_up} is not between 1 and --updates {args.updates} - 1")
    return args


def lines(prefix: str, language: str) -> list[str]:
    """The text as JoeyNMT reads it; ValueError on a blank line, which it would drop on one side alone."""
    text = Path(f"{prefix}.{language}").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(text, 1):
        if not line.strip():
            raise ValueError(f"{prefix}.{language}:{number}: a blank line")
    return text


def configuration(args: argparse.Namespace, pieces: Any) -> dict:
    """JoeyNMT's YAML as a dict, of the `small` preset; writes the vocabulary file it names, one piece per line."""
    vocabulary = args.work.resolve() / "vocabulary.txt"
    names = [pieces.id_to_piece(i) for i in range(len(pieces))]
    vocabulary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    ids = {"unk": pieces.unk_id(), "pad": pieces.pad_id(), "bos": pieces.bos_id(), "eos": pieces.eos_id()}
    for name, i in ids.items():
        if i < 0:
            raise ValueError(f"{args.pieces}: has no {name} piece")

    def side(language: str) -> dict:
        return {
            "lang": language,
            "level": "bpe",
            "voc_file": str(vocabulary),
            "tokenizer_type": "sentencepiece",
            "tokenizer_cfg": {"model_file": str(args.pieces.resolve())},
        }

    stack = {
        "type": "transformer",
        "num_layers": 3,
        "num_heads": 4,
        "hidden_size": 256,
        "ff_size": 1024,
        "dropout": args.dropout,
        "layer_norm": "post",
        "embeddings": {"embedding_dim": 256, "scale": True, "dropout": args.dropout},
    }
    return {
        "name": "benchmark",
        "joeynmt_version": "2.3.0",
        "model_dir": str(args.work.resolve() / "model"),
        "use_cuda": False,
        "fp16": False,
        "random_seed": 1,
        "data": {
            "train": str(Path(args.train).resolve()),
            "dev": str(Path(args.dev).resolve()),
            "dataset_type": "plain",
            "src": side(args.languages[0]),
            "trg": side(args.languages[1]),
            # JoeyNMT numbers the special pieces itself (unknown 0, padding 1, begin 2, end 3) and finds every
            # piece by its name, so that the vocabulary is as large as ours whatever the model's numbers are.
            "special_symbols": {f"{name}_token": names[i] for name, i in ids.items()},
        },
        "testing": {"batch_size": args.batch_tokens, "batch_type": "token"},
        "training": {
            "optimizer": "adam",
            "scheduling": "warmupinversesquareroot",  # it does not start without one
            "learning_rate": 0.0005,
            "learning_rate_min": 0.0,
            "label_smoothing": 0.1,
            "normalization": "tokens",
            "batch_size": args.batch_tokens,
            "batch_type": "token",
            "epochs": args.updates,
            "updates": args.updates,
            "logging_freq": 1,  # one figure per update: the observer's clock
            "validation_freq": args.updates + 1,  # never
            "overwrite": True,
        },
        "model": {"tied_embeddings": True, "tied_softmax": True, "encoder": stack, "decoder": stack},
    }


def observe(config_path: Path, threads: int) -> tuple[list[dict], dict]:
    """Run `joeynmt train`; what it trained on and when each update ended, and facts of the model."""
    import torch
    from joeynmt import __main__ as entry
    from joeynmt import training

    torch.set_num_threads(threads)
    updates: list[dict] = []
    model: dict[str, int] = {}

    class Observed(training.TrainManager):
        def _train_step(self, batch):
            updates.append({"pairs": batch.indices.tolist(), "target_tokens": batch.ntokens})
            return super()._train_step(batch)

        def _log_scores(self, epoch_no, elapsed_time, start_tokens, *rest):
            # JoeyNMT calls this after each update (logging_freq 1)
            counted = self.stats.total_tokens - start_tokens
            updates[-1] |= {"end": time.perf_counter(), "own_tokens": counted}
            model["parameters"] = sum(p.numel() for p in self.model.parameters())
            model["vocabulary"] = len(self.model.trg_vocab)
            super()._log_scores(epoch_no, elapsed_time, start_tokens, *rest)

    training.TrainManager = Observed
    sys.argv = ["joeynmt", "train", str(config_path), "--skip-test"]
    entry.main()
    return updates, model


def check(updates: list[dict], model: dict, target: list[str], pieces: Any) -> None:
    """JoeyNMT's counts against our own, from the text; ValueError where they differ."""
    if model["vocabulary"] != len(pieces):
        raise ValueError(f"JoeyNMT has a vocabulary of {model['vocabulary']} pieces, not {len(pieces)}")
    for number, update in enumerate(updates, 1):
        counted = sum(len(ids) + 1 for ids in pieces.encode([target[i] for i in update["pairs"]]))
        if not counted == update["target_tokens"] == update["own_tokens"]:
            reported = update["own_tokens"]
            raise ValueError(f"update {number}: JoeyNMT counts {reported} target tokens, its text has {counted}")


def summary(args: argparse.Namespace, updates: list[dict], model: dict) -> dict:
    """Speed over the updates after the warm-up."""
    tokens = sum(update["target_tokens"] for update in updates[args.warm_up :])
    seconds = updates[-1]["end"] - updates[args.warm_up - 1]["end"]
    return {
        "system": "JoeyNMT 2.3.0",
        "target_tokens_per_second": round(tokens / seconds, 2),
        "updates": len(updates) - args.warm_up,
        "warm_up": args.warm_up,
        "tokens": tokens,
        "seconds": round(seconds, 3),
        "batch_tokens": args.batch_tokens,
        "dropout": args.dropout,
        "threads": args.threads,
        **model,
    }


def main() -> None:
    args = arguments()
    import sentencepiece

    for prefix in (args.train, args.dev):
        text = [lines(prefix, language) for language in args.languages]
        if len(text[0]) != len(text[1]):
            raise ValueError(f"{prefix}: {len(text[0])} lines in one language, {len(text[1])} in the other")
        if prefix == args.train:
            target = text[1]
    if not args.pieces.is_file():
        raise ValueError(f"{args.pieces}: no such file")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(args.pieces))
    args.work.mkdir(parents=True, exist_ok=True)
    config_path = args.work / "config.yaml"
    as_yaml = json.dumps(configuration(args, pieces), indent=1)  # JSON is YAML
    config_path.write_text(as_yaml, encoding="utf-8")
    updates, model = observe(config_path, args.threads)
    check(updates, model, target, pieces)
    print(json.dumps(summary(args, updates, model), indent=1))


if __name__ == "__main__":
    try:
        main()
    except ImportError as error:
        sys.exit(f"error: {error}: run this with the Python of the environment in benchmarks/peers.txt")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
