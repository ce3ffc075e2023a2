"""Folders of M2M-100 and NLLB as Hugging Face publishes them, made by hand from a model of ours."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.data.test_lists import ONE, listed
from tests.toys import foreign
from tzip.exchange.importers.m2m100 import CODES
from tzip.nmt.model import Transformer

PIECES = listed(ONE)
FAIRSEQ = ["<s>", "<pad>", "</s>", "<unk>"]
FLORES = ["deu_Latn", "eng_Latn", "zho_Hans"]
ADDED = {"m2m100": [f"__{code}__" for code in CODES["m2m100"].split()], "nllb": [*FLORES, "<mask>"]}
LANGUAGES = {
    "m2m100": {"source_language": "en", "target_language": "de"},
    "nllb": {"source_language": "eng_Latn", "target_language": "deu_Latn"},
}


def names(kind: str) -> list[str]:
    """The pieces by fairseq's numbers."""
    return [*FAIRSEQ, *PIECES, *ADDED[kind]]


def model(kind: str = "m2m100", **form: Any) -> Transformer:
    """A random model of the form, as it is imported: what begins a translation has the row of the end."""
    size = 1 + len(names(kind))
    given = {"norm": "pre", "positions": "fairseq", "max_length": 40, "attention_dropout": 0.1}
    given |= {"activation_dropout": 0.0, "target_prefix": 1 + names(kind).index(target(kind))}
    made = foreign.model(size, **given | form)
    with torch.no_grad():
        made.target_embedding.weight[2] = made.target_embedding.weight[3]
        made.generator.bias.zero_()
    return made


def target(kind: str) -> str:
    """The piece of the language to translate into."""
    code = LANGUAGES[kind]["target_language"]
    return f"__{code}__" if kind == "m2m100" else code


def rows(ours: Tensor) -> Tensor:
    """Rows in the order of fairseq's numbers; ours are padding, unknown, begin, end, <s>, the pieces."""
    return torch.cat([ours[4:5], ours[0:1], ours[3:4], ours[1:2], ours[5:]]).clone()


def state(made: Transformer) -> dict[str, Tensor]:
    ours = made.state_dict()
    found = {"model.shared.weight": rows(ours["target_embedding.weight"])}
    for stack in ("encoder", "decoder"):
        layers = foreign.renamed(ours, f"{stack}.", foreign.MARIAN_LAYER)
        found |= {f"model.{stack}.layers.{name}": tensor for name, tensor in layers.items()}
        for part in ("weight", "bias"):
            found[f"model.{stack}.layer_norm.{part}"] = ours[f"{stack}_norm.{part}"].clone()
    return found


def config(made: Transformer, kind: str, **given: Any) -> dict[str, Any]:
    found = {key: value for key, value in foreign.marian_config(made).items() if "normalize" not in key}
    found |= {"model_type": "m2m_100", "vocab_size": len(names(kind)), "activation_function": "relu"}
    found |= {"pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "bos_token_id": 0}
    found |= {"max_position_embeddings": 40, "bad_words_ids": None, "attention_dropout": 0.1}
    return found | {"activation_dropout": 0.0} | given


def write(folder: Path, made: Transformer, kind: str = "m2m100", more: dict | None = None, **given: Any) -> Path:
    """A folder of this kind; `more` tensors, and settings of config.json that are `given`."""
    folder.mkdir(parents=True)
    save_file(state(made) | (more or {}), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(made, kind, **given)))
    (folder / "sentencepiece.bpe.model").write_bytes(ONE)
    if kind == "m2m100":
        ids = {piece: i for i, piece in enumerate([*FAIRSEQ, *PIECES])}
        (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"language_codes": "m2m100"}))
    else:
        tokenizer = {"model": {"type": "BPE", "vocab": {piece: i for i, piece in enumerate([*FAIRSEQ, *PIECES])}}}
        added = [{"id": i, "content": piece} for i, piece in enumerate(names(kind)) if piece not in PIECES]
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"added_tokens": added}), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"legacy_behaviour": False}))
        listed_too = {"additional_special_tokens": ADDED["nllb"][:-1]}
        (folder / "special_tokens_map.json").write_text(json.dumps(listed_too))
    return folder
