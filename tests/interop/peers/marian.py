"""In transformers' environment: make, train and save a Marian model, and record what it does.

    python marian.py FOLDER UPDATES

FOLDER has train.en, train.de, test.en and test.de. Written there: model/ (safetensors), bin/ (a torch file),
record.json and logits.npz as by recording.py, with the greedy translations and the best of five beams.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from recording import lines, record
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

FOLDER, UPDATES = Path(sys.argv[1]), int(sys.argv[2])
SEARCH = {
    "do_sample": False,
    "length_penalty": 0.0,
    "early_stopping": True,
    "forced_eos_token_id": None,
    "max_new_tokens": 99,  # pieces of a translation, the end included
}


def vocabulary(folder: Path) -> int:
    """source.spm and target.spm as others train them, and vocab.json as OPUS-MT's converter orders it."""
    pieces: dict[str, int] = {"</s>": 0, "<unk>": 1}
    for side, text, size in (("source", "train.en", 600), ("target", "train.de", 700)):
        sentencepiece.SentencePieceTrainer.train(
            input=str(FOLDER / text), model_prefix=str(folder / side), vocab_size=size, minloglevel=2
        )
        (folder / f"{side}.vocab").unlink()
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        for i in range(3, len(model)):
            pieces.setdefault(model.id_to_piece(i), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    told = {"source_lang": "en", "target_lang": "de", "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return len(pieces)


def create(size: int) -> MarianMTModel:
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=size,
        decoder_vocab_size=size,
        d_model=128,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        activation_function="swish",
        max_position_embeddings=128,
        scale_embedding=True,
        dropout=0.0,
        pad_token_id=size - 1,
        decoder_start_token_id=size - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        init_std=0.05,
    )
    return MarianMTModel(config)


def train(model: MarianMTModel, tokenizer: MarianTokenizer) -> None:
    source, target = lines(FOLDER / "train.en"), lines(FOLDER / "train.de")
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda update: min((update + 1) / 100, (100 / (update + 1)) ** 0.5)
    )
    draw = np.random.default_rng(1)
    by_length = sorted(range(len(source)), key=lambda i: len(target[i]))
    model.train()
    for update in range(UPDATES):
        start = int(draw.integers(0, len(source) - 48))
        rows = by_length[start : start + 48]
        batch = tokenizer(
            [source[i] for i in rows], text_target=[target[i] for i in rows], padding=True, return_tensors="pt"
        )
        batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if update % 100 == 99:
            print(f"update {update + 1}: loss {loss.item():.3f}", flush=True)
    with torch.no_grad():  # OPUS-MT's models have one that is not 0
        model.final_logits_bias.normal_(std=0.1)
        model.final_logits_bias[0, -1] = 0.0
    model.eval()


def main() -> None:
    folder = FOLDER / "model"
    folder.mkdir()
    model = create(vocabulary(folder))
    tokenizer = MarianTokenizer.from_pretrained(folder)
    train(model, tokenizer)
    model.save_pretrained(folder)
    shutil.copytree(folder, FOLDER / "bin", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(model.state_dict(), FOLDER / "bin" / "pytorch_model.bin")
    given = SEARCH | {"bad_words_ids": [[tokenizer.pad_token_id]]}
    searches = {name: given | {"num_beams": beam} for name, beam in (("greedy", 1), ("beam", 5))}
    record(model, tokenizer, FOLDER, FOLDER, searches)


main()
