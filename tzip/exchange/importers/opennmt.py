"""A checkpoint of OpenNMT-py: of 2018 to 2020, with pickled torchtext fields, or of 3.x, with lists.

Compared with OpenNMT-py 1.0.0 and 3.0.4 (tests/interop), and read from the source of 3.5.1. All have LayerNorm
before each block and after the last (no option puts it elsewhere; epsilon 1e-6 unless `norm_eps` differs),
positions computed in single precision, and sources without an end. Text is cut beforehand, by a SentencePiece
model that is a file of its own.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.exchange import importing, torchfile
from tzip.exchange.torchfile import StandIn
from tzip.nmt import checkpoint
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("pieces", "target_pieces")
NEEDS = ("pieces",)
POSITIONS = 5000  # that a model has where the file has no table of them
NAMES = ("<blank>", "<unk>", "<s>", "</s>")
# What would change the computation, and the values that our model computes; the first is the default.
FORM: dict[str, tuple[Any, ...]] = {
    "model_type": ("text",),
    **dict.fromkeys(("model_task", "data_task"), ("seq2seq",)),
    **dict.fromkeys(("encoder_type", "decoder_type"), ("transformer",)),
    "self_attn_type": ("scaled-dot", "scaled-dot-flash"),
    "position_encoding_type": ("SinusoidalInterleaved", None),
    "context_gate": (None,),
    "generator_function": ("softmax",),
    "pos_ffn_activation_fn": ("relu", "gelu"),
    "layer_norm": ("standard",),
    **dict.fromkeys(("copy_attn", "coverage_attn", "parallel_residual", "shared_layer_norm"), (False,)),
    **dict.fromkeys(("multiquery", "lora_embedding"), (False,)),
    **dict.fromkeys(("max_relative_positions", "num_kv", "num_experts", "sliding_window", "rotary_dim"), (0,)),
    **dict.fromkeys(("lora_layers", "quant_layers"), ([],)),
}
# Of the transforms of 2.x and 3.x, those that leave a sentence to be translated as it is, but for its pieces.
TRANSFORMS = ("sentencepiece", "filtertoolong", "switchout", "tokendrop", "tokenmask")
ATTENTION = {"query": "linear_query", "key": "linear_keys", "value": "linear_values", "output": "final_linear"}
ENCODER = {
    **{f"self_attention.{part}": f"self_attn.{name}" for part, name in ATTENTION.items()},
    "self_attention_norm": "layer_norm",
    "feed_forward.inner": "feed_forward.w_1",
    "feed_forward.outer": "feed_forward.w_2",
    "feed_forward_norm": "feed_forward.layer_norm",
}
DECODER = {
    **ENCODER,
    **{f"cross_attention.{part}": f"context_attn.{name}" for part, name in ATTENTION.items()},
    "self_attention_norm": "layer_norm_1",
    "cross_attention_norm": "layer_norm_2",
}
STACKS = (("encoder", "encoder.transformer.{i}", ENCODER), ("decoder", "decoder.transformer_layers.{i}", DECODER))


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` looks like such a file; what else is in a torch file, only a mapping says."""
    return path.is_file() and checkpoint.is_torch_file(path) and not options.mapping


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the file `path`; ValueError in one line for a model that ours is not."""
    value = torchfile.load(path)
    value = value if isinstance(value, dict) else {}
    if missing := [key for key in ("model", "generator", "opt", "vocab") if key not in value]:
        raise ValueError(f"{path}: no checkpoint of OpenNMT-py: it has no '{missing[0]}'")
    form, without_bias = checked(path, value["opt"], value["vocab"])
    sides = [pieces(path, value["vocab"], side) for side in ("src", "tgt")]
    orders = [order(path, side, name) for side, name in zip(sides, ("source", "target"), strict=True)]
    models = [importing.piece_model(place) if place else b"" for place in (options.pieces, options.target_pieces)]
    shared = sides[0] == sides[1]
    lists = Lists(
        models[0],
        models[1] if models[1] != models[0] else b"",
        importing.spelled(sides[0], orders[0], NAMES),
        () if shared else importing.spelled(sides[1], orders[1], NAMES),
        source_end=False,
    )
    tensors, counts = taken(path, value, without_bias, orders)
    config = {
        "vocabulary": len(lists.source),
        "target_vocabulary": len(lists.target),
        "tie": importing.tie(tensors, shared),
        "d_model": tensors["source_embedding.weight"].shape[-1],
        "d_ff": len(tensors["encoder.0.feed_forward.inner.weight"]),
        "norm": "pre",
        "positions": "single",
        "source_end": False,
    }
    read_files = [path, *(Path(place) for place in (options.pieces, options.target_pieces) if place)]
    return importing.Imported(make(Config, config | counts | form, str(path)), tensors, pack(lists), tuple(read_files))


def checked(path: Path, settings: Any, vocabulary: Any) -> tuple[dict[str, Any], list[str]]:
    """Options of Config, and modules that have no bias; ValueError names an option that our model does not have."""
    settings = settings.state if isinstance(settings, StandIn) else settings
    if not isinstance(settings, dict) or type(settings.get("heads")) is not int:
        raise ValueError(f"{path}: opt: no options of a Transformer: it has no 'heads'")
    if arrays := [key for key, value in settings.items() if isinstance(value, Tensor)]:
        raise ValueError(f"{path}: opt: {shown(arrays[0])} is a tensor, which no option is")
    for key, choices in FORM.items():
        value = settings.get(key, choices[0])
        if value not in choices or (value is not None and type(value) is not type(choices[0])):
            raise ValueError(f"{path}: opt: {key} = {shown(value)}; our model has {choices[0]!r}")
    if settings.get("position_encoding") not in (True, "true"):
        raise ValueError(f"{path}: opt: position_encoding = {shown(settings.get('position_encoding'))}; ours is True")
    transforms = settings.get("transforms") or []
    for transform in transforms if isinstance(transforms, list) else [transforms]:
        if transform not in TRANSFORMS:
            raise ValueError(f"{path}: opt: the text was transformed by {shown(transform)}; only SentencePiece is read")
    start = vocabulary.get("decoder_start_token", "<s>") if isinstance(vocabulary, dict) else "<s>"
    if start != "<s>":
        raise ValueError(f"{path}: vocab: decoder_start_token = {shown(start)}; '<s>' is read")
    rates = {"dropout": settings.get("dropout", 0.1), "attention_dropout": settings.get("attention_dropout", -1.0)}
    form = {
        "heads": settings["heads"],
        **{key: rate[0] if isinstance(rate, list) and rate else rate for key, rate in rates.items()},
        "epsilon": settings.get("norm_eps", 1e-6),
        "activation": settings.get("pos_ffn_activation_fn", "relu"),
    }
    attention = [] if settings.get("add_qkvbias", True) else list(ATTENTION)
    return form, attention + ([] if settings.get("add_ffnbias", True) else ["inner", "outer"])


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def pieces(path: Path, vocabulary: Any, side: str) -> list[str]:
    """The pieces of a side by their ids, in whichever of the three forms they are stored."""
    pairs = list(vocabulary.items()) if isinstance(vocabulary, dict) else vocabulary
    if not isinstance(pairs, list) or not all(isinstance(p, tuple | list) and len(p) == 2 for p in pairs):
        raise ValueError(f"{path}: vocab: neither a dictionary nor a list of fields")
    fields = {name: value for name, value in pairs if isinstance(name, str)}
    features = fields.get("src_feats") not in (None, {}, [])
    if features or any(re.match(r"(src|tgt)_feat_", name) for name in fields):
        raise ValueError(f"{path}: vocab: the source has features beside its words, which our model has not")
    result = words(fields.get(side))
    if not result or not all(isinstance(word, str) for word in result):
        raise ValueError(f"{path}: vocab: no list of the words of '{side}'")
    return result


def words(value: Any) -> list[str] | None:
    """The words of a list, a torchtext Vocab, a Field of one, or several Fields of which there is one."""
    for _ in range(8):
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], tuple | list) and len(value[0]) == 2:
            value = value[0][1]  # [(name, Field)]
        elif isinstance(value, list):
            return value
        elif isinstance(value, StandIn):
            value = next((value.get(key) for key in ("itos", "fields", "vocab") if value.get(key) is not None), None)
        else:
            return None
    return None


def order(path: Path, pieces: list[str], side: str) -> list[int | None]:
    """The file's rows in the order of our ids; None for a special piece that only the other side has."""
    rows = {piece: row for row, piece in enumerate(pieces)}
    if len(rows) < len(pieces):
        raise ValueError(f"{path}: vocab: a word of the {side} is listed twice")
    first = [rows.get(name) for name in NAMES]
    needed = NAMES if side == "target" else NAMES[:2]
    if missing := [name for name, row in zip(NAMES, first, strict=True) if row is None and name in needed]:
        raise ValueError(f"{path}: vocab: '{missing[0]}' is no word of the {side}")
    return [*first, *(row for row in range(len(pieces)) if row not in first)]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def taken(
    path: Path, value: dict[str, Any], without_bias: list[str], orders: list[list[int | None]]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The tensors by our names, embeddings in the order of our ids; and how many layers and positions there are."""
    tensors, generator = (importing.of_torch(value[key], str(path), key) for key in ("model", "generator"))
    tensors.tensors = {fixed(name): tensor for name, tensor in tensors.tensors.items()}
    result, counts = {}, {}
    for stack, layer, names in STACKS:
        count = counts[f"{stack}_layers"] = tensors.count(f"{layer}.")
        if not count:
            raise ValueError(f"{path}: model: no layers {layer}")
        lacks_bias = [module for module in names if module.split(".")[-1] in without_bias]
        result |= importing.layers(tensors, stack, layer, names, count, lacks_bias)
        for part in ("weight", "bias"):
            result[f"{stack}_norm.{part}"] = tensors.take(f"{stack}.layer_norm.{part}")
        for i in range(count):
            tensors.constant(f"{layer.format(i=i)}.mask", hides_the_future)
    counts["max_length"] = POSITIONS
    for side, stack, rows in (("source", "encoder", orders[0]), ("target", "decoder", orders[1])):
        at = f"{stack}.embeddings.make_embedding"
        name, table = f"{at}.emb_luts.0.weight", f"{at}.pe.pe"
        result[f"{side}_embedding.weight"] = importing.arranged(tensors.take(name), rows, f"{path}: {name}")
        tensors.constant(table, is_sinusoids)
        if table in tensors:
            counts["max_length"] = min(counts["max_length"], len(tensors.tensors[table]))
    tensors.finish()
    for part in ("weight", "bias"):
        name = f"0.{part}" if f"0.{part}" in generator else part
        weight = generator.take(name)
        result[f"generator.{part}"] = importing.arranged(weight, orders[1], f"{path}: generator {name}")
    generator.finish()
    return result, counts


def fixed(name: str) -> str:
    """The name of a LayerNorm's weight or bias of before July 2018, as OpenNMT-py itself reads it since."""
    name = re.sub(r"(\.layer_norm(?:_\d+)?)\.a_2$", r"\1.weight", name)
    return re.sub(r"(\.layer_norm(?:_\d+)?)\.b_2$", r"\1.bias", name)


def is_sinusoids(table: Tensor) -> bool:
    """Whether a table [N, 1, width] has the positions that our model computes."""
    fits = table.dim() == 3 and table.shape[1] == 1 and table.shape[2] % 2 == 0
    return fits and importing.near(table[:, 0], sinusoids(len(table), table.shape[2], "single"))


def hides_the_future(mask: Tensor) -> bool:
    """[1, T, T]: 1 where a position must not look."""
    return mask.dim() == 3 and torch.equal(mask[0].bool(), torch.ones_like(mask[0], dtype=torch.bool).triu(1))
