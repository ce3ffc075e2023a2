"""A folder of Hugging Face's M2M100ForConditionalGeneration: M2M-100 (arXiv 2010.11125), NLLB (arXiv 2207.04672).

Holds to transformers 5.23 (models/m2m_100, models/nllb): LayerNorm before each block and after the last, fairseq's
positions, a source that begins with the piece of its language and ends in </s>. A translation begins with </s>
and the piece of its own language. Pieces have fairseq's numbers: M2M-100 has them in vocab.json, languages follow;
NLLB's are those of its SentencePiece model plus one, and tokenizer.json or another file says what follows.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.data.pieces import Pieces, sentence_pieces
from tzip.exchange import huggingface, importing
from tzip.files import read_json
from tzip.nmt.model import sinusoids
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("source_language", "target_language")
NEEDS = ()
MODEL, NUMBERS, TOKENIZER = "sentencepiece.bpe.model", "vocab.json", "tokenizer.json"
SETTINGS = "tokenizer_config.json"
LISTS = ("special_tokens_map.json", SETTINGS)  # of NLLB, where languages are listed, too
NAMES = ("<pad>", "<unk>", "<s>", "</s>")
FAIRSEQ = ("<s>", "<pad>", "</s>", "<unk>")  # the first pieces of NLLB
# What would change the computation, and the values that our model computes; positions are counted from padding's
# number on.
FORM: dict[str, tuple[Any, ...]] = {"model_type": ("m2m_100",), "scale_embedding": (True,), "pad_token_id": (1,)}
RATES = (("dropout", 0.1), ("attention_dropout", 0.1), ("activation_dropout", 0.0))
CODES = {  # of vocab.json, the languages that follow, by the tokenizer's option `language_codes`
    "m2m100": "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi hr"
    " ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns oc or pa pl ps"
    " pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu",
    "wmt21": "en ha is ja cs ru zh de",
}


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` looks like such a folder."""
    return huggingface.model_type(path) == "m2m_100"


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the folder `path`; ValueError in one line for a model that ours is not."""
    settings = huggingface.checked(path / huggingface.CONFIG, FORM)
    weights = huggingface.weights(path)
    pieces, languages, names = vocabulary(path, settings["vocab_size"])
    prefixes = [languages[chosen(key, options, languages)] for key in USES]
    huggingface.check_search(path, settings["pad_token_id"], pieces.index(prefixes[1]))
    rows = order(path, pieces, settings)
    model = importing.piece_model(path / MODEL)
    spelled = importing.spelled(pieces, [*rows[:2], None, *rows[3:]], NAMES)
    data = pack(Lists(model, b"", spelled, prefix=prefixes[0], target_prefix=prefixes[1]))
    config = make(
        Config,
        {
            **Pieces(data).decides(),
            **{option: settings[key] for key, option in huggingface.SIZES.items()},
            "tie": "none",
            "positions": "fairseq",
            **{key: settings.get(key, rate) for key, rate in RATES},
            "norm": "pre",
            "activation": huggingface.ACTIVATIONS[settings["activation_function"]],
        },
        str(path / huggingface.CONFIG),
    )
    tensors = importing.opened(weights)
    shared = settings.get("tie_word_embeddings") is not False
    result = taken(tensors, config, shared, rows, settings["vocab_size"])
    tensors.finish([] if shared else [huggingface.SHARED])
    config = dataclasses.replace(config, tie=importing.tie(result, shared=True))
    files = [*importing.parts(weights), *(path / name for name in (huggingface.CONFIG, MODEL, *names))]
    return importing.Imported(config, result, data, tuple(files))


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def vocabulary(path: Path, size: int) -> tuple[list[str], dict[str, str], list[str]]:
    """The pieces by fairseq's numbers, each language's piece by its code, and the files that say so.

    size  rows of the embeddings; those beyond the pieces are padding
    """
    settings = read_json(path / SETTINGS) if (path / SETTINGS).is_file() else {}
    settings = settings if isinstance(settings, dict) else {}
    if settings.get("legacy_behaviour", False) is not False:
        raise ValueError(
            f"{path / SETTINGS}: legacy_behaviour = {shown(settings['legacy_behaviour'])}: its sources end in their"
            " language; our model's begin with it, as with legacy_behaviour = False"
        )
    if (path / NUMBERS).is_file():
        pieces = huggingface.numbered(path / NUMBERS, size)
        kind = settings.get("language_codes", "m2m100")
        if kind not in list(CODES):
            said = f"language_codes = {shown(kind)} is not one of {', '.join(CODES)}"
            raise ValueError(f"{path / SETTINGS}: {said}")
        languages = {code: f"__{code}__" for code in CODES[kind].split()[: size - len(pieces)]}
        pieces += languages.values()
        names = [NUMBERS, SETTINGS] if settings else [NUMBERS]
    else:
        pieces, name = nllb(path)
        languages = {piece: piece for piece in pieces if re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", piece)}
        names = [name]
    if not languages or len(pieces) > size:
        said = f"{len(pieces)} pieces, {len(languages)} of languages, for {size} rows of embeddings"
        raise ValueError(f"{path / names[0]}: {said}")
    return pieces, languages, names


def nllb(path: Path) -> tuple[list[str], str]:
    """NLLB's pieces by their numbers, and the file that names those which the SentencePiece model lacks."""
    if not (path / MODEL).is_file() and (path / TOKENIZER).is_file():
        raise ValueError(f"{path}: {MODEL} is missing; {TOKENIZER} alone is not read")
    model = sentence_pieces(importing.piece_model(path / MODEL), str(path / MODEL))
    if (special := (model.unk_id(), model.bos_id(), model.eos_id())) != (0, 1, 2):
        raise ValueError(f"{path / MODEL}: unk, bos, eos are {special}; those of NLLB are (0, 1, 2)")
    pieces = [*FAIRSEQ, *(model.id_to_piece(i) for i in range(3, len(model)))]
    if (path / TOKENIZER).is_file():
        return numbered_by_tokenizer(path / TOKENIZER, pieces), TOKENIZER
    for name in LISTS:
        value = read_json(path / name) if (path / name).is_file() else {}
        listed = value.get("additional_special_tokens") if isinstance(value, dict) else None
        if isinstance(listed, list) and listed and all(isinstance(piece, str) for piece in listed):
            return [*pieces, *(piece for piece in listed if piece not in FAIRSEQ), "<mask>"], name
    raise ValueError(f"{path}: nothing lists its languages: neither {TOKENIZER} nor {' nor '.join(LISTS)}")


