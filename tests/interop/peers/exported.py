"""In transformers' environment: open a folder that tzip exported, and record what it does.

    python exported.py MODEL TEXTS OUT

TEXTS has test.en and test.de. Written to OUT: record.json (the pieces by their ids; of each test sentence the
pieces of both sides, the greedy translation, the best of five beams without a penalty of length, and what the
model's own settings find), logits.npz (of the first sentences, teacher-forced).
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MarianMTModel, MarianTokenizer

MODEL, TEXTS, OUT = map(Path, sys.argv[1:])
LOGITS = 50  # sentences
SEARCHES = {"greedy": {"num_beams": 1}, "beam": {"length_penalty": 0.0}, "own": {}}


def lines(name: str) -> list[str]:
    return (TEXTS / name).read_text(encoding="utf-8").splitlines()


def opened() -> tuple[MarianMTModel, MarianTokenizer]:
    """The folder by both names that users call, which must find the same and miss nothing."""
    model, told = MarianMTModel.from_pretrained(MODEL, output_loading_info=True)
    assert not any(told.values()), told
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(MODEL), MarianMTModel)
    tokenizer = MarianTokenizer.from_pretrained(MODEL)
    assert isinstance(AutoTokenizer.from_pretrained(MODEL), MarianTokenizer)
    return model.eval(), tokenizer


def pieces_of(tokenizer: MarianTokenizer, ids: list[int]) -> list[str]:
    """The pieces, without what begins, ends and pads."""
    found = [i for i in ids if i != tokenizer.pad_token_id]
    found = found[: found.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in found else found
    return [tokenizer.decoder[i] for i in found]


@torch.inference_mode()
def translate(model: MarianMTModel, tokenizer: MarianTokenizer, given: dict) -> list[dict]:
    done = []
    for start in range(0, len(lines("test.en")), 50):
        batch = tokenizer(lines("test.en")[start : start + 50], padding=True, return_tensors="pt")
        found = model.generate(**batch, **given)
        texts = tokenizer.batch_decode(found, skip_special_tokens=True)
        done += [
            {"pieces": pieces_of(tokenizer, row[1:]), "text": text}
            for row, text in zip(found.tolist(), texts, strict=True)
        ]
    return done


def main() -> None:
    model, tokenizer = opened()
    sources = tokenizer(lines("test.en"))["input_ids"]
    targets = tokenizer(text_target=lines("test.de"))["input_ids"]
    record = {"pieces": [tokenizer.decoder[i] for i in range(len(tokenizer.decoder))]}
    names = {number: piece for piece, number in tokenizer.encoder.items()}
    record["source"] = [[names[i] for i in ids[:-1]] for ids in sources]
    record["target"] = [pieces_of(tokenizer, ids) for ids in targets]
    record |= {name: translate(model, tokenizer, given) for name, given in SEARCHES.items()}
    start = model.config.decoder_start_token_id
    with torch.inference_mode():
        logits = {
            str(i): model(
                torch.tensor([sources[i]]), decoder_input_ids=torch.tensor([[start, *targets[i][:-1]]])
            ).logits[0].numpy()
            for i in range(LOGITS)
        }  # fmt: skip
    np.savez(OUT / "logits.npz", **logits)
    (OUT / "record.json").write_text(json.dumps(record), encoding="utf-8")


main()
