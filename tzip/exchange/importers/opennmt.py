"""A checkpoint of OpenNMT-py: of 2018 to 2020, with pickled torchtext fields, or of 3.x, with lists.

Held against OpenNMT-py 1.0.0 and 3.0.4 (tests/interop), and read from the source of 3.5.1. Their Transformers
are alike: LayerNorm before each block and after the last (no option of theirs puts it elsewhere; epsilon 1e-6
unless `norm_eps` says otherwise), positions computed in single precision, sources without an end. Text is cut
beforehand, by SentencePiece: the model that did it is a file apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.exchange import importing, torchfile
from tzip.exchange.torchfile import StandIn
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("pieces", "target_pieces")
NEEDS = ("pieces",)
POSITIONS = 5000  # that they have where the file does not say so
NAMES = ("<blank>", "<unk>", "<s>", "</s>")
# What would change the computation, and the values that our model computes; the first where nothing is said.
FORM: dict[str, tuple[Any, ...]] = {
    "model_type": ("text",),
    "model_task": ("seq2seq",),
    "data_task": ("seq2seq",),
    "encoder_type": ("transformer",),
    "decoder_type": ("transformer",),
    "self_attn_type": ("scaled-dot", "scaled-dot-flash"),
    "max_relative_positions": (0,),
    "position_encoding_type": ("SinusoidalInterleaved", None),
    "copy_attn": (False,),
    "coverage_attn": (False,),
    "context_gate": (None,),
    "generator_function": ("softmax",),
    "pos_ffn_activation_fn": ("relu", "gelu"),
    "layer_norm": ("standard",),
    "parallel_residual": (False,),
    "shared_layer_norm": (False,),
    "multiquery": (False,),
    "num_kv": (0,),
    "num_experts": (0,),
    "sliding_window": (0,),
    "rotary_dim": (0,),
    "lora_layers": ([],),
    "lora_embedding": (False,),
    "quant_layers": ([],),
}
# Of the transforms of 2.x and 3.x, those that leave a sentence to be translated as it is, but for its pieces.
TRANSFORMS = ("sentencepiece", "filtertoolong", "switchout", "tokendrop", "tokenmask")
ATTENTION = {
    "query": "linear_query",
    "key": "linear_keys",
    "value": "linear_values",
    "output": "final_linear",
}
FEED_FORWARD = {
    "feed_forward.inner": "feed_forward.w_1",
    "feed_forward.outer": "feed_forward.w_2",
    "feed_forward_norm": "feed_forward.layer_norm",
}
SELF = {f"self_attention.{our}": f"self_attn.{their}" for our, their in ATTENTION.items()}
CROSS = {f"cross_attention.{our}": f"context_attn.{their}" for our, their in ATTENTION.items()}
ENCODER = {**SELF, "self_attention_norm": "layer_norm", **FEED_FORWARD}
DECODER = {
    **SELF,
    "self_attention_norm": "layer_norm_1",
    **CROSS,
    "cross_attention_norm": "layer_norm_2",
    **FEED_FORWARD,
}
STACKS = (
    ("encoder", "encoder.transformer.{i}", ENCODER),
    ("decoder", "decoder.transformer_layers.{i}", DECODER),
)


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the file `path`; ValueError in one line for a model that ours is not."""
    value = torchfile.load(path)
    value = value if isinstance(value, dict) else {}
    if missing := [key for key in ("model", "generator", "opt", "vocab") if key not in value]:
        raise ValueError(f"{path}: no checkpoint of OpenNMT-py: it has no '{missing[0]}'")
    settings = checked(path, value["opt"], value["vocab"])
    sides = [pieces(path, value["vocab"], side) for side in ("src", "tgt")]
    orders = [order(path, side, name) for side, name in zip(sides, ("source", "target"), strict=True)]
    models = [importing.piece_model(one) if one else b"" for one in (options.pieces, options.target_pieces)]
    own = sides[0] != sides[1]
    lists = Lists(
        models[0],
        models[1] if models[1] != models[0] else b"",
        importing.spelled(sides[0], orders[0], NAMES),
        importing.spelled(sides[1], orders[1], NAMES) if own else (),
        source_end=False,
    )
    made, counts = taken(path, value, settings, orders)
    found = {
        "vocabulary": len(lists.source),
        "target_vocabulary": len(lists.target),
        **counts,
        "tie": importing.tie(made, not own),
        "d_model": made["source_embedding.weight"].shape[-1],
        "d_ff": len(made["encoder.0.feed_forward.inner.weight"]),
        "heads": settings["heads"],
        "dropout": settings["dropout"],
        "norm": "pre",
        "positions": "single",
        "source_end": False,
        "epsilon": settings["norm_eps"],
        "activation": settings["pos_ffn_activation_fn"],
    }
    read_files = [path, *(Path(one) for one in (options.pieces, options.target_pieces) if one)]
    return importing.Imported(make(Config, found, str(path)), made, pack(lists), tuple(read_files))


