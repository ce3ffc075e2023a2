"""A folder of Marian itself: model.npz or a .bin container, such as OPUS-MT's archives and Firefox's students.

Holds to marian-dev (src/models/transformer.h, src/layers, src/data): LayerNorm with an epsilon of 1e-6, Marian's
own position encodings, sources that end in </s>, translations that begin with a zero vector. The decoder has
self-attention or recurrent units (SSRU). Numbers that scale activations for products of integers (`_QuantMultA`,
Firefox's alphas) are left out: products here are of the numbers that 8-bit weights stand for.
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from tzip.data.lists import Lists, pack
from tzip.data.pieces import sentence_pieces
from tzip.exchange import importing, marianfile
from tzip.exchange.marianform import ACTIVATIONS, BIAS, MARIAN, ORDERS, RATES, SIZES, names
from tzip.nmt.options import Config
from tzip.options import make, shown

USES = ("pieces", "target_pieces", "prefix")
NEEDS = ()
POSITIONS = 5000  # that a model has; Marian computes them as it needs them
NAMES = ("<pad>", "<unk>", "<s>", "</s>")
NO = ("false",)
# What would change the computation, and the values that our model computes; the first is the default.
FORM: dict[str, tuple[Any, ...]] = {
    "type": ("transformer",),
    "transformer-ffn-depth": ("2",),
    "transformer-decoder-ffn-depth": ("0", "2"),
    "transformer-postprocess-emb": ("d", ""),
    "transformer-tied-layers": ([],),
    "input-types": ([],),
    "lemma-dim-emb": ("0",),
    **dict.fromkeys(("transformer-no-projection", "transformer-rnn-projection", "transformer-pool"), NO),
    **dict.fromkeys(("transformer-train-positions", "transformer-train-position-embeddings"), NO),
    **dict.fromkeys(("transformer-no-bias", "transformer-no-affine"), NO),
    **dict.fromkeys(("layer-normalization", "right-left", "ulr"), NO),
}
REQUIRED = ("type", "dim-vocabs", *SIZES, "transformer-ffn-activation")


def recognizes(path: Path, options: importing.Options) -> bool:
    """Whether `path` is a model of Marian, or a folder with one."""
    return bool(models(path))


def read(path: Path, options: importing.Options) -> importing.Imported:
    """Read the folder or model file `path`; ValueError in one line for a model that ours is not."""
    file = path if path.is_file() else model_file(path)
    values, settings = marianfile.load(file)
    form = checked(settings, str(file))
    lists, orders, read_files = vocabulary(file.parent, path.is_dir(), options)
    tensors = importing.Tensors({name: torch.from_numpy(value) for name, value in values.items()}, str(file))
    sizes = {"vocabulary": len(lists.source), "target_vocabulary": len(lists.target)}
    config = make(Config, sizes | form | MARIAN | {"tie": "none", "max_length": POSITIONS}, str(file))
    result = taken(tensors, config, settings, orders)
    tensors.finish(name for name in values if name.endswith("_QuantMultA"))
    config = dataclasses.replace(config, tie=importing.tie(result, shared=not lists.target))
    return importing.Imported(config, result, pack(lists), (file, *read_files))


def model_file(folder: Path) -> Path:
    """The one model in a folder."""
    if len(found := models(folder)) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ValueError(f"{folder}: it must have one model, .npz or .bin; found: {names}. Name the file itself")
    return found[0]


def models(path: Path) -> list[Path]:
    """The models in a folder, or the file itself if it is one."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.suffix in (".npz", ".bin") and file.is_file() and marianfile.is_model(file)]


