"""A folder of Hugging Face's MarianMTModel and MarianTokenizer.

Holds to transformers 5.23 (models/marian): LayerNorm after each block with an epsilon of 1e-5, all sines
before all cosines, sources that end in </s>, translations that begin with the padding piece.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tzip import files
from tzip.data.lists import MAGIC, Lists, unpack
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces
from tzip.exchange import exporting
from tzip.exchange.huggingface import ACTIVATIONS, DECODER, ENCODER, SIZES
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

TYPES = ("float32", "float16")
USES = ()
OPEN = """
```python
from transformers import MarianMTModel, MarianTokenizer

tokenizer, model = MarianTokenizer.from_pretrained("."), MarianMTModel.from_pretrained(".")
batch = tokenizer(["The child is reading a book."], return_tensors="pt")
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))
```
"""
FORM = {
    "norm": ("post",),
    "mixer": ("attention",),
    "decoder_mixer": ("attention", "same"),
    "binary_inputs": ("none",),
    "source_end": (True,),
    "epsilon": (1e-5,),
    "positions": ("halves", "interleaved"),
    "target_prefix": (0,),
}
RATES = ("attention_dropout", "activation_dropout")  # beside dropout
ACTIVATION_NAMES = {ours: name for name, ours in reversed(ACTIVATIONS.items())}  # of swish and silu, swish
BEAM = {"num_beams": 5, "length_penalty": 0.3, "early_stopping": True}  # near our own search


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
    special = {i: lists.source[i] for i in (END, UNKNOWN, PAD)}
    for (name, side), rows in zip(sides.items(), orders, strict=True):
        files.write_json(folder / name, numbered(side, rows, special))

    ids = {"pad_token_id": orders[0].index(BEGIN), "decoder_start_token_id": orders[0].index(BEGIN)}
    ids |= {"eos_token_id": orders[0].index(END), "bos_token_id": None, "forced_eos_token_id": None}
    sizes = {"vocab_size": len(orders[0]), "decoder_vocab_size": len(orders[-1]), "dtype": options.type}
    files.write_json(folder / "config.json", configuration(model.config) | ids | sizes)
    banned = {"bad_words_ids": [[ids["pad_token_id"]]], "renormalize_logits": True}  # padding, as in our own search
    files.write_json(folder / "generation_config.json", ids | banned | BEAM | {"max_length": model.config.max_length})

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
    exporting.write_pieces(folder, pieces)
    weights = exporting.typed(tensors(model, orders), options.type)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def listed(pieces: Pieces) -> Lists:
    """The vocabulary as lists; ValueError if it has a prefix that MarianTokenizer does not find in a text."""
    if not pieces.model.startswith(MAGIC):
        return Lists(pieces.model, b"", tuple(pieces.spell(range(len(pieces)))))
    lists = unpack(pieces.model)
    if lists.prefix and not (lists.prefix.startswith(">>") and lists.prefix.endswith("<<")):
        raise ValueError(f"prefix = {lists.prefix}: MarianTokenizer knows only those like >>deu<<")
    return lists


def order(size: int, last: bool) -> list[int]:
    """Our rows in the order of Marian's ids: end, unknown, the pieces, and BEGIN, which is its padding.

    last  padding comes last, as in OPUS-MT's; else third, for it must have the same id on both sides
    """
    begin, rest = [BEGIN], list(range(END + 1, size))
    return [END, UNKNOWN, *(rest + begin if last else begin + rest)]


def numbered(pieces: tuple[str, ...], rows: list[int], special: dict[int, str]) -> dict[str, int]:
    """vocab.json; special pieces have the same names on both sides, and BEGIN has that of padding."""
    names = special | {BEGIN: special[PAD]}
    ids = {names.get(row, pieces[row]): i for i, row in enumerate(rows)}
    if len(ids) < len(rows):
        raise ValueError(f"a piece is called like one of {', '.join(special.values())}, the source's special")
    return ids


def configuration(config: Config) -> dict[str, Any]:
    """What MarianConfig reads, but for numbers of pieces, and where its defaults are not what our model does."""
    return {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "is_encoder_decoder": True,
        **{key: getattr(config, option) for key, option in SIZES.items()},
        "activation_function": ACTIVATION_NAMES[config.activation],
        "scale_embedding": True,
        "dropout": config.dropout,
        **{key: config.dropout if getattr(config, key) < 0 else getattr(config, key) for key in RATES},
        "share_encoder_decoder_embeddings": config.tie == "all",
        "tie_word_embeddings": config.tie != "none",
    }


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def tensors(model: Transformer, orders: list[list[int]]) -> dict[str, Tensor]:
    """The weights by Marian's names, embeddings and output layer in the order of its ids."""
    state = model.state_dict()
    if model.config.begin == "zeros":  # the row of its padding, which nothing else reads
        row = state["target_embedding.weight"].clone()
        row[BEGIN] = 0.0
        state["target_embedding.weight"] = row
    if model.config.positions == "interleaved":
        state = halved(state, model.config.d_model)
    result = {}
    for stack, names in (("encoder", ENCODER), ("decoder", DECODER)):
        for i in range(len(getattr(model, stack))):
            for module, name in names.items():
                for part in ("weight", "bias"):
                    tensor = state[f"{stack}.{i}.{module}.{part}"].clone()  # Marian shares no layers
                    result[f"model.{stack}.layers.{i}.{name}.{part}"] = tensor
    source, target = (torch.tensor(rows) for rows in (orders[0], orders[-1]))
    if model.config.tie == "all":
        result["model.shared.weight"] = state["target_embedding.weight"][target]
    else:
        result["model.encoder.embed_tokens.weight"] = state["source_embedding.weight"][source]
        result["model.decoder.embed_tokens.weight"] = state["target_embedding.weight"][target]
    if model.config.tie == "none":
        result["lm_head.weight"] = state["generator.weight"][target]
    result["final_logits_bias"] = state["generator.bias"][target][None]
    return result


def halved(state: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """The same model with its features in another order: those of the sines first, then those of the cosines.

    What reads features has its columns in that order, what writes them its rows; LayerNorm does not mind.
    """
    features = torch.arange(width).view(-1, 2).T.flatten()  # 0, 2, 4, ..., 1, 3, 5, ...
    result = {}
    for name, tensor in state.items():
        module, _, part = name.rpartition(".")
        last = module.rpartition(".")[2]
        if last in ("output", "outer") or last.endswith("norm"):
            tensor = tensor[features]
        elif part == "weight":
            tensor = tensor[:, features]
        result[name] = tensor
    return result