def checked(path: Path, told: Any, vocabulary: Any) -> dict[str, Any]:
    """The options that matter; ValueError names one that our model does not have."""
    found = told.state if isinstance(told, StandIn) else told
    if not isinstance(found, dict) or type(found.get("heads")) is not int:
        raise ValueError(f"{path}: opt: no options of a Transformer: it has no 'heads'")
    if arrays := [key for key, value in found.items() if isinstance(value, Tensor)]:
        raise ValueError(f"{path}: opt: {shown(arrays[0])} is a tensor, which no option is")
    for key, choices in FORM.items():
        value = found.get(key, choices[0])
        if value not in choices or (value is not None and type(value) is not type(choices[0])):
            raise ValueError(f"{path}: opt: {key} = {shown(value)}; our model has {choices[0]!r}")
    if found.get("position_encoding") not in (True, "true"):
        raise ValueError(f"{path}: opt: position_encoding = {shown(found.get('position_encoding'))}; ours is True")
    transforms = found.get("transforms") or []
    for transform in transforms if isinstance(transforms, list) else [transforms]:
        if transform not in TRANSFORMS:
            raise ValueError(f"{path}: opt: the text was transformed by {shown(transform)}; only SentencePiece is read")
    start = vocabulary.get("decoder_start_token", "<s>") if isinstance(vocabulary, dict) else "<s>"
    if start != "<s>":
        raise ValueError(f"{path}: vocab: decoder_start_token = {shown(start)}; '<s>' is read")
    dropout = found.get("dropout", 0.1)
    return {
        "heads": found["heads"],
        "dropout": dropout[0] if isinstance(dropout, list) and dropout else dropout,
        "norm_eps": found.get("norm_eps", 1e-6),
        "without_bias": [
            *([] if found.get("add_qkvbias", True) else ATTENTION),
            *([] if found.get("add_ffnbias", True) else ("inner", "outer")),
        ],
        "pos_ffn_activation_fn": found.get("pos_ffn_activation_fn", "relu"),
    }


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def pieces(path: Path, vocabulary: Any, side: str) -> list[str]:
    """The pieces of a side by their ids, in whichever of the three forms they are stored."""
    pairs = vocabulary.items() if isinstance(vocabulary, dict) else vocabulary
    if not isinstance(pairs, list | type({}.items())) or not all(
        isinstance(p, tuple | list) and len(p) == 2 for p in pairs
    ):
        raise ValueError(f"{path}: vocab: neither a dictionary nor a list of fields")
    named = dict((name, value) for name, value in pairs if isinstance(name, str))
    features = named.get("src_feats") not in (None, {}, [])
    if features or any(re.match(r"(src|tgt)_feat_", name) for name in named):
        raise ValueError(f"{path}: vocab: the source has features beside its words, which our model has not")
    found = words(named.get(side))
    if not found or not all(isinstance(word, str) for word in found):
        raise ValueError(f"{path}: vocab: no list of the words of '{side}'")
    return found


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
    """Their rows in the order of our ids; None for a special piece that only the other side has."""
    rows = {piece: row for row, piece in enumerate(pieces)}
    if len(rows) < len(pieces):
        raise ValueError(f"{path}: vocab: a word of the {side} is listed twice")
    first = [rows.get(name) for name in NAMES]
    needed = NAMES if side == "target" else NAMES[:2]
    if missing := [name for name, row in zip(NAMES, first, strict=True) if row is None and name in needed]:
        raise ValueError(f"{path}: vocab: '{missing[0]}' is no word of the {side}")
    special = set(first)
    return [*first, *(row for row in range(len(pieces)) if row not in special)]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def taken(
    path: Path, value: dict[str, Any], settings: dict[str, Any], orders: list
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The tensors by our names, embeddings in the order of our ids; and how many layers there are."""
    tensors, generator = (importing.of_torch(value[key], str(path), key) for key in ("model", "generator"))
    tensors.tensors = {fixed(name): tensor for name, tensor in tensors.tensors.items()}
    made, counts = {}, {}
    for ours, theirs, names in STACKS:
        count = counts[f"{ours}_layers"] = tensors.count(f"{theirs}.")
        if not count:
            raise ValueError(f"{path}: model: no layers {theirs}")
        bare = [name for name in names if name.split(".")[-1] in settings["without_bias"]]
        made |= importing.layers(tensors, ours, theirs, names, count, bare)
        for part in ("weight", "bias"):
            made[f"{ours}_norm.{part}"] = tensors.take(f"{ours}.layer_norm.{part}")
        for i in range(count):
            tensors.constant(f"{theirs.format(i=i)}.mask", hides_the_future)
    longest = POSITIONS
    for side, part, which in (("source", "encoder", orders[0]), ("target", "decoder", orders[1])):
        at = f"{part}.embeddings.make_embedding"
        name = f"{at}.emb_luts.0.weight"
        made[f"{side}_embedding.weight"] = importing.arranged(tensors.take(name), which, f"{path}: {name}")
        longest = positions(tensors, f"{at}.pe.pe", longest)
    tensors.finish()
    for part in ("weight", "bias"):
        name = f"0.{part}" if f"0.{part}" in generator else part
        where = f"{path}: generator {name}"
        made[f"generator.{part}"] = importing.arranged(generator.take(name), orders[1], where)
    generator.finish()
    return made, counts | {"max_length": longest}


def fixed(name: str) -> str:
    """A LayerNorm of before July 2018, as OpenNMT-py itself reads it since."""
    name = re.sub(r"(\.layer_norm(?:_\d+)?)\.a_2$", r"\1.weight", name)
    return re.sub(r"(\.layer_norm(?:_\d+)?)\.b_2$", r"\1.bias", name)


def positions(tensors: importing.Tensors, name: str, most: int) -> int:
    """Tick off the table of positions [N, 1, width], which must be ours; its length, `most` at most."""
    shape: list[int] = []

    def ours(table: Tensor) -> bool:
        shape.extend(table.shape)
        whole = len(shape) == 3 and shape[1] == 1 and shape[2] % 2 == 0
        return whole and importing.near(table[:, 0], sinusoids(shape[0], shape[2], "single"))

    tensors.constant(name, ours)
    return min([most, *shape[:1]])


def hides_the_future(mask: Tensor) -> bool:
    """[1, T, T]: 1 where a position must not look."""
    return mask.dim() == 3 and torch.equal(mask[0].bool(), torch.ones_like(mask[0], dtype=torch.bool).triu(1))
