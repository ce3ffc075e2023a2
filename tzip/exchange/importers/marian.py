"""A folder of Hugging Face's MarianMTModel, such as those of OPUS-MT.

Holds to transformers 5.23 (models/marian): LayerNorm after each block, sines and cosines in halves, sources
that end in </s>, translations that begin with the padding piece. Text goes to SentencePiece as it is, as
MarianTokenizer gives it there.
"""

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.exchange import huggingface, importing, marianfile
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("prefix",)
NEEDS = ()
NAMES = ("<pad>", "<unk>", "<s>", "</s>")
# What would change the computation, and the values that our model computes. Other keys of older files, such as
# normalize_before or add_final_layer_norm, are ignored, as transformers ignores them.
FORM: dict[str, tuple[Any, ...]] = {"model_type": ("marian",), "scale_embedding": (True,)}
RATES = (("dropout", 0.1), ("attention_dropout", 0.0), ("activation_dropout", 0.0))


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` looks like such a folder."""
    return huggingface.model_type(path) == "marian"


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the folder `path`; ValueError in one line for a model that ours is not."""
    settings = huggingface.checked(path / "config.json", FORM)
    huggingface.check_search(path, settings["pad_token_id"])
    weights = huggingface.weights(path)
    shared = settings.get("share_encoder_decoder_embeddings", True)
    lists, orders = vocabulary(path, settings, shared, options.prefix)
    config = make(
        Config,
        {
            "vocabulary": len(lists.source),
            "target_vocabulary": len(lists.target),
            **{option: settings[key] for key, option in huggingface.SIZES.items()},
            "tie": "none",
            "positions": "halves",
            **{key: settings.get(key, rate) for key, rate in RATES},
            "norm": "post",
            "activation": huggingface.ACTIVATIONS[settings["activation_function"]],
        },
        str(path / "config.json"),
    )
    tensors = importing.opened(weights)
    if settings.get("tie_word_embeddings") is False and huggingface.TABLES[2] not in tensors:
        raise ValueError(f"{weights}: no tensor '{huggingface.TABLES[2]}', which config.json says is not tied")
    sizes = [settings["vocab_size"], settings.get("decoder_vocab_size") or settings["vocab_size"]]
    result = taken(tensors, config, shared, orders, sizes)
    tensors.finish()
    config = dataclasses.replace(config, tie=importing.tie(result, not lists.target))
    names = ["config.json", "source.spm", "target.spm", "vocab.json", *(["target_vocab.json"] if lists.target else [])]
    files = [*importing.parts(weights), *(path / name for name in names)]
    return importing.Imported(config, result, pack(lists), tuple(files))


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def vocabulary(path: Path, settings: dict[str, Any], shared: bool, prefix: str) -> tuple[Lists, list[list[int]]]:
    """The lists in our order, and of each side the rows of the file's tables in this order."""
    sizes = {"vocab.json": settings["vocab_size"]}
    if not shared:
        sizes["target_vocab.json"] = settings.get("decoder_vocab_size") or settings["vocab_size"]
    sides = [huggingface.numbered(path / name, size) for name, size in sizes.items()]
    orders = [order(path / name, side, settings) for name, side in zip(sizes, sides, strict=True)]
    lists = [importing.spelled(side, rows, NAMES) for side, rows in zip(sides, orders, strict=True)]
    marianfile.check_prefix(path, sides[0], prefix)
    models = [importing.piece_model(path / f"{side}.spm") for side in ("source", "target")]
    models[1] = b"" if models[0] == models[1] else models[1]
    return Lists(*models, *lists, prefix=prefix), [orders[0], orders[-1]]


def order(path: Path, pieces: list[str], settings: dict[str, Any]) -> list[int]:
    """The file's rows in the order of our ids: padding, unknown, what begins a translation, end, and the rest."""
    special = [settings[f"{key}_token_id"] for key in ("pad", "eos", "decoder_start")]
    if not all(type(row) is int and 0 <= row < len(pieces) for row in special) or "<unk>" not in pieces:
        raise ValueError(f"{path}: pad, eos or decoder_start of config.json, or <unk>, is no piece of it")
    pad, end, start = special
    first = [pad, pieces.index("<unk>"), start, end]
    if len({pad, first[1], end}) < 3 or start in (first[1], end):
        raise ValueError(f"{path}: pad, <unk>, eos and decoder_start are not four pieces, nor start = pad")
    if start != pad and pieces[start] != NAMES[2]:
        said = f"decoder_start_token_id = {start} is {shown(pieces[start])}"
        raise ValueError(f"{path}: {said}; our translations begin with padding or {NAMES[2]}, which no text has")
    return [*first, *(row for row in range(len(pieces)) if row not in first)]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def taken(
    tensors: importing.Tensors, config: Config, shared: bool, orders: list[list[int]], sizes: list[int]
) -> dict[str, Tensor]:
    """The tensors by our names, embeddings in the order of our ids; `sizes` counts their rows with padding."""
    result = huggingface.in_layers(tensors, config)
    for stack in ("encoder", "decoder"):
        tensors.constant(f"model.{stack}.embed_positions.weight", lambda table: is_sinusoids(table, config))
    source, target, generator = huggingface.tables(tensors, shared)
    bias = generator.new_zeros(len(generator))
    if "final_logits_bias" in tensors:
        bias = tensors.take("final_logits_bias").squeeze(0)  # [1, V]
    tables = {
        "source_embedding.weight": source,
        "target_embedding.weight": target,
        "generator.weight": generator,
        "generator.bias": bias,
    }
    by_side = [[values[0], *[values[1]] * 3] for values in (orders, sizes)]
    return result | huggingface.arranged(tables, *by_side, tensors.where)


def is_sinusoids(table: Tensor, config: Config) -> bool:
    """Whether a table has the positions that our model computes."""
    size = (config.max_length, config.d_model)
    return table.shape == size and importing.near(table, sinusoids(*size, config.positions))
