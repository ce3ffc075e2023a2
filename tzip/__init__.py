"""tzip: how many bytes a translation Transformer can lose before it loses BLEU."""

__version__ = "0.1.0"
