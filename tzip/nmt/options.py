"""Options of the model, its training and its search, and what a search returns; needs no torch."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from tzip.options import make, option


@dataclass(frozen=True)
class Config:
    """Sizes and form of a Transformer."""

    vocabulary: int = option(32000, "pieces in the shared vocabulary", low=4, high=1 << 20)
    d_model: int = option(512, "width of the model", low=2, high=1 << 16)
    d_ff: int = option(2048, "width of the feed-forward layers", low=1, high=1 << 20)
    heads: int = option(8, "attention heads", low=1, high=1024)
    encoder_layers: int = option(6, "layers of the encoder", low=1, high=128)
    decoder_layers: int = option(6, "layers of the decoder", low=1, high=128)
    dropout: float = option(0.1, "dropout of embeddings and residuals", low=0.0, high=0.9)
    mixer: str = option("attention", "layer that mixes positions of a sentence", choices=("attention", "convolution"))
    kernel: int = option(7, "kernel size of the convolutions, in positions", low=1, high=255)
    binary_inputs: str = option("none", "linear layers with binarized inputs", choices=("none", "attention", "linear"))
    norm: str = option("post", "LayerNorm after each residual sum or before each block", choices=("post", "pre"))
    tie: str = option("all", "embeddings that share one matrix", choices=("all", "decoder", "none"))
    max_length: int = option(256, "longest sentence in pieces, END included", low=2, high=8192)
    activation: str = option("relu", "activation function of the feed-forward layers", choices=("relu", "gelu", "silu"))
    positions: str = option(
        "interleaved",
        "position encodings: sines and cosines by turns, or in halves; single: by turns, in single precision; marian: "
        "in halves, down to a frequency of 1/10000; fairseq: as marian, counted from 2, in single precision",
        choices=("interleaved", "halves", "single", "marian", "fairseq"),
    )
    epsilon: float = option(1e-5, "number that LayerNorm adds to the variance", low=1e-12, high=0.1)
    source_end: bool = option(True, "whether a source ends in END")
    target_vocabulary: int = option(0, "pieces of a separate target vocabulary; 0 = shared", low=0, high=1 << 20)
    attention_dropout: float = option(-1.0, "dropout of attention probabilities; -1 = dropout", low=-1.0, high=0.9)
    activation_dropout: float = option(-1.0, "dropout within feed-forward layers; -1 = dropout", low=-1.0, high=0.9)
    encoder_unique: int = option(0, "distinct layers of the encoder, used several times; 0 = all", low=0, high=128)
    decoder_unique: int = option(0, "distinct layers of the decoder, used several times; 0 = all", low=0, high=128)
    sharing: str = option(
        "cycle", "order in which distinct layers are used", choices=("sequence", "cycle", "cycle-reversed")
    )
    target_prefix: int = option(0, "piece that every translation begins with; 0 = none", low=0, high=1 << 20)
    decoder_mixer: str = option(
        "same",
        "the decoder's mixer, if it is another; ssru: a recurrent unit",
        choices=("same", "attention", "convolution", "ssru"),
    )
    begin: str = option("embedded", "the decoder's first input", choices=("embedded", "zeros"))

    def __post_init__(self) -> None:
        if self.d_model % self.heads or self.d_model % 2:
            raise ValueError(f"d_model = {self.d_model} is not even and a multiple of heads = {self.heads}")
        if self.target_vocabulary and self.tie == "all":
            raise ValueError("tie = all: the target has a vocabulary of its own; choose decoder or none")
        for stack in ("encoder", "decoder"):
            unique, layers = getattr(self, f"{stack}_unique"), getattr(self, f"{stack}_layers")
            if unique > layers:
                raise ValueError(f"{stack}_unique = {unique} is more than {stack}_layers = {layers}")
        if self.positions == "fairseq" and self.d_model < 4:
            raise ValueError(f"positions = fairseq: d_model = {self.d_model}; it needs 4 or more")
        if self.target_prefix and not 4 <= self.target_prefix < self.targets:
            raise ValueError(f"target_prefix = {self.target_prefix} is no piece of the target: 4 to {self.targets - 1}")

    def order(self, stack: str) -> list[int]:
        """The number of the distinct layer at each depth of `stack`, encoder or decoder.

        sharing: M distinct layers of N are used as 112233, 123123 or 123321 (Takase & Kiyono 2021, "Lessons on
        Parameter Sharing across Layers in Transformers", arXiv 2104.06022, section 2); M = 1 is recurrent
        stacking (Dabre & Fujita 2019, arXiv 1807.05353). In a sequence, M need not divide N.
        """
        layers = getattr(self, f"{stack}_layers")
        unique = getattr(self, f"{stack}_unique") or layers
        if self.sharing == "sequence":
            return [depth * unique // layers for depth in range(layers)]
        turn = max(unique, (layers - 1) // unique * unique) if self.sharing == "cycle-reversed" else layers
        return [depth % unique if depth < turn else unique - 1 - depth % unique for depth in range(layers)]

    @property
    def mixers(self) -> tuple[str, str]:
        """The mixer of the encoder, and that of the decoder."""
        return self.mixer, self.mixer if self.decoder_mixer == "same" else self.decoder_mixer

    @property
    def targets(self) -> int:
        """Pieces in the vocabulary of the target."""
        return self.target_vocabulary or self.vocabulary


LATER = ("activation", "positions", "epsilon", "source_end", "target_vocabulary")
LATER += ("attention_dropout", "activation_dropout", "encoder_unique", "decoder_unique", "sharing", "target_prefix")
LATER += ("decoder_mixer", "begin")
OF_PIECES = ("vocabulary", "source_end", "target_vocabulary", "target_prefix")  # options that the vocabulary decides


def settings(config: Config) -> dict[str, bool | int | float | str]:
    """A Config as files hold it; options added LATER are left out at their default."""
    items = dataclasses.asdict(config).items()
    return {key: value for key, value in items if key not in LATER or value != getattr(Config, key)}


PRESETS = {
    "tiny": {"encoder_layers": 4, "decoder_layers": 4, "d_model": 128, "d_ff": 256, "heads": 4},
    "small": {"encoder_layers": 3, "decoder_layers": 3, "d_model": 256, "d_ff": 1024, "heads": 4},
    "base": {"encoder_layers": 6, "decoder_layers": 6, "d_model": 512, "d_ff": 2048, "heads": 8},
}


def configure(options: dict, name: str = "model") -> Config:
    """A Config of these options; the sizes that are not among them are those of its `preset`."""
    options = dict(options)
    preset = options.pop("preset", "base")
    if preset not in PRESETS:
        raise ValueError(f"{name}: preset = {preset!r} is not one of {', '.join(PRESETS)}")
    return make(Config, PRESETS[preset] | options, name)


@dataclass(frozen=True)
class Training:
    """Training."""

    updates: int = option(10000, "updates of the weights", low=0)
    batch_tokens: int = option(4096, "tokens per batch, padding included, on the longer side", low=1)
    accumulate: int = option(1, "batches per update (gradient accumulation)", low=1)
    schedule: str = option("noam", "learning rate schedule", choices=("noam", "inverse_sqrt", "linear", "cosine"))
    learning_rate: float = option(0.0, "peak of the learning rate; 0 = factor / sqrt(d_model * warmup)", low=0.0)
    factor: float = option(1.0, "factor of the noam schedule", low=0.0)
    warmup: int = option(4000, "updates of linear warm-up", low=1)
    beta1: float = option(0.9, "AdamW's decay of the gradient's mean", low=0.0, high=1.0)
    beta2: float = option(0.998, "AdamW's decay of the gradient's variance", low=0.0, high=1.0)
    weight_decay: float = option(0.0, "AdamW's weight decay", low=0.0)
    clip: float = option(0.0, "largest norm of the gradient; 0 = not clipped", low=0.0)
    smoothing: float = option(0.1, "label smoothing", low=0.0, high=0.99)
    teacher: float = option(0.0, "weight of knowledge distillation in the loss; 0 = no teacher", low=0.0, high=1.0)
    temperature: float = option(1.0, "temperature of distillation; divides both models' logits", low=0.05, high=100.0)
    r_drop: float = option(0.0, "weight α of R-Drop, for which a batch passes twice; 0 = one pass", low=0.0, high=100.0)
    top: int = option(0, "most likely pieces of the teacher to learn from, computed once per text; 0 = all", low=0)
    precision: str = option(
        "auto", "precision of matrix products; auto = bf16 where the hardware has it", choices=("auto", "bf16", "fp32")
    )
    compile: bool = option(False, "compile the model (torch.compile)")
    every: int = option(0, "updates between evaluations; 0 = none", low=0)
    average: int = option(1, "last evaluated checkpoints to average at the end; 1 = no averaging", low=1)
    patience: int = option(0, "evaluations without a better score before early stopping; 0 = never", low=0)
    metric: str = option("loss", "score on the development set that early stopping watches", choices=("loss", "bleu"))

    def __post_init__(self) -> None:
        if (self.patience or self.average > 1) and not self.every:
            raise ValueError("patience and average need evaluations; set every to the updates between them")


# Defaults of fine-tuning, as in transformers.zip; the other options are as in training.
FINETUNE = {
    "updates": 10000,
    "batch_tokens": 512,
    "accumulate": 2,
    "schedule": "noam",
    "factor": 0.01,
    "warmup": 50,
    "beta2": 0.998,
    "smoothing": 0.1,
}


@dataclass(frozen=True)
class Search:
    """Beam search."""

    beam: int = option(5, "hypotheses kept at each step; 1 = greedy", low=1, high=256)
    alpha: float = option(0.6, "exponent of the length penalty ((5 + length) / 6)^alpha", low=0.0, high=10.0)
    nbest: int = option(1, "translations per sentence, at most beam", low=1)
    max_ratio: float = option(2.0, "longest translation in pieces: max_ratio x source + 10", low=0.0, high=1000.0)
    batch_tokens: int = option(4000, "source tokens x beam per batch, by torch", low=1)
    patience: float = option(1.0, "a sentence is done when patience x beam hypotheses have ended", low=1.0)
    engine: str = option("torch", "what translates; ctranslate2: on the CPU alone", choices=("torch", "ctranslate2"))
    precision: str = option(
        "fp32", "precision of weights and products; int8: ctranslate2 alone", choices=("fp32", "bf16", "int8")
    )

    def __post_init__(self) -> None:
        if self.precision == {"torch": "int8", "ctranslate2": "bf16"}[self.engine]:
            raise ValueError(f"precision = {self.precision}: {self.engine} does not translate with it")
        if self.nbest > self.beam:
            raise ValueError(f"nbest = {self.nbest} is more than beam = {self.beam}")


Progress = Callable[[list[int]], None] | None  # called with the indices of the sentences that are done


@dataclass(frozen=True)
class Hypothesis:
    """A translation: pieces without END; score = log-probability (nats) / length penalty."""

    pieces: tuple[int, ...]
    score: float


def length_penalty(length: int, alpha: float) -> float:
    """The length penalty of Wu et al. (2016), equation 14; `length` counts END."""
    return ((5 + length) / 6) ** alpha
