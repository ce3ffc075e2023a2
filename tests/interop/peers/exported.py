"""In transformers' environment: open a folder that tzip exported, and record what it does.

    python exported.py MODEL TEXTS OUT

TEXTS has test.en and test.de. Written to OUT: record.json and logits.npz as by recording.py, with the greedy
translations, the best of five beams without a penalty of length, and what the model's own settings find.
"""

import sys
from pathlib import Path

from recording import record
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MarianMTModel, MarianTokenizer

MODEL, TEXTS, OUT = map(Path, sys.argv[1:])
SEARCHES = {"greedy": {"num_beams": 1}, "beam": {"length_penalty": 0.0}, "own": {}}


def opened() -> tuple[MarianMTModel, MarianTokenizer]:
    """The folder by both names that users call, which must find the same and miss nothing."""
    model, told = MarianMTModel.from_pretrained(MODEL, output_loading_info=True)
    assert not any(told.values()), told
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(MODEL), MarianMTModel)
    tokenizer = MarianTokenizer.from_pretrained(MODEL)
    assert isinstance(AutoTokenizer.from_pretrained(MODEL), MarianTokenizer)
    return model.eval(), tokenizer


record(*opened(), TEXTS, OUT, SEARCHES)
