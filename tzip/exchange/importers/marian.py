"""A folder of Hugging Face's MarianMTModel, such as those of OPUS-MT.

Holds to transformers 5.23 (models/marian): LayerNorm after each block, sines and cosines in halves, sources
that end in </s>, translations that begin with the padding piece. Text goes to SentencePiece as it is, as
MarianTokenizer gives it there.
"""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.exchange import importing
from tzip.files import read_json
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("prefix",)
NEEDS = ()
WEIGHTS = [name + end for name in ("model.safetensors", "pytorch_model.bin") for end in ("", ".index.json")]
NAMES = ("<pad>", "<unk>", "<s>", "</s>")
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "silu", "silu": "silu"}
# What would change the computation, and the values that our model computes. Other keys of older files, such as
# normalize_before or add_final_layer_norm, are ignored, as transformers ignores them.
FORM: dict[str, tuple[Any, ...]] = {"model_type": ("marian",), "scale_embedding": (True,)}
SIZES = {  # name in config.json → in Config
    "d_model": "d_model",
    "encoder_layers": "encoder_layers",
    "decoder_layers": "decoder_layers",
    "encoder_attention_heads": "heads",
    "decoder_attention_heads": "heads",
    "encoder_ffn_dim": "d_ff",
    "decoder_ffn_dim": "d_ff",
    "max_position_embeddings": "max_length",
}
RATES = ("attention_dropout", "activation_dropout")  # beside dropout, 0 by default
REQUIRED = ("model_type", "scale_embedding", "vocab_size", *SIZES, "activation_function")
REQUIRED += ("pad_token_id", "eos_token_id", "decoder_start_token_id")
# What Marian's search may be told to write or not, and the value that, beside none and 0, changes nothing.
BANS = dict.fromkeys(("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias"))
BANS |= dict.fromkeys(("forced_bos_token_id", "forced_decoder_ids", "min_length", "min_new_tokens"))
BANS |= dict.fromkeys(("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty"))
BANS |= {"repetition_penalty": 1.0, "encoder_repetition_penalty": 1.0}
SHARED = "model.shared.weight"
TABLES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
ENCODER = {
    **{f"self_attention.{part}": f"self_attn.{name}" for part, name in ATTENTION.items()},
    "self_attention_norm": "self_attn_layer_norm",
    "feed_forward.inner": "fc1",
    "feed_forward.outer": "fc2",
    "feed_forward_norm": "final_layer_norm",
}
DECODER = {
    **ENCODER,
    **{f"cross_attention.{part}": f"encoder_attn.{name}" for part, name in ATTENTION.items()},
    "cross_attention_norm": "encoder_attn_layer_norm",
}


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the folder `path`; ValueError in one line for a model that ours is not."""
    settings = checked(path / "config.json")
    for name in ("config.json", "generation_config.json"):
        search_bans(path / name, settings["pad_token_id"])
    weights = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if weights is None:
        raise ValueError(f"{path}: none of {', '.join(WEIGHTS)} is there")
    shared = settings.get("share_encoder_decoder_embeddings", True)
    lists, orders = vocabulary(path, settings, shared, options.prefix)
    config = make(
        Config,
        {
            "vocabulary": len(lists.source),
            "target_vocabulary": len(lists.target),
            **{option: settings[key] for key, option in SIZES.items()},
            "tie": "none",
            "positions": "halves",
            "dropout": settings.get("dropout", 0.1),
            **{key: settings.get(key, 0.0) for key in RATES},
            "norm": "post",
            "activation": ACTIVATIONS[settings["activation_function"]],
        },
        str(path / "config.json"),
    )
    tensors = importing.opened(weights)
    if settings.get("tie_word_embeddings") is False and TABLES[2] not in tensors:
        raise ValueError(f"{weights}: no tensor '{TABLES[2]}', which config.json says is not tied")
    sizes = [settings["vocab_size"], settings.get("decoder_vocab_size") or settings["vocab_size"]]
    result = taken(tensors, config, shared, orders, sizes)
    tensors.finish()
    config = dataclasses.replace(config, tie=importing.tie(result, not lists.target))
    names = ["config.json", "source.spm", "target.spm", "vocab.json", *(["target_vocab.json"] if lists.target else [])]
    files = [*importing.parts(weights), *(path / name for name in names)]
    return importing.Imported(config, result, pack(lists), tuple(files))


def checked(path: Path) -> dict[str, Any]:
    """The configuration, if our model can be what it says; ValueError names what it cannot."""
    if not path.is_file():
        raise ValueError(f"{path}: missing; a Marian model is a folder with config.json in it")
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: no configuration")
    for key in REQUIRED:
        if key not in settings:
            raise ValueError(f"{path}: '{key}' is missing")
    for key, choices in FORM.items():
        if settings.get(key, choices[0]) not in choices:
            raise ValueError(f"{path}: {key} = {shown(settings[key])}; our model has {choices[0]!r}")
    if (activation := settings["activation_function"]) not in list(ACTIVATIONS):
        raise ValueError(f"{path}: activation_function = {shown(activation)} is not one of {', '.join(ACTIVATIONS)}")
    for size in ("attention_heads", "ffn_dim"):
        if settings[f"encoder_{size}"] != settings[f"decoder_{size}"]:
            raise ValueError(f"{path}: encoder_{size} and decoder_{size} differ, which our model's cannot")
    return settings


def search_bans(path: Path, padding: int) -> None:
    """ValueError if Marian's search may not write what ours may: only padding is banned in both."""
    settings = read_json(path) if path.is_file() else {}
    for key, neutral in BANS.items():
        banned = (settings if isinstance(settings, dict) else {}).get(key)
        if banned and banned not in ([[padding]], neutral):
            raise ValueError(f"{path}: {key} = {str(banned)[:80]}; our search bans padding alone")


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def vocabulary(path: Path, settings: dict[str, Any], shared: bool, prefix: str) -> tuple[Lists, list[list[int]]]:
    """The lists in our order, and of each side the rows of the file's tables in this order."""
    sizes = {"vocab.json": settings["vocab_size"]}
    if not shared:
        sizes["target_vocab.json"] = settings.get("decoder_vocab_size") or settings["vocab_size"]
    sides = [listed(path / name, size) for name, size in sizes.items()]
    orders = [order(path / name, side, settings) for name, side in zip(sizes, sides, strict=True)]
    lists = [importing.spelled(side, rows, NAMES) for side, rows in zip(sides, orders, strict=True)]
    codes = [piece for piece in sides[0] if piece.startswith(">>") and piece.endswith("<<")]
    if codes and not prefix:
        choices = ", ".join(codes[:20]) + (", ..." if len(codes) > 20 else "")
        raise ValueError(f"{path}: it translates into several languages; give prefix, one of {choices}")
    models = [importing.piece_model(path / f"{side}.spm") for side in ("source", "target")]
    models[1] = b"" if models[0] == models[1] else models[1]
    return Lists(*models, *lists, prefix=prefix), [orders[0], orders[-1]]


