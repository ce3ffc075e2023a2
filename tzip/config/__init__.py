"""A run's configuration: its keys as types, checked before any job starts, without torch."""

import importlib.util

BASELINE = "baseline"  # the row that every other is compared with
DEV = "dev"  # the development set, among the names of test sets
MEAN = "mean"  # the mean of the test sets, among their names
TOKENIZER_PACKAGES = {"ja-mecab": ("MeCab", "ja"), "ko-mecab": ("mecab_ko", "ko")}  # module, extra of sacrebleu


def check_tokenizer(name: str) -> None:
    """ValueError if one of sacreBLEU's tokenizers needs a package that is not installed."""
    module, extra = TOKENIZER_PACKAGES.get(name, ("sacrebleu", ""))
    if importlib.util.find_spec(module) is None:
        raise ValueError(f"tokenize = {name} needs a package: pip install 'sacrebleu[{extra}]'; or choose another")
