"""Published points of BLEU against bytes: the paper's, as printed and as a file could be, and others'."""

from collections.abc import Iterable
from math import log2

import pandas as pd

from tzip import options
from tzip.config import BASELINE
from tzip.report import paper

# Okabe and Ito's palette: distinct for every kind of colour vision; the markers differ as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#1f2328", "#56b4e9", "#8c6d1f")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")
INTEREST = 75.0  # % of the baseline's BLEU: what keeps less is no use, and a drawing's room is for the others
RATIOS = {
    4.0: (1, 1.2, 1.5, 2, 2.5, 3, 4),
    12.0: (1, 1.5, 2, 3, 4, 6, 8, 12),
    30.0: (1, 2, 3, 5, 10, 20, 30),
    1e9: (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
}


def papers() -> pd.DataFrame:
    """The paper's points: label, method (our file's name), printed (ratio), ratio (in a file), percent."""
    lines = [
        (row.short, options.parse(row.method)[0], row.ratio, in_a_file(row), row.percent)
        for name, row in paper.TABLE_1.items()
        if name != BASELINE
    ]
    return pd.DataFrame(lines, columns=["label", "method", "printed", "ratio", "percent"])


def others() -> pd.DataFrame:
    """What others published: label, ratio (as they print it), percent of the baseline's BLEU, bound.

    A pruning ratio is 1 ÷ (1 − sparsity), as the paper counts. Where only a loss of BLEU is known it is put
    in percent of the paper's baseline; `bound` is true where that loss is the most it may be.
    """
    lines = [
        (f"Gale et al., {100 * sparsity:g} %", 1 / (1 - sparsity), 100 * bleu / paper.GALE_DENSE, False)
        for sparsity, bleu in paper.GALE.items()
    ]
    whole = paper.TABLE_1[BASELINE].bleu
    lines += [(label, ratio, 100 * (1 - lost / whole), bound) for label, ratio, lost, bound in paper.LOSSES]
    return pd.DataFrame(lines, columns=["label", "ratio", "percent", "bound"])


def floor(percents: Iterable[float]) -> float:
    """The lowest of these percents of BLEU that is of interest: at least `INTEREST`, or the highest if none is."""
    known = [percent for percent in percents if percent == percent]
    return min([percent for percent in known if percent >= INTEREST] or [max(known, default=INTEREST)])


def in_a_file(row: paper.Row) -> float:
    """How many times smaller than fp32 a file of the paper's model can be, after what `row` does.

    1 ÷ (untouched share + touched share × bits/32). The touched share follows from the printed ratio of a
    quantized row, which is share × 32/bits; pruning touches the same matrices as quantization. A pruned
    weight costs no bits but its position: the entropy of kept or not, at every weight.
    """
    settings = options.parse(row.method)[1]
    if "end" in settings:
        sparsity = float(settings["end"])
        positions = -sparsity * log2(sparsity) - (1 - sparsity) * log2(1 - sparsity)
        share = paper.TABLE_1["kmeans-8bit"].ratio * 8 / 32
        bits = 32 * (1 - sparsity) + positions
    else:
        bits = float(settings.get("bits", 1))
        share = row.ratio * bits / 32
    return 1 / (1 - share + share * bits / 32)


def looks(methods: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each method, no pair twice among 64; the paper's methods look the same in every run."""
    names = list(dict.fromkeys([*papers()["method"], *methods]))
    size = len(COLOURS)
    return {name: (COLOURS[i % size], MARKERS[(i + i // size) % size]) for i, name in enumerate(names)}


def ticks(largest: float) -> list[float]:
    """The ratios to write at a logarithmic axis that ends somewhat above the `largest`."""
    ratios = next(ratios for up_to, ratios in RATIOS.items() if largest <= up_to)
    return [ratio for ratio in ratios if ratio <= 1.1 * largest]
