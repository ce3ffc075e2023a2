"""What models of Hugging Face's transformers with BART's layers have in common: Marian, M2M-100, NLLB.

Holds to transformers 5.23 (models/marian, models/m2m_100): names of settings, of files and of tensors.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tzip.exchange.tensors import Tensors, layers
from tzip.exchange.tensors import arranged as rearranged
from tzip.files import read_json
from tzip.nmt.options import Config
from tzip.options import shown

CONFIG = "config.json"
WEIGHTS = [name + end for name in ("model.safetensors", "pytorch_model.bin") for end in ("", ".index.json")]
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "silu", "silu": "silu"}
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
REQUIRED = ("model_type", "scale_embedding", "vocab_size", *SIZES, "activation_function")
REQUIRED += ("pad_token_id", "eos_token_id", "decoder_start_token_id")
# What their search may be told to write or not, and the value that, beside none and 0, changes nothing.
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


def model_type(path: Path) -> str:
    """The kind of model that a folder's config.json names; nothing where there is none."""
    try:
        settings = read_json(path / CONFIG)
    except (OSError, ValueError, RecursionError):
        return ""
    found = settings.get("model_type") if isinstance(settings, dict) else None
    return found if isinstance(found, str) else ""


def checked(path: Path, form: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The configuration, if our model can be what it says; ValueError names what it cannot.

    form  what would change the computation, and the values that our model computes
    """
    if not path.is_file():
        raise ValueError(f"{path}: missing; a model of transformers is a folder with {CONFIG} in it")
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: no configuration")
    for key in REQUIRED:
        if key not in settings:
            raise ValueError(f"{path}: '{key}' is missing")
    for key, choices in form.items():
        if settings.get(key, choices[0]) not in choices:
            raise ValueError(f"{path}: {key} = {shown(settings[key])}; our model has {choices[0]!r}")
    if (activation := settings["activation_function"]) not in list(ACTIVATIONS):
        raise ValueError(f"{path}: activation_function = {shown(activation)} is not one of {', '.join(ACTIVATIONS)}")
    for size in ("attention_heads", "ffn_dim"):
        if settings[f"encoder_{size}"] != settings[f"decoder_{size}"]:
            raise ValueError(f"{path}: encoder_{size} and decoder_{size} differ, which our model's cannot")
    return settings


def check_search(path: Path, padding: int, first: int | None = None) -> None:
    """ValueError if their search may not write what ours may: only padding is banned in both.

    first  the number of the piece that our translations are made to begin with
    """
    for name in (CONFIG, "generation_config.json"):
        settings = read_json(path / name) if (path / name).is_file() else {}
        for key, neutral in BANS.items():
            banned = (settings if isinstance(settings, dict) else {}).get(key)
            neutral = first if key == "forced_bos_token_id" else neutral
            if banned and banned not in ([[padding]], neutral):
                raise ValueError(f"{path / name}: {key} = {str(banned)[:80]}; our search bans padding alone")


def weights(path: Path) -> Path:
    """The file of the tensors, or of their index."""
    found = next((path / name for name in WEIGHTS if (path / name).is_file()), None)
    if found is None:
        raise ValueError(f"{path}: none of {', '.join(WEIGHTS)} is there")
    return found


def numbered(path: Path, size: int) -> list[str]:
    """The pieces of a vocab.json by their ids, from 0 on; a table of `size` rows may have more, as padding."""
    if not path.is_file():
        raise ValueError(f"{path}: missing")
    ids = read_json(path)
    if not isinstance(ids, dict) or not all(type(value) is int for value in ids.values()):
        raise ValueError(f"{path}: no vocabulary: it must give each piece its number")
    if sorted(ids.values()) != list(range(len(ids))) or len(ids) > size:
        raise ValueError(f"{path}: {len(ids)} pieces, whose numbers should be 0 to {size} - 1 as in config.json")
    return sorted(ids, key=ids.__getitem__)


def in_layers(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    """The weights and biases of all layers by our names."""
    result = {}
    for stack, names in (("encoder", ENCODER), ("decoder", DECODER)):
        count = getattr(config, f"{stack}_layers")
        result |= layers(tensors, stack, f"model.{stack}.layers.{{i}}", names, count)
    return result


def tables(tensors: Tensors, shared: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The embeddings of source and target, and the output's matrix, where each is stored once at least."""
    names = (SHARED, *TABLES) if shared else TABLES
    stored: dict[str, Tensor] = {}
    for name in (name for name in names if name in tensors):
        tensor = tensors.pop(name)  # what is equal to another is kept once
        stored[name] = next((other for other in stored.values() if torch.equal(other, tensor)), tensor)
    embeddings = [stored[name] for name in (SHARED, *TABLES[:2]) if name in stored]
    if shared and not all(torch.equal(embeddings[0], other) for other in embeddings[1:]):
        raise ValueError(f"{tensors.where}: embeddings that config.json says are shared are not the same")
    source, target = (embeddings[0] if shared and embeddings else stored.get(name) for name in TABLES[:2])
    if source is None or target is None:
        raise ValueError(f"{tensors.where}: no embeddings, neither {SHARED} nor {TABLES[0]}")
    return source, target, stored.get(TABLES[2], target)


def arranged(
    tables: Mapping[str, Tensor], orders: Sequence[list[int]], sizes: Sequence[int], where: str
) -> dict[str, Tensor]:
    """Tables with their rows in an order each (see `tensors.arranged`); what is one table stays one.

    sizes  rows with padding that a table may have; then those beyond its order are left out
    where  the file, for errors
    """
    result, made = {}, {}
    for (name, table), order, size in zip(tables.items(), orders, sizes, strict=True):
        key = id(table), id(order)
        if key not in made:
            rows = table[: len(set(order))] if len(table) == size else table
            made[key] = rearranged(rows, order, f"{where}: {name}")
        result[name] = made[key]
    return result