def checked(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Options of Config; ValueError names an option that our model does not have."""
    where = f"{where}: {marianfile.SETTINGS}"
    for key in REQUIRED:
        if key not in settings:
            raise ValueError(f"{where}: '{key}' is missing")
    for key, choices in FORM.items():
        if (value := settings.get(key, choices[0])) not in choices:
            raise ValueError(f"{where}: {key} = {shown(value)}; our model has {choices[0]!r}")
    if (activation := settings["transformer-ffn-activation"]) not in list(ACTIVATIONS):
        raise ValueError(f"{where}: transformer-ffn-activation = {shown(activation)} is not one of relu, swish")
    if (width := settings.get("transformer-decoder-dim-ffn", "0")) not in ("0", settings["transformer-dim-ffn"]):
        raise ValueError(f"{where}: transformer-decoder-dim-ffn = {shown(width)}: our stacks have one width")
    keys = [f"transformer-{key}" for key in ("preprocess", "postprocess", "postprocess-top")]
    given = [str(settings.get(key, default)) for key, default in zip(keys, ("", "dan", ""), strict=True)]
    order = tuple(operations.replace("d", "") for operations in given)
    if order not in ORDERS:
        said = ", ".join(f"{key} = {shown(value)}" for key, value in zip(keys, given, strict=True))
        raise ValueError(f"{where}: {said}; our model has '', 'dan', '' or 'n', 'da', 'n'")
    autoreg = settings.get("transformer-decoder-autoreg", "self-attention")
    mixer = {"self-attention": "same", "rnn": settings.get("dec-cell", "gru")}.get(str(autoreg), str(autoreg))
    if mixer not in ("same", "ssru"):
        said = f"transformer-decoder-autoreg = {shown(autoreg)}, dec-cell = {shown(settings.get('dec-cell'))}"
        raise ValueError(f"{where}: {said}; our decoder has self-attention, or rnn with ssru")
    return {
        **{option: number(settings[key], int, f"{where}: {key}") for key, option in SIZES.items()},
        **{option: number(settings.get(key, "0"), float, f"{where}: {key}") for key, option in RATES.items()},
        "activation": ACTIVATIONS[activation],
        "norm": ORDERS[order],
        "decoder_mixer": mixer,
    }


def number(text: Any, kind: type, where: str) -> Any:
    try:
        return kind(text)
    except (ValueError, TypeError):
        raise ValueError(f"{where} = {shown(text)} is no number") from None


# ── vocabulary ────────────────────────────────────────────────────────────────────────────────────


def vocabulary(
    folder: Path, look: bool, options: importing.Options
) -> tuple[Lists, list[list[int | None]], list[Path]]:
    """The lists in our order, of each side the rows of the file's tables in this order, and what was read.

    Pieces are numbered by vocab.yml, or by the SentencePiece models themselves.

    look  whether to look for the files that the options do not name in the folder
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file()) if look else []
    models = [Path(place) for place in (options.pieces, options.target_pieces) if place]
    models = models or sides(folder, [name for name in names if name.endswith(".spm")])
    if not models:
        raise ValueError(f"{folder}: no SentencePiece model (.spm) that cuts the text; give pieces")
    lists = sides(folder, [name for name in names if "vocab" in name and name.endswith((".yml", ".yaml"))])
    data = [importing.piece_model(path) for path in models]
    pieces = [listed(path) for path in lists] or [spelled(one, path) for one, path in zip(data, models, strict=True)]
    if pieces[0] == pieces[-1]:
        pieces = pieces[:1]
    orders = [order(one, path) for one, path in zip(pieces, lists or models, strict=False)]
    marianfile.check_prefix(folder, pieces[0], options.prefix)
    ours = [importing.spelled(one, rows, NAMES) for one, rows in zip(pieces, orders, strict=True)]
    target_model = data[-1] if data[-1] != data[0] else b""
    return Lists(data[0], target_model, *ours, prefix=options.prefix), [orders[0], orders[-1]], [*models, *lists]


def sides(folder: Path, names: list[str]) -> list[Path]:
    """Of a folder's files of one kind that of both sides, or the source's and the target's."""
    split = [
        [name for name in names if re.search(rf"(^|\.)({side})", name)] for side in ("src|source", "trg|tgt|target")
    ]
    if all(len(side) == 1 for side in split):
        return [folder / side[0] for side in split]
    if len(names) > 1:
        raise ValueError(f"{folder}: which is the source's, which the target's? found {', '.join(names[:9])}")
    return [folder / name for name in names]