def numbered_by_tokenizer(path: Path, pieces: list[str]) -> list[str]:
    """The pieces of the SentencePiece model, which tokenizer.json must number alike, and those that it adds."""
    value = read_json(path)
    model, added = (value.get(key) if isinstance(value, dict) else None for key in ("model", "added_tokens"))
    numbers = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(numbers, dict) or not isinstance(added, list):
        raise ValueError(f"{path}: no tokenizer of NLLB: it must have added_tokens and, of its model, a vocab")
    numbers = dict(numbers)
    for entry in added:
        if not isinstance(entry, dict) or type(entry.get("id")) is not int or type(entry.get("content")) is not str:
            raise ValueError(f"{path}: added_tokens: an entry without a number 'id' and a text 'content'")
        numbers[entry["content"]] = entry["id"]
    for number, piece in enumerate(pieces):
        if numbers.pop(piece, None) != number:
            raise ValueError(f"{path}: {piece[:80]!r} does not have the number {number}, as by {MODEL}")
    whole = all(type(number) is int for number in numbers.values())
    if not whole or sorted(numbers.values()) != list(range(len(pieces), len(pieces) + len(numbers))):
        raise ValueError(f"{path}: the numbers of its {len(numbers)} other pieces do not follow {len(pieces) - 1}")
    return [*pieces, *sorted(numbers, key=numbers.__getitem__)]


def chosen(key: str, options: importing.Options, languages: dict[str, str]) -> str:
    """The language that an option chooses."""
    code = getattr(options, key)
    if code in languages:
        return code
    said = f"{key} = {code!r} is not one of" if code else f"{key}: give the language, one of"
    raise ValueError(f"{said} {', '.join(languages)}")


def order(path: Path, pieces: list[str], settings: dict[str, Any]) -> list[int]:
    """The file's rows in the order of our ids; what begins a translation is a copy of the row that does it there."""
    special = [settings[f"{key}_token_id"] for key in ("pad", "decoder_start", "eos")]
    if not all(type(row) is int and 0 <= row < len(pieces) for row in special) or "<unk>" not in pieces:
        raise ValueError(f"{path}: pad, eos or decoder_start of config.json, or <unk>, is none of its pieces")
    pad, start, end = special
    unknown = pieces.index("<unk>")
    if len({pad, unknown, end}) < 3:
        raise ValueError(f"{path}: pad, <unk> and eos are not three pieces")
    return [pad, unknown, start, end, *(row for row in range(len(pieces)) if row not in (pad, unknown, end))]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def taken(tensors: importing.Tensors, config: Config, shared: bool, rows: list[int], size: int) -> dict[str, Tensor]:
    """The tensors by our names, embeddings in the order of our ids; `size` counts their rows with padding.

    The largest come first, while nothing else is in memory.
    """
    if not shared and huggingface.TABLES[2] not in tensors:
        raise ValueError(f"{tensors.where}: no tensor '{huggingface.TABLES[2]}', which config.json says is not tied")
    names = ("source_embedding.weight", "target_embedding.weight", "generator.weight")
    tables = dict(zip(names, huggingface.tables(tensors, shared), strict=True))
    result = huggingface.arranged(tables, [rows] * 3, [size] * 3, tensors.where)
    del tables
    result["generator.bias"] = result["generator.weight"].new_zeros(len(rows))
    for stack in ("encoder", "decoder"):
        tensors.constant(f"model.{stack}.embed_positions.weights", lambda table: is_sinusoids(table, config))
        for part in ("weight", "bias"):
            result[f"{stack}_norm.{part}"] = tensors.pop(f"model.{stack}.layer_norm.{part}")
    return result | huggingface.in_layers(tensors, config)


def is_sinusoids(table: Tensor, config: Config) -> bool:
    """Whether a table has the positions that our model computes, after two rows that stand for none."""
    fits = table.dim() == 2 and len(table) > 2 and table.shape[1] == config.d_model
    return fits and importing.near(table[2:], sinusoids(len(table) - 2, config.d_model, config.positions))
