"""In transformers' environment: what a Marian model does, recorded for our tests."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import MarianMTModel, MarianTokenizer

LOGITS = 50  # sentences


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def record(model: MarianMTModel, tokenizer: MarianTokenizer, texts: Path, out: Path, searches: dict[str, dict]) -> None:
    """Write record.json and logits.npz to `out`, of test.en and test.de in `texts`.

    record.json  pieces: those of the target by their ids; source, target: the pieces of each sentence; by the
                 name of each search, which is what `generate` is given: the pieces and the text of each
                 translation
    logits.npz   of the first sentences, teacher-forced: [T, V] by the sentence's number
    """
    text = lines(texts / "test.en")
    sources = tokenizer(text)["input_ids"]
    targets = tokenizer(text_target=lines(texts / "test.de"))["input_ids"]
    names = {number: piece for piece, number in tokenizer.encoder.items()}
    found = {
        "pieces": [tokenizer.decoder[i] for i in range(len(tokenizer.decoder))],
        "source": [[names[i] for i in ids[:-1]] for ids in sources],
        "target": [pieces_of(tokenizer, ids) for ids in targets],
        **{name: translate(model, tokenizer, text, given) for name, given in searches.items()},
    }
    start = model.config.decoder_start_token_id
    with torch.inference_mode():
        logits = {
            str(i): model(torch.tensor([sources[i]]), decoder_input_ids=torch.tensor([[start, *targets[i][:-1]]]))
            .logits[0]
            .numpy()
            for i in range(LOGITS)
        }
    np.savez(out / "logits.npz", **logits)
    (out / "record.json").write_text(json.dumps(found), encoding="utf-8")


def pieces_of(tokenizer: MarianTokenizer, ids: list[int]) -> list[str]:
    """The pieces of the target, without what begins, ends and pads."""
    found = [i for i in ids if i != tokenizer.pad_token_id]
    found = found[: found.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in found else found
    return [tokenizer.decoder[i] for i in found]


@torch.inference_mode()
def translate(model: MarianMTModel, tokenizer: MarianTokenizer, text: list[str], given: dict) -> list[dict]:
    done = []
    for start in range(0, len(text), 50):
        batch = tokenizer(text[start : start + 50], padding=True, return_tensors="pt")
        found = model.generate(**batch, **given)
        said = tokenizer.batch_decode(found, skip_special_tokens=True)
        done += [
            {"pieces": pieces_of(tokenizer, row[1:]), "text": one}
            for row, one in zip(found.tolist(), said, strict=True)
        ]
    return done
