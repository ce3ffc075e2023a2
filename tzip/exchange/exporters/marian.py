"""A folder of Hugging Face's MarianMTModel and MarianTokenizer.

Holds to transformers 5.23 (models/marian): LayerNorm after each block with an epsilon of 1e-5, all sines
before all cosines, sources that end in </s>, translations that begin with the padding piece.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tzip import files
from tzip.data.lists import MAGIC, Lists, unpack
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces
from tzip.exchange import exporting
from tzip.exchange.importers.marian import ACTIVATIONS, DECODER, ENCODER
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

TYPES = ("float32", "float16")
USES = ()
FORM = {
    "norm": ("post",),
    "mixer": ("attention",),
    "binary_inputs": ("none",),
    "source_end": (True,),
    "epsilon": (1e-5,),
    "positions": ("halves", "interleaved"),
}
BENT = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}  # of two names of theirs, the first
BEAM = {"num_beams": 5, "length_penalty": 0.3, "early_stopping": True}  # near the search of ours


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write a folder that `MarianMTModel.from_pretrained` and `MarianTokenizer.from_pretrained` open.

    ValueError in one line if Marian has no model of this form, its tokenizer no such vocabulary, or a tensor
    is beyond float16.
    """
    exporting.only(model, FORM, "Marian")
    lists = listed(pieces)
    shared = model.config.tie == "all"
    sides = {"vocab.json": lists.source} | ({} if shared else {"target_vocab.json": lists.target or lists.source})
    orders = [order(len(side), last=shared) for side in sides.values()]
    special = dict(zip((END, UNKNOWN, PAD), (lists.source[i] for i in (END, UNKNOWN, PAD)), strict=True))
    for (name, side), rows in zip(sides.items(), orders, strict=True):
        files.write_json(folder / name, numbered(side, rows, special))
    config = configuration(model.config, orders)
    files.write_json(folder / "config.json", config | {"dtype": options.type})
    files.write_json(folder / "generation_config.json", generation(config))
    files.write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "MarianTokenizer",
            "model_max_length": model.config.max_length,
            "eos_token": special[END],
            "unk_token": special[UNKNOWN],
            "pad_token": special[PAD],
            "separate_vocabs": not shared,
        },
    )
    (folder / "source.spm").write_bytes(lists.source_model)
    (folder / "target.spm").write_bytes(lists.target_model or lists.source_model)
    found = exporting.typed(tensors(model, orders), options.type)
    save_file(found, folder / "model.safetensors", {"format": "pt"})


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def listed(pieces: Pieces) -> Lists:
    """The vocabulary as lists; ValueError if its prefix is none that MarianTokenizer finds in a text."""
    if not pieces.model.startswith(MAGIC):
        return Lists(pieces.model, b"", tuple(pieces.spell(range(len(pieces)))))
    found = unpack(pieces.model)
    if found.prefix and not (found.prefix.startswith(">>") and found.prefix.endswith("<<")):
        raise ValueError(f"prefix = {found.prefix}: MarianTokenizer knows only those like >>deu<<")
    return found


def order(size: int, last: bool) -> list[int]:
    """Our rows in the order of their ids: end, unknown, the pieces, and what begins, which is their padding.

    last  padding comes last, as in OPUS-MT's; else third, for it must have the same id on both sides
    """
    begin, rest = [BEGIN], list(range(END + 1, size))
    return [END, UNKNOWN, *(rest + begin if last else begin + rest)]


def numbered(pieces: tuple[str, ...], rows: list[int], special: dict[int, str]) -> dict[str, int]:
    """vocab.json; special pieces have the same names on both sides, and that of padding is what begins'."""
    names = special | {BEGIN: special[PAD]}
    found = {names.get(row, pieces[row]): i for i, row in enumerate(rows)}
    if len(found) < len(rows):
        raise ValueError(f"a piece is called like one of {', '.join(special.values())}, the source's special")
    return found


# ── settings ──────────────────────────────────────────────────────────────────────────────────────


def configuration(config: Config, orders: list[list[int]]) -> dict[str, Any]:
    """config.json: what MarianConfig honours, and where its defaults are not what our model does."""
    padding = orders[0].index(BEGIN)
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "is_encoder_decoder": True,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "vocab_size": len(orders[0]),
        "decoder_vocab_size": len(orders[-1]),
        "d_model": config.d_model,
        "activation_function": BENT[config.activation],
        "scale_embedding": True,
        "max_position_embeddings": config.max_length,
        "dropout": config.dropout,
        "attention_dropout": config.dropout,
        "activation_dropout": config.dropout,
        "share_encoder_decoder_embeddings": config.tie == "all",
        "tie_word_embeddings": config.tie != "none",
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "eos_token_id": orders[0].index(END),
        "bos_token_id": None,
        "forced_eos_token_id": None,
    }


def generation(config: dict[str, Any]) -> dict[str, Any]:
    """generation_config.json: padding is never written and, as in our search, has no probability."""
    keys = ("pad_token_id", "decoder_start_token_id", "eos_token_id", "bos_token_id", "forced_eos_token_id")
    banned = {"bad_words_ids": [[config["pad_token_id"]]], "renormalize_logits": True}
    return {key: config[key] for key in keys} | banned | BEAM | {"max_length": config["max_position_embeddings"]}


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def tensors(model: Transformer, orders: list[list[int]]) -> dict[str, Tensor]:
    """The weights by their names, embeddings and output layer in the order of their ids."""
    state = model.state_dict()
    if model.config.positions == "interleaved":
        state = halved(state, model.config.d_model)
    found = {}
    for stack, names in (("encoder", ENCODER), ("decoder", DECODER)):
        for i in range(len(getattr(model, stack))):
            for ours, theirs in names.items():
                for part in ("weight", "bias"):
                    at = f"model.{stack}.layers.{i}.{theirs}.{part}"
                    found[at] = state[f"{stack}.{i}.{ours}.{part}"]
    source, target = (torch.tensor(rows) for rows in (orders[0], orders[-1]))
    if model.config.tie == "all":
        found["model.shared.weight"] = state["target_embedding.weight"][target]
    else:
        found["model.encoder.embed_tokens.weight"] = state["source_embedding.weight"][source]
        found["model.decoder.embed_tokens.weight"] = state["target_embedding.weight"][target]
    if model.config.tie == "none":
        found["lm_head.weight"] = state["generator.weight"][target]
    found["final_logits_bias"] = state["generator.bias"][target][None]
    return found


def halved(state: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """The same model with its features in another order: those of the sines first, then those of the cosines.

    What reads features has its columns in that order, what writes them its rows; LayerNorm does not mind.
    """
    features = torch.arange(width).view(-1, 2).T.flatten()  # 0, 2, 4, ..., 1, 3, 5, ...
    found = {}
    for name, tensor in state.items():
        module, _, part = name.rpartition(".")
        last = module.rpartition(".")[2]
        if last in ("output", "outer") or last.endswith("norm"):
            tensor = tensor[features]
        elif part == "weight":
            tensor = tensor[:, features]
        found[name] = tensor
    return found