def listed(path: Path, size: int) -> list[str]:
    """The pieces of a vocab.json by their ids, from 0 on; a table of `size` rows may have more, as padding."""
    if not path.is_file():
        raise ValueError(f"{path}: missing")
    ids = read_json(path)
    if not isinstance(ids, dict) or not all(type(value) is int for value in ids.values()):
        raise ValueError(f"{path}: no vocabulary: it must give each piece its number")
    if sorted(ids.values()) != list(range(len(ids))) or len(ids) > size:
        raise ValueError(f"{path}: {len(ids)} pieces, whose numbers should be 0 to {size} - 1 as in config.json")
    return sorted(ids, key=ids.__getitem__)


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
    result = {}
    for stack, names in (("encoder", ENCODER), ("decoder", DECODER)):
        count = getattr(config, f"{stack}_layers")
        result |= importing.layers(tensors, stack, f"model.{stack}.layers.{{i}}", names, count)
        tensors.constant(f"model.{stack}.embed_positions.weight", lambda table: is_sinusoids(table, config))
    source, target, generator = tables(tensors, shared)
    bias = generator.new_zeros(len(generator))
    if "final_logits_bias" in tensors:
        bias = tensors.take("final_logits_bias").squeeze(0)  # [1, V]
    for name, tensor, side in (
        ("source_embedding.weight", source, 0),
        ("target_embedding.weight", target, 1),
        ("generator.weight", generator, 1),
        ("generator.bias", bias, 1),
    ):
        rows = tensor[: len(set(orders[side]))] if len(tensor) == sizes[side] else tensor
        result[name] = importing.arranged(rows, orders[side], f"{tensors.where}: {name}")
    return result


def tables(tensors: importing.Tensors, shared: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The embeddings of source and target, and the output's matrix, where each is stored once at least."""
    names = (SHARED, *TABLES) if shared else TABLES
    stored = {name: tensors.take(name) for name in names if name in tensors}
    embeddings = [stored[name] for name in (SHARED, *TABLES[:2]) if name in stored]
    if shared and not all(torch.equal(embeddings[0], other) for other in embeddings[1:]):
        raise ValueError(f"{tensors.where}: embeddings that config.json says are shared are not the same")
    source, target = (embeddings[0] if shared and embeddings else stored.get(name) for name in TABLES[:2])
    if source is None or target is None:
        raise ValueError(f"{tensors.where}: no embeddings, neither {SHARED} nor {TABLES[0]}")
    return source, target, stored.get(TABLES[2], target)


def is_sinusoids(table: Tensor, config: Config) -> bool:
    """Whether a table has the positions that our model computes."""
    size = (config.max_length, config.d_model)
    return table.shape == size and importing.near(table, sinusoids(*size, config.positions))