def listed(path: Path) -> list[str]:
    """The pieces of a vocab.yml by their numbers, from 0 on."""
    try:
        ids = yaml.load(path.read_text(encoding="utf-8"), Loader=marianfile.LOADER)
        numbered = {int(row): piece for piece, row in ids.items()}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no vocabulary: {' '.join(str(error).split())[:200]}") from None
    if len(numbered) < len(ids) or sorted(numbered) != list(range(len(numbered))):
        raise ValueError(f"{path}: its {len(ids)} pieces are not numbered from 0 on without a gap")
    return [numbered[row] for row in range(len(numbered))]


def spelled(model: bytes, path: Path) -> list[str]:
    """The pieces of a SentencePiece model by their numbers."""
    processor = sentence_pieces(model, str(path))
    return [processor.id_to_piece(i) for i in range(len(processor))]


def order(pieces: list[str], path: Path) -> list[int | None]:
    """The file's rows in the order of our ids; Marian has neither padding nor a beginning."""
    if missing := [name for name in ("</s>", "<unk>") if name not in pieces]:
        raise ValueError(f"{path}: '{missing[0]}' is no piece of it")
    first = [None, pieces.index("<unk>"), None, pieces.index("</s>")]
    return [*first, *(row for row in range(len(pieces)) if row not in first)]


# ── tensors ───────────────────────────────────────────────────────────────────────────────────────


def taken(
    tensors: importing.Tensors, config: Config, settings: dict[str, Any], orders: list[list[int | None]]
) -> dict[str, Tensor]:
    """The tensors by our names, embeddings in the order of our ids."""
    result = {}
    for ours, theirs in names(config).items():
        matrix = ours.endswith("weight") and "norm" not in ours
        tensor = tensors.take(theirs)
        result[ours] = columns(tensor, theirs) if matrix else vector(tensor, theirs)
    shared = yes(settings, "tied-embeddings-all") or yes(settings, "tied-embeddings-src")
    source, target = ("Wemb", "Wemb") if shared else ("encoder_Wemb", "decoder_Wemb")
    tables = {
        "source_embedding.weight": (tensors.take(source), 0),
        "target_embedding.weight": (tensors.take(target), 1),
    }
    if yes(settings, "tied-embeddings-all") or yes(settings, "tied-embeddings"):
        output = tables["target_embedding.weight"][0]
    elif "decoder_ff_logit_out_Wt" in tensors:
        output = tensors.take("decoder_ff_logit_out_Wt")
    else:
        output = columns(tensors.take("decoder_ff_logit_out_W"), "decoder_ff_logit_out_W")
    bias = output.new_zeros(len(output)) if yes(settings, "output-omit-bias") else vector(tensors.take(BIAS), BIAS)
    tables |= {"generator.weight": (output, 1), "generator.bias": (bias, 1)}
    for name, (table, side) in tables.items():
        result[name] = importing.arranged(table, orders[side], f"{tensors.where}: {name}")
    return result


def yes(settings: dict[str, Any], key: str) -> bool:
    return settings.get(key, "false") == "true"


def columns(tensor: Tensor, name: str) -> Tensor:
    """[out, in] of Marian's [in, out]."""
    if tensor.dim() != 2:
        raise ValueError(f"tensor '{name}' {list(tensor.shape)} is no matrix")
    return tensor.mT.contiguous()


def vector(tensor: Tensor, name: str) -> Tensor:
    """[n] of Marian's [1, n]."""
    if tensor.dim() == 2 and len(tensor) == 1:
        return tensor[0]
    if tensor.dim() != 1:
        raise ValueError(f"tensor '{name}' {list(tensor.shape)} is no vector")
    return tensor
