"""Files as other toolkits write them, made by hand from a model of ours and a vocabulary of the tests."""

import argparse
import collections
import contextlib
import functools
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.data.test_lists import ONE, OTHER, listed
from tests.nmt.test_model import TOY
from tzip.data import pieces
from tzip.nmt.model import Transformer, sinusoids
from tzip.nmt.options import Config

PIECES = list(dict.fromkeys([*listed(ONE), *listed(OTHER)]))
MARIAN = {"activation": "silu", "positions": "halves", "max_length": 32}
MARIAN |= {"attention_dropout": 0.0, "activation_dropout": 0.0}  # as its configuration has it unless it says otherwise
OPENNMT = {"norm": "pre", "positions": "single", "epsilon": 1e-6, "source_end": False, "max_length": 40}


def model(size: int, seed: int = 0, **form: Any) -> Transformer:
    """A random model whose norms and biases are no constants."""
    torch.manual_seed(seed)
    made = Transformer(Config(**TOY | {"vocabulary": size} | form)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def renamed(state: dict[str, Tensor], prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    """The tensors below `prefix`, by the first of `names` that a name begins with."""
    found = {}
    for name, tensor in state.items():
        if name.startswith(prefix):
            rest = name.removeprefix(prefix)
            number, _, rest = rest.partition(".")
            ours = next(one for one in names if rest.startswith(one + "."))
            found[f"{number}.{names[ours]}{rest.removeprefix(ours)}"] = tensor.clone()
    return found


# ── Marian ────────────────────────────────────────────────────────────────────────────────────────

MARIAN_LAYER = {
    "self_attention.query": "self_attn.q_proj",
    "self_attention.key": "self_attn.k_proj",
    "self_attention.value": "self_attn.v_proj",
    "self_attention.output": "self_attn.out_proj",
    "self_attention_norm": "self_attn_layer_norm",
    "cross_attention.query": "encoder_attn.q_proj",
    "cross_attention.key": "encoder_attn.k_proj",
    "cross_attention.value": "encoder_attn.v_proj",
    "cross_attention.output": "encoder_attn.out_proj",
    "cross_attention_norm": "encoder_attn_layer_norm",
    "feed_forward.inner": "fc1",
    "feed_forward.outer": "fc2",
    "feed_forward_norm": "final_layer_norm",
}


def marian_ids() -> dict[str, int]:
    """vocab.json: the end, unknown, the pieces, padding."""
    return {piece: i for i, piece in enumerate(["</s>", "<unk>", *PIECES, "<pad>"])}


def marian_rows(ours: Tensor) -> Tensor:
    """Rows in the order of marian_ids; ours has padding, unknown, begin (their padding), end, the pieces."""
    return torch.cat([ours[3:4], ours[1:2], ours[4:], ours[2:3]]).clone()


def marian_state(made: Transformer) -> dict[str, Tensor]:
    state = made.state_dict()
    found = {"final_logits_bias": marian_rows(state["generator.bias"][:, None]).T.contiguous()}
    found["model.shared.weight"] = marian_rows(state["target_embedding.weight"])
    for stack in ("encoder", "decoder"):
        layers = renamed(state, f"{stack}.", MARIAN_LAYER)
        found |= {f"model.{stack}.layers.{name}": tensor for name, tensor in layers.items()}
    return found


def marian_config(made: Transformer, **given: Any) -> dict[str, Any]:
    config, last = made.config, len(PIECES) + 2
    return {
        "model_type": "marian",
        "vocab_size": last + 1,
        "decoder_vocab_size": last + 1,
        "d_model": config.d_model,
        "encoder_layers": config.encoder_layers,
        "scale_embedding": True,
        "decoder_layers": config.decoder_layers,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "activation_function": "swish",
        "dropout": 0.1,
        "max_position_embeddings": 32,
        "pad_token_id": last,
        "eos_token_id": 0,
        "decoder_start_token_id": last,
        "bad_words_ids": [[last]],
        "num_beams": 6,
        "normalize_before": False,
        "static_position_embeddings": True,
        "share_encoder_decoder_embeddings": True,
    } | given


def marian(
    folder: Path, made: Transformer, torch_file: bool = False, more: dict[str, Tensor] | None = None, **given: Any
) -> Path:
    """A folder as MarianMTModel.save_pretrained makes it; `more` tensors, and settings that are `given`."""
    folder.mkdir(parents=True)
    state = marian_state(made) | (more or {})
    if torch_file:
        table = sinusoids(32, made.config.d_model, "halves")
        state |= {f"model.{stack}.embed_positions.weight": table for stack in ("encoder", "decoder")}
        state["lm_head.weight"] = state["model.shared.weight"]
        torch.save(collections.OrderedDict(state), folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    else:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(marian_config(made, **given)))
    (folder / "vocab.json").write_text(json.dumps(marian_ids()), encoding="utf-8")
    (folder / "source.spm").write_bytes(ONE)
    (folder / "target.spm").write_bytes(OTHER)
    return folder


# ── ours ──────────────────────────────────────────────────────────────────────────────────────────

OURS = {"activation": "gelu", "norm": "pre", "tie": "decoder", "max_length": 30}


def vocabulary_of_ours(folder: Path) -> Path:
    """A SentencePiece model of ours, of 280 pieces."""
    (folder / "text").write_text("a small house stands by the lake\nein Haus\n" * 20, encoding="utf-8")
    pieces.train([folder / "text"], folder / "pieces.model", pieces.Options(size=280))
    return folder / "pieces.model"


def equal(one: Transformer, other: Transformer) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(x, states[1][n]) for n, x in states[0].items())


# ── OpenNMT-py ────────────────────────────────────────────────────────────────────────────────────

OPENNMT_LAYER = {
    "self_attention.query": "self_attn.linear_query",
    "self_attention.key": "self_attn.linear_keys",
    "self_attention.value": "self_attn.linear_values",
    "self_attention.output": "self_attn.final_linear",
    "cross_attention.query": "context_attn.linear_query",
    "cross_attention.key": "context_attn.linear_keys",
    "cross_attention.value": "context_attn.linear_values",
    "cross_attention.output": "context_attn.final_linear",
    "cross_attention_norm": "layer_norm_2",
    "feed_forward.inner": "feed_forward.w_1",
    "feed_forward.outer": "feed_forward.w_2",
    "feed_forward_norm": "feed_forward.layer_norm",
}
WORDS = ["<unk>", "<blank>", "<s>", "</s>", *PIECES]
OPT = {
    "heads": 2,
    "encoder_type": "transformer",
    "decoder_type": "transformer",
    "position_encoding": True,
    "model_type": "text",
    "max_relative_positions": 0,
    "copy_attn": False,
    "self_attn_type": "scaled-dot",
    "dropout": 0.1,
    "context_gate": None,
    "generator_function": "softmax",
    "rnn_size": 16,
    "layers": 2,
}


def opennmt_rows(ours: Tensor) -> Tensor:
    """Rows in the order of WORDS: unknown and padding change places."""
    return torch.cat([ours[1:2], ours[:1], ours[2:]]).clone()


def opennmt_state(made: Transformer, old_norms: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`model` and `generator`; with `old_norms`, LayerNorms are as before July 2018."""
    state, found = made.state_dict(), {}
    for stack, layers, norm in (
        ("encoder", "transformer", "layer_norm"),
        ("decoder", "transformer_layers", "layer_norm_1"),
    ):
        names = OPENNMT_LAYER | {"self_attention_norm": norm}
        inner = renamed(state, f"{stack}.", names)
        found |= {f"{stack}.{layers}.{name}": tensor for name, tensor in inner.items()}
        for part in ("weight", "bias"):
            found[f"{stack}.layer_norm.{part}"] = state[f"{stack}_norm.{part}"].clone()
        at = f"{stack}.embeddings.make_embedding"
        side = "source" if stack == "encoder" else "target"
        found[f"{at}.emb_luts.0.weight"] = opennmt_rows(state[f"{side}_embedding.weight"])
        found[f"{at}.pe.pe"] = sinusoids(40, made.config.d_model, "single")[:, None]
        if stack == "decoder":
            for i in range(made.config.decoder_layers):
                mask = torch.ones(1, 40, 40, dtype=torch.uint8).triu(1)
                found[f"decoder.transformer_layers.{i}.mask"] = mask
    if old_norms:
        ends = {"weight": "a_2", "bias": "b_2"}
        found = {
            f"{name.rpartition('.')[0]}.{ends[name.rpartition('.')[2]]}" if ".layer_norm" in name else name: x
            for name, x in found.items()
        }
    generator = {f"0.{part}": opennmt_rows(state[f"generator.{part}"]) for part in ("weight", "bias")}
    return found, generator


@contextlib.contextmanager
def torchtext() -> Iterator[types.SimpleNamespace]:
    """Classes whose pickles name torchtext's and OpenNMT-py's modules, which are gone when the block ends."""
    places = {
        "Vocab": "torchtext.vocab",
        "Field": "torchtext.data.field",
        "TextMultiField": "onmt.inputters.text_dataset",
    }
    made = types.SimpleNamespace()
    for name, place in places.items():
        parts = place.split(".")
        for i in range(len(parts)):
            full = ".".join(parts[: i + 1])
            sys.modules.setdefault(full, types.ModuleType(full))
        kind = type(name, (), {"__module__": place, "__init__": lambda self, **given: vars(self).update(given)})
        setattr(sys.modules[place], name, kind)
        setattr(made, name, kind)
    made.cut = _cut
    made.cut.__module__ = "onmt.inputters.text_dataset"
    sys.modules["onmt.inputters.text_dataset"].__dict__["_cut"] = _cut
    try:
        yield made
    finally:
        for module in [one for one in sys.modules if one.split(".")[0] in ("torchtext", "onmt")]:
            del sys.modules[module]


def _cut(text: str) -> list[str]:
    return text.split()


def fields(classes: types.SimpleNamespace, words: list[str], form: str) -> Any:
    """A side's words as its field, in the form of 2018, or of 2019 and 2020."""
    numbers = {word: i for i, word in enumerate(words)}
    vocab = classes.Vocab(freqs=collections.Counter(words), itos=words, stoi=numbers, vectors=None)
    if form == "2018":
        return vocab
    field = classes.Field(
        vocab=vocab, pad_token="<blank>", tokenize=functools.partial(classes.cut, x=1), dtype=torch.int64
    )
    return classes.TextMultiField(fields=[("src", field)]) if form == "2019" else [("src", field)]


def opennmt(
    path: Path, made: Transformer, form: str = "2019", zipped: bool = False, words: Any = None, **given: Any
) -> Path:
    """A checkpoint as OpenNMT-py saves it, in the form of 2018, of 2019 or of 3.x.

    words  those of the source and of the target; both have WORDS where it is None
    given  what differs in `model`, or in `opt`
    """
    sides = words or (WORDS, WORDS)
    model_state, generator = opennmt_state(made, old_norms=form == "2018")
    extra = {name: tensor for name, tensor in given.items() if isinstance(tensor, Tensor)}
    options = OPT | {name: value for name, value in given.items() if name not in extra}
    value = {
        "model": collections.OrderedDict(model_state | extra),
        "optim": None,
        "epoch": 10,
        "opt": argparse.Namespace(**{k: v for k, v in options.items() if v is not ...}),
    }
    if form == "3":
        generator = {name.removeprefix("0."): tensor for name, tensor in generator.items()}
        value |= {"vocab": dict(zip(("src", "tgt"), sides, strict=True)) | {"data_task": "seq2seq"}}
        torch.save(value | {"generator": generator}, path)
        return path
    with torchtext() as classes:
        found = {side: fields(classes, one, form) for side, one in zip(("src", "tgt"), sides, strict=True)}
        found |= {"indices": fields(classes, [], form)} if form == "2018" else {}
        vocab = list(found.items()) if form == "2018" else found
        torch.save(
            value | {"generator": collections.OrderedDict(generator), "vocab": vocab},
            path,
            _use_new_zipfile_serialization=zipped,
        )
    return path
