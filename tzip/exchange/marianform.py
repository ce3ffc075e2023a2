"""A model of ours as Marian has it: its tensors' names and layout, its options, the numbers of its pieces.

Read in marian-dev (src/models/transformer.h, src/layers/generic.h). Marian has neither padding nor a piece that
begins a translation: their rows are left out.
"""

from typing import Any

import numpy as np
from torch import Tensor

from tzip.data.pieces import END, UNKNOWN, Pieces
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

MARIAN = {"positions": "marian", "begin": "zeros", "epsilon": 1e-6}  # the same in every model
ACTIVATIONS = {"relu": "relu", "swish": "silu"}  # Marian's gelu is x · sigmoid(1.702 x), which ours is not
# Before and after each block, and at the top of a stack, without dropout: n normalizes, a adds the input.
ORDERS = {("", "an", ""): "post", ("n", "a", "n"): "pre"}
SIZES = {"dim-emb": "d_model", "enc-depth": "encoder_layers", "dec-depth": "decoder_layers"}
SIZES |= {"transformer-heads": "heads", "transformer-dim-ffn": "d_ff"}
RATES = {"transformer-dropout": "dropout", "transformer-dropout-attention": "attention_dropout"}
RATES |= {"transformer-dropout-ffn": "activation_dropout"}
ATTENTION = {"query": "q", "key": "k", "value": "v", "output": "o"}
BIAS = "decoder_ff_logit_out_b"
FORM = {
    "mixer": ("attention",),
    "decoder_mixer": ("attention", "same", "ssru"),
    "binary_inputs": ("none",),
    "source_end": (True,),
    "activation": tuple(ACTIVATIONS.values()),
    **{key: (value,) for key, value in MARIAN.items()},
}
SPECIAL = ("</s>", "<unk>")
SAME = {  # what every model has, and Marian or its readers ask for
    "type": "transformer",
    **dict.fromkeys(
        ("layer-normalization", "right-left", "transformer-no-projection", "transformer-aan-nogate"), False
    ),
    **dict.fromkeys(("transformer-train-position-embeddings", "transformer-rnn-projection", "ulr"), False),
    **dict.fromkeys(("transformer-ffn-depth", "transformer-aan-depth", "dec-cell-base-depth"), 2),
    "dec-cell-high-depth": 1,
    "ulr-dim-emb": 0,
    "transformer-postprocess-emb": "d",
    "transformer-guided-alignment-layer": "last",
}


def names(config: Config) -> dict[str, str]:
    """Our name of every parameter of the layers → Marian's, whose layers count from 1."""
    result, before = {}, "_pre" if config.norm == "pre" else ""
    norms: dict[str, tuple[str, str]] = {}  # our module → Marian's name, and what follows it
    for stack, mixer in zip(("encoder", "decoder"), config.mixers, strict=True):
        for i in range(getattr(config, f"{stack}_layers")):
            ours, theirs = f"{stack}.{i}", f"{stack}_l{i + 1}"
            blocks = {"self_attention": "self"} if mixer == "attention" else {}
            blocks |= {"cross_attention": "context"} if stack == "decoder" else {}
            for block, name in blocks.items():
                for part, letter in ATTENTION.items():
                    result[f"{ours}.{block}.{part}.weight"] = f"{theirs}_{name}_W{letter}"
                    result[f"{ours}.{block}.{part}.bias"] = f"{theirs}_{name}_b{letter}"
                norms[f"{ours}.{block}_norm"] = f"{theirs}_{name}_Wo", before
            if mixer == "ssru":
                parts = {"input.weight": "W", "forget.weight": "Wf", "forget.bias": "bf"}
                result |= {f"{ours}.ssru.{part}": f"{theirs}_rnn_{name}" for part, name in parts.items()}
                norms[f"{ours}.ssru_norm"] = f"{theirs}_rnn" + ("" if before else "_ffn"), before
            for number, part in enumerate(("inner", "outer"), 1):
                result[f"{ours}.feed_forward.{part}.weight"] = f"{theirs}_ffn_W{number}"
                result[f"{ours}.feed_forward.{part}.bias"] = f"{theirs}_ffn_b{number}"
            norms[f"{ours}.feed_forward_norm"] = f"{theirs}_ffn_ffn", before
        if before:
            norms[f"{stack}_norm"] = f"{stack}_top", ""
    for module, (name, end) in norms.items():
        result |= {f"{module}.weight": f"{name}_ln_scale{end}", f"{module}.bias": f"{name}_ln_bias{end}"}
    return result


def rows(count: int) -> list[int]:
    """Our rows in the order of Marian's ids: the end, unknown, the pieces; padding and beginning it has not."""
    return [END, UNKNOWN, *range(END + 1, count)]


def spelled(pieces: Pieces, target: bool) -> list[str]:
    """The pieces of a side by Marian's ids."""
    count = pieces.targets if target else len(pieces)
    return [*SPECIAL, *pieces.spell(rows(count)[len(SPECIAL) :], target=target)]


def values(model: Transformer) -> dict[str, np.ndarray]:
    """The weights by Marian's names: matrices [in, out], vectors [1, n], embeddings [pieces, width]."""
    config, state = model.config, model.state_dict()
    turned = {theirs: state[ours] for ours, theirs in names(config).items()}
    result = {name: array(tensor.mT if tensor.dim() == 2 else tensor[None]) for name, tensor in turned.items()}
    tables = {"source": "encoder_Wemb", "target": "decoder_Wemb"} if config.tie != "all" else {"target": "Wemb"}
    for side, name in tables.items():
        table = state[f"{side}_embedding.weight"]
        result[name] = array(table[rows(len(table))])
    targets = rows(config.targets)
    if config.tie == "none":
        result["decoder_ff_logit_out_W"] = array(state["generator.weight"][targets].mT)
    result[BIAS] = array(state["generator.bias"][targets][None])
    return result


def array(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().cpu().float().numpy())


def settings(config: Config) -> dict[str, Any]:
    """The options that Marian finds in a model: special:model.yml."""
    ((before, after, top),) = [order for order, norm in ORDERS.items() if norm == config.norm]
    recurrent = config.mixers[1] == "ssru"
    return SAME | {
        **{key: getattr(config, option) for key, option in SIZES.items()},
        **{key: rate(config, option) for key, option in RATES.items()},
        "dim-vocabs": [len(rows(config.vocabulary)), len(rows(config.targets))],
        "transformer-ffn-activation": next(name for name, ours in ACTIVATIONS.items() if ours == config.activation),
        "transformer-preprocess": before,
        "transformer-postprocess": f"d{after}",
        "transformer-postprocess-top": top,
        "transformer-decoder-autoreg": "rnn" if recurrent else "self-attention",
        "dec-cell": "ssru" if recurrent else "gru",
        "tied-embeddings-all": config.tie == "all",
        "tied-embeddings": config.tie != "none",
        "tied-embeddings-src": config.tie == "all",
    }


def rate(config: Config, option: str) -> float:
    """A dropout; -1 stands for that of the rest."""
    return config.dropout if getattr(config, option) < 0 else getattr(config, option)
