"""A folder of Marian itself, laid out like an archive of OPUS-MT: model.npz, vocab.yml, SentencePiece models.

Marian reads text that was cut into pieces beforehand (`spm_encode --model source.spm`), and numbers the pieces by
vocab.yml.
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from tzip import files
from tzip.data.pieces import END, UNKNOWN, Pieces
from tzip.exchange import exporting, marianfile
from tzip.exchange.importers.marian_nmt import ACTIVATIONS, BIAS, MARIAN, ORDERS, RATES, SIZES, names
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config

TYPES = ("float32",)
USES = ()
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
SEARCH = {"relative-paths": True, "beam-size": 5, "normalize": 0.6, "word-penalty": 0.0}


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write model.npz, vocab.yml (or one per side), source.spm, target.spm and decoder.yml.

    ValueError in one line if Marian has no model of this form, or its vocabulary two pieces of one name.
    """
    exporting.only(model, FORM, "Marian")
    shared = model.config.tie == "all"
    lists = ["vocab.yml"] if shared else ["src.vocab.yml", "trg.vocab.yml"]
    for side, name in enumerate(lists):
        words = spelled(pieces, bool(side))
        if len(set(words)) < len(words):
            raise ValueError(f"a piece is called like one of {', '.join(SPECIAL)}, which are special in Marian")
        text = yaml.safe_dump({word: row for row, word in enumerate(words)}, sort_keys=False, allow_unicode=True)
        files.write_text(folder / name, text)
    for name, data in zip(("source.spm", "target.spm"), pieces.models, strict=True):
        (folder / name).write_bytes(data)
    search = {"models": ["model.npz"], "vocabs": [lists[0], lists[-1]]} | SEARCH
    files.write_text(folder / "decoder.yml", yaml.safe_dump(search, sort_keys=False))
    marianfile.save_archive(folder / "model.npz", values(model), settings(model.config))


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
