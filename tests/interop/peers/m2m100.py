"""In transformers' environment: make M2M-100 and NLLB models, and record what they do.

    python m2m100.py FOLDER UPDATES

FOLDER has train, test of .en and .de. Written there, each with record.json and logits-LANGUAGE.npz:
  m2m100/  a model with vocab.json, trained in both directions
  nllb/    a random one in parts, with tokenizer.json
  many/    a random Marian model of two target languages, with its record of pieces alone
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from recording import lines
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    NllbTokenizer,
    PreTrainedTokenizerBase,
)

FOLDER, UPDATES = Path(sys.argv[1]), int(sys.argv[2])
SENTENCES, LOGITS, LONGEST = 200, 50, 79  # LONGEST: pieces of a translation, its language and its end included
SEARCH = {"do_sample": False, "length_penalty": 0.0, "early_stopping": True, "max_new_tokens": LONGEST}
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]
LANGUAGES = {"m2m100": {"en": "en", "de": "de"}, "nllb": {"en": "eng_Latn", "de": "deu_Latn"}}
CODED = [">>fra<< The child reads.", ">>deu<<The child reads.", ">>deu<< The child reads.", "The child >>deu<<"]


def cut(folder: Path) -> list[str]:
    """The SentencePiece model of both languages, as published ones are trained; its pieces."""
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        input=[str(FOLDER / f"train.{end}") for end in ("en", "de")],
        model_prefix=str(folder / "sp"),
        model_type="bpe",
        vocab_size=700,
        minloglevel=2,
    )
    (folder / "sp.vocab").unlink()
    (folder / "sp.model").rename(folder / "sentencepiece.bpe.model")
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    return [model.id_to_piece(i) for i in range(3, len(model))]


def create(size: int, **given: Any) -> M2M100ForConditionalGeneration:
    torch.manual_seed(1)
    sizes = {"d_model": 64, "vocab_size": size, "max_position_embeddings": 100, "dropout": 0.0}
    for stack in ("encoder", "decoder"):
        sizes |= {f"{stack}_layers": 2, f"{stack}_ffn_dim": 128, f"{stack}_attention_heads": 4}
        sizes |= {f"{stack}_layerdrop": 0.0}
    return M2M100ForConditionalGeneration(M2M100Config(**sizes | {"attention_dropout": 0.0} | given)).eval()


def train(model: M2M100ForConditionalGeneration, tokenizer: M2M100Tokenizer) -> None:
    """Both directions, one batch of each at every update."""
    texts = {end: lines(FOLDER / f"train.{end}") for end in ("en", "de")}
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda update: min((update + 1) / 100, (100 / (update + 1)) ** 0.5)
    )
    draw = np.random.default_rng(1)
    by_length = sorted(range(len(texts["en"])), key=lambda i: len(texts["de"][i]))
    model.train()
    for _ in range(UPDATES):
        for source, target in (("en", "de"), ("de", "en")):
            start = int(draw.integers(0, len(by_length) - 32))
            rows = by_length[start : start + 32]
            tokenizer.src_lang, tokenizer.tgt_lang = source, target
            given, wanted = ([texts[end][i] for i in rows] for end in (source, target))
            batch = tokenizer(given, text_target=wanted, padding=True, return_tensors="pt")
            batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
            model(**batch).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()


@torch.inference_mode()
def record(
    model: M2M100ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, folder: Path, kind: str, **given: Any
) -> None:
    """Write what the model does in both directions to its folder."""
    result: dict[str, Any] = {"pieces": tokenizer.convert_ids_to_tokens(list(range(len_of(tokenizer))))}
    for source, target in (("en", "de"), ("de", "en")):
        tokenizer.src_lang, tokenizer.tgt_lang = LANGUAGES[kind][source], LANGUAGES[kind][target]
        texts = [lines(FOLDER / f"test.{end}")[:SENTENCES] for end in (source, target)]
        rows = tokenizer(texts[0], text_target=texts[1])
        found = {"source": rows["input_ids"], "target": rows["labels"]}
        first = tokenizer.convert_tokens_to_ids(result["pieces"][rows["labels"][0][0]])
        for name, beams in (("greedy", 1), ("beam", 4)):
            found[name] = []
            for start in range(0, SENTENCES, 50):
                batch = tokenizer(texts[0][start : start + 50], padding=True, return_tensors="pt")
                ids = model.generate(**batch, forced_bos_token_id=first, num_beams=beams, **SEARCH | given)
                said = tokenizer.batch_decode(ids, skip_special_tokens=True)
                found[name] += [{"ids": row, "text": text} for row, text in zip(ids.tolist(), said, strict=True)]
        result[target] = found
        logits = {}
        for i in range(LOGITS):
            decoded = torch.tensor([[model.config.decoder_start_token_id, *rows["labels"][i][:-1]]])
            logits[str(i)] = model(torch.tensor([rows["input_ids"][i]]), decoder_input_ids=decoded).logits[0].numpy()
        np.savez(folder / f"logits-{target}.npz", **logits)
    (folder / "record.json").write_text(json.dumps(result), encoding="utf-8")


def len_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The pieces, languages included."""
    if isinstance(tokenizer, M2M100Tokenizer):
        return tokenizer.encoder_size + len(tokenizer.lang_code_to_id)
    return len(tokenizer)


def m2m100(folder: Path) -> None:
    """As published: its languages are not in vocab.json, eight rows of the embeddings stand for no piece."""
    pieces = cut(folder)
    ids = {piece: i for i, piece in enumerate([*FAIRSEQ, *pieces])}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    tokenizer = M2M100Tokenizer.from_pretrained(folder, src_lang="en", tgt_lang="de")
    model = create(len_of(tokenizer) + 8)
    train(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    record(model, tokenizer, folder, "m2m100")


def nllb(folder: Path) -> None:
    """As published: fairseq's numbers in tokenizer.json, languages after the pieces; in parts; not trained."""
    cut(folder)
    added = ["ace_Latn", "deu_Latn", "eng_Latn", "zul_Latn"]
    tokenizer = NllbTokenizer.from_pretrained(folder, extra_special_tokens=added, src_lang="eng_Latn")
    model = create(len_of(tokenizer), init_std=0.3)
    model.save_pretrained(folder, max_shard_size="300KB")
    tokenizer.save_pretrained(folder)
    record(model, tokenizer, folder, "nllb", bad_words_ids=[[tokenizer.pad_token_id]])


def many(folder: Path) -> None:
    """A Marian model of many languages: what its tokenizer makes of lines that name one."""
    pieces = cut(folder)
    (folder / "sentencepiece.bpe.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    names = ["</s>", "<unk>", *pieces, ">>deu<<", ">>fra<<", "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(names)}), encoding="utf-8")
    tokenizer = MarianTokenizer.from_pretrained(folder)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    sizes |= {"vocab_size": len(names), "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"pad_token_id": len(names) - 1, "decoder_start_token_id": len(names) - 1, "scale_embedding": True}
    MarianMTModel(MarianConfig(**sizes)).save_pretrained(folder)
    rows = [[names[i] for i in row] for row in tokenizer(CODED)["input_ids"]]
    (folder / "record.json").write_text(json.dumps({"lines": CODED, "pieces": rows}), encoding="utf-8")


m2m100(FOLDER / "m2m100")
nllb(FOLDER / "nllb")
many(FOLDER / "many")
