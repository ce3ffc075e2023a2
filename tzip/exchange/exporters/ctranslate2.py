"""A folder of CTranslate2, which translates on a CPU in 32, 16 or 8 bits."""

from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs.common_spec import Activation
from ctranslate2.specs.model_spec import NumpyVariable, visit_spec
from torch import Tensor, nn

from tzip import files
from tzip.data.pieces import BEGIN, END, PAD, UNKNOWN, Pieces
from tzip.exchange import exporting
from tzip.nmt.model import Attention, Layer, Transformer

TYPES = ("float32", "int16", "int8")
USES = ("shortlist",)
PIECES = "pieces.model"  # of an imported model: the lists that tzip/exchange/inference.py reads
ACTIVATIONS = {"relu": Activation.RELU, "gelu": Activation.GELU, "silu": Activation.SWISH}
FORM = {"mixer": ("attention",), "decoder_mixer": ("attention", "same"), "binary_inputs": ("none",)}
OPEN = """
```python
import ctranslate2
import sentencepiece

source = sentencepiece.SentencePieceProcessor(model_file="source.spm")
target = sentencepiece.SentencePieceProcessor(model_file="target.spm")
translator = ctranslate2.Translator(".", device="cpu", intra_threads=1)
(found,) = translator.translate_batch([source.encode("The child is reading a book.", out_type=str)], beam_size=5)
print(target.decode(found.hypotheses[0]))
```

A model for several languages wants their pieces: before each source (`>>deu<<`), or as `target_prefix`.
"""
NEVER = -1e9  # a bias whose probability is 0 in float32, yet no infinity that arithmetic could turn into NaN


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write a folder that `ctranslate2.Translator` opens: weights, vocabulary, SentencePiece models.

    options.type       int8 scales each row of a weight by its largest value (see `in_7_bits`) and quantizes activations
                       at run time (as Quinn & Ballesteros 2018); int16 scales a tensor to 10 bits (as Devlin 2017)
    options.shortlist  a file of `shortlist.write`, for translation with use_vmap=True
    ValueError in one line if the model has a mixer beside attention or binary inputs, or the shortlist is of another
    vocabulary.
    """
    exporting.only(model, FORM, "CTranslate2")
    sources = pieces.spell(range(len(pieces)))
    targets = pieces.spell(range(pieces.targets), target=True)
    spec = specify(model)
    spec.register_source_vocabulary(sources)
    spec.register_target_vocabulary(targets)
    config = spec.config
    config.unk_token, config.bos_token, config.eos_token = (targets[i] for i in (UNKNOWN, BEGIN, END))
    config.decoder_start_token = config.bos_token
    config.add_source_bos, config.add_source_eos = False, model.config.source_end
    config.layer_norm_epsilon = model.config.epsilon
    config.add_attribute("max_length", model.config.max_length)  # for tzip/exchange/inference.py
    if options.shortlist:
        check_shortlist(options.shortlist, set(sources), set(targets))
        spec.register_vocabulary_mapping(options.shortlist)
    spec.validate()
    spec.optimize(quantization=None if options.type == "int8" else options.type)
    if options.type == "int8":
        visit_spec(spec, in_7_bits)
    spec.save(str(folder))
    exporting.write_pieces(folder, pieces)
    if pieces.model not in pieces.models:
        (folder / PIECES).write_bytes(pieces.model)


def check_shortlist(path: str | Path, sources: set[str], targets: set[str]) -> None:
    """Refuse a shortlist that names a piece which the model does not have on that side."""
    for number, line in enumerate(files.read_lines(path), 1):
        source, tab, candidates = line.partition("\t")
        named = [(candidate, targets) for candidate in candidates.split(" ")] if tab else []
        named += [(source, sources)] if source or not tab else []
        for piece, vocabulary in named:
            if piece not in vocabulary:
                raise ValueError(f"{path}: line {number}: '{piece}' is not a piece of this model's vocabulary")


# ── weights ───────────────────────────────────────────────────────────────────────────────────────


def specify(model: Transformer) -> ctranslate2.specs.TransformerSpec:
    """The model's form and weights as CTranslate2 wants them described."""
    config = model.config
    spec = ctranslate2.specs.TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        activation=ACTIVATIONS[config.activation],
    )
    sides = (
        (spec.encoder, spec.encoder.embeddings[0], model.source_embedding, model.encoder, model.encoder_norm),
        (spec.decoder, spec.decoder.embeddings, model.target_embedding, model.decoder, model.decoder_norm),
    )
    for side, embeddings, embedding, layers, norm in sides:
        embeddings.weight = array(embedding.weight)
        side.position_encodings.encodings = array(model.positions)
        if config.norm == "pre":
            set_norm(side.layer_norm, norm)
        for target, layer in zip(side.layer, layers, strict=True):
            set_layer(target, layer)
    spec.decoder.start_from_zero_embedding = config.begin == "zeros"
    set_linear(spec.decoder.projection, model.generator)
    spec.decoder.projection.bias[[PAD, BEGIN]] = NEVER  # which our own search never writes either
    return spec


def set_layer(spec: ctranslate2.specs.model_spec.LayerSpec, layer: Layer) -> None:
    attention = layer.self_attention
    set_linear(spec.self_attention.linear[0], attention.query, attention.key, attention.value)
    set_linear(spec.self_attention.linear[1], attention.output)
    set_norm(spec.self_attention.layer_norm, layer.self_attention_norm)
    if hasattr(layer, "cross_attention"):
        cross: Attention = layer.cross_attention
        set_linear(spec.attention.linear[0], cross.query)
        set_linear(spec.attention.linear[1], cross.key, cross.value)
        set_linear(spec.attention.linear[2], cross.output)
        set_norm(spec.attention.layer_norm, layer.cross_attention_norm)
    set_linear(spec.ffn.linear_0, layer.feed_forward.inner)
    set_linear(spec.ffn.linear_1, layer.feed_forward.outer)
    set_norm(spec.ffn.layer_norm, layer.feed_forward_norm)


def set_linear(spec: ctranslate2.specs.model_spec.LayerSpec, *linears: nn.Linear) -> None:
    """Several matrices that read the same input become one, row below row."""
    spec.weight = np.concatenate([array(linear.weight) for linear in linears])
    spec.bias = np.concatenate([array(linear.bias) for linear in linears])


def set_norm(spec: ctranslate2.specs.model_spec.LayerSpec, norm: nn.LayerNorm) -> None:
    spec.gamma, spec.beta = array(norm.weight), array(norm.bias)


def in_7_bits(spec: ctranslate2.specs.model_spec.LayerSpec, name: str, value: object) -> None:
    """Quantize a weight to -63 ... 63 per row, see `exporting.LARGEST_WEIGHT`."""
    key = name.rpartition("/")[2]
    if not isinstance(value, NumpyVariable) or not hasattr(spec, f"{key}_scale"):
        return
    weight = value.numpy()
    largest = np.abs(weight).max(axis=1).clip(min=np.finfo(np.float32).tiny * exporting.LARGEST_WEIGHT)
    scale = np.float32(exporting.LARGEST_WEIGHT) / largest
    setattr(spec, key, NumpyVariable(np.rint(weight * scale[:, None]).astype(np.int8)))
    setattr(spec, f"{key}_scale", NumpyVariable(scale))


def array(x: Tensor) -> np.ndarray:
    """A copy: CTranslate2 quantizes in place."""
    return x.detach().cpu().float().numpy().copy()
