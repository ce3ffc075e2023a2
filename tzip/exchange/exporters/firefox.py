"""A folder of Firefox's translation engine: Marian's container, SentencePiece models, a shortlist.

The engine runs students with a recurrent decoder (SSRU), greedily. With 8 bits, weights have one scale per matrix,
and activations one per product, measured on a text: the largest value there becomes 127.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from tzip import files
from tzip.data import lists
from tzip.data.pieces import BEGIN, END, Pieces
from tzip.data.sentencepiece_model import Piece, join, split
from tzip.exchange import exporting, lexfile, marianfile, marianform
from tzip.exchange.marianfile import LARGEST
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search
from tzip.nmt.search import search

TYPES = ("float32", "int8")
USES = ("calibration", "shortlist")
FORM = marianform.FORM | {
    "norm": ("post",),
    "decoder_mixer": ("ssru",),
    "activation": ("relu",),
    "tie": ("all", "decoder"),
}
OPEN = """
The package `fxtranslate` has Firefox's engine:

```python
from pathlib import Path

import fxtranslate

(model,) = Path(".").glob("model*.bin")
vocabularies = sorted(Path(".").glob("*vocab.spm"))  # one for both sides, or source and target
source, target = vocabularies[0].read_bytes(), vocabularies[-1].read_bytes()
translator = fxtranslate.Translator(model=model.read_bytes(), src_vocab=source, trg_vocab=target)
print(translator.translate("The child is reading a book."))
```

`lex.s2t.bin`, where there is one, is its option `shortlist`.
"""
UNKNOWN, CONTROL = 2, 3  # types of pieces
ALPHA = "_QuantMultA"


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write model.bin, or model.intgemm.alphas.bin of 8 bits; vocab.spm, or srcvocab.spm and trgvocab.spm.

    options.calibration  source text, one sentence per line, that int8 needs
    options.shortlist    a file of `shortlist.write`, or one of Firefox (lex.*.s2t.bin); written as lex.s2t.bin
    ValueError in one line if the engine has no model of this form, or no such vocabulary.
    """
    exporting.only(model, FORM, "Firefox's engine")
    if options.type == "float32":  # fxtranslate 0.5.0 drops a source's table of its own before it reads it
        exporting.only(model, {"tie": ("all",)}, "Firefox's engine in float32")
    if (options.type == "int8") != bool(options.calibration):
        said = "int8 needs it; give a text" if options.type == "int8" else f"type = {options.type} has no use for it"
        raise ValueError(f"calibration: {said}")
    models = [renumbered(pieces, target) for target in (False, True)]
    alike = models[0] == models[1]
    for name, data in zip(["vocab.spm"] if alike else ["srcvocab.spm", "trgvocab.spm"], models, strict=False):
        (folder / name).write_bytes(data)
    values, settings = marianform.values(model), marianform.settings(model.config)
    file, multipliers = "model.bin", {}
    if options.type == "int8":
        file = "model.intgemm.alphas.bin"
        weights = [name for name in values if name.endswith("Wemb") or name in matrices(model).values()]
        multipliers = {name: exporting.LARGEST_WEIGHT / (float(abs(values[name]).max()) or 1.0) for name in weights}
        for name, largest in activations(model, pieces, files.read_lines(options.calibration)).items():
            alpha = LARGEST / (largest or 1.0)
            values[name] = marianform.array(torch.tensor([[alpha]]))
            if name == f"decoder_Wemb{ALPHA}":  # as 8-bit number, too
                multipliers[name] = LARGEST / alpha
    marianfile.save_container(folder / file, values, settings, multipliers)
    if options.shortlist:
        sides = (marianform.spelled(pieces, target) for target in (False, True))
        lexfile.write(folder / "lex.s2t.bin", *lexfile.of(options.shortlist, *sides))


def matrices(model: Transformer) -> dict[str, str]:
    """Our name of each linear layer of the stacks → Marian's of its matrix; of a shared layer, of each use."""
    modules = model.named_modules(remove_duplicate=False)
    linear = {name for name, module in modules if isinstance(module, nn.Linear)}
    named = {name.removesuffix(".weight"): theirs for name, theirs in marianform.names(model.config).items()}
    return {name: theirs for name, theirs in named.items() if name in linear}


def activations(model: Transformer, pieces: Pieces, lines: list[str]) -> dict[str, float]:
    """Marian's name of each product's scale → the largest magnitude of its left side, translating these lines."""
    sources = [row for row in pieces.encode(lines) if row]
    if not sources:
        raise ValueError("calibration: a text without a sentence")
    output = "none" if model.config.tie == "all" else "decoder_Wemb"  # the tied output's, as Marian calls it
    named = {name: f"{theirs}{ALPHA}" for name, theirs in matrices(model).items()} | {"generator": f"{output}{ALPHA}"}
    largest = dict.fromkeys(named.values(), 0.0)

    def hook(name: str):
        def record(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            largest[name] = max(largest[name], float(inputs[0].abs().max()))

        return record

    found = search(model, sources, Search(beam=1))
    hooks = [model.get_submodule(name).register_forward_pre_hook(hook(theirs)) for name, theirs in named.items()]
    try:
        for source, (best, *_) in zip(sources, found, strict=True):  # one by one: without padding
            model(torch.tensor([[*source[: model.config.max_length - 1], END]]), torch.tensor([[BEGIN, *best.pieces]]))
    finally:
        for handle in hooks:
            handle.remove()
    return largest


def renumbered(pieces: Pieces, target: bool) -> bytes:
    """A side's SentencePiece model with the numbers that its pieces have as rows of the embeddings."""
    if pieces.model.startswith(lists.MAGIC) and (prefix := lists.unpack(pieces.model).prefix):
        raise ValueError(f"prefix = {prefix}: Firefox's engine puts nothing before a text")
    own, rest = split(pieces.models[target])
    by_text = {piece.text: piece for piece in own if piece.type not in (UNKNOWN, CONTROL)}
    words = marianform.spelled(pieces, target)
    if by_text.keys() != set(words[2:]):
        other = sorted(by_text.keys() ^ set(words[2:]))[0]
        side = "target" if target else "source"
        said = f"'{other}' is a piece of the {side}'s SentencePiece model or of its list, not of both"
        raise ValueError(f"{said}; Firefox's engine has one numbering")
    special = [Piece(words[0], 0.0, CONTROL), Piece(words[1], 0.0, UNKNOWN)]
    return join([*special, *(by_text[word] for word in words[2:])], rest)
