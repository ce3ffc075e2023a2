"""The paper's printed figures as data, so that every table can show them beside ours.

Cheong & Daniel, "transformers.zip: Compressing Transformers with Pruning and Quantization",
Stanford CS224N report 15763707, 2019.
"""

from dataclasses import dataclass

from tzip.config import BASELINE

SOURCE = (
    "the paper's figures: Cheong & Daniel (2019), Table 1: WMT English-German, newstest2017, "
    "multi-bleu-detok; its compression counts quantized weights only"
)


@dataclass(frozen=True)
class Row:
    """One row of Table 1, as printed, and what it is in this program.

    label    the paper's name of it
    bleu     multi-bleu-detok on newstest2017
    percent  of the baseline's BLEU
    ratio    compression as the paper counts it
    short    its name in a figure
    method   the method that makes it, as the command line spells it
    """

    label: str
    bleu: float
    percent: float
    ratio: float
    short: str = ""
    method: str = ""


UPDATES = 10_000  # of fine-tuning, the most that a row of Table 1 had
ONE_BIT = ("bs-flexible", "kmeans-1bit", "bs-fixed")  # all linear layers binarized
FLEXIBLE = "binarize:levels=flexible"
TABLE_1 = {
    BASELINE: Row("Baseline model", 28.09, 100.0, 1.0),
    "kmeans-8bit": Row("K-Means 8-bit quantization", 27.38, 97.47, 2.92, "8-bit", "kmeans:bits=8"),
    "kmeans-4bit": Row("K-Means 4-bit quantization", 27.65, 98.43, 5.85, "4-bit", "kmeans:bits=4"),
    "kmeans-2bit": Row("K-Means 2-bit quantization", 24.94, 88.78, 11.69, "2-bit", "kmeans:bits=2"),
    "kmeans-1bit": Row("K-Means 1-bit quantization", 12.07, 42.96, 23.37, "1-bit", "kmeans:bits=1"),
    "bs-fixed": Row("BS-Fixed", 11.61, 41.33, 23.37, "BS-Fixed", "binarize:levels=fixed"),
    "bs-flexible": Row("BS-Flexible", 12.11, 43.11, 23.37, "BS-Flexible", FLEXIBLE),
    "kmeans-1bit-attention": Row(
        "K-Means 1-bit att-quantization", 24.96, 88.85, 10.02, "1-bit attention", "kmeans:bits=1"
    ),
    "bs-flexible-attention": Row(
        "BS-Flexible 1-bit att-quantization", 25.54, 90.92, 10.02, "BS-Flexible attention", FLEXIBLE
    ),
    "pruned-30-50": Row("Pruned 30 % → 50 %", 26.40, 93.98, 2.0, "50 %", "magnitude:start=0.3,end=0.5"),
    "pruned-50-80": Row("Pruned 50 % → 80 %", 25.02, 89.07, 5.0, "80 %", "magnitude:start=0.5,end=0.8"),
    "pruned-50-90": Row("Pruned 50 % → 90 %", 9.21, 32.79, 10.0, "90 %", "magnitude:start=0.5,end=0.9"),
}

# Gale, Elsen & Hooker (2019), arXiv 1902.09574: WMT14 English-German, tokenized compound-split BLEU by the
# share of the Transformer's weights that magnitude pruning took; the report hoped to match it at 90 %.
GALE_DENSE = 27.29
GALE = {0.5: 26.33, 0.8: 24.65, 0.9: 23.26, 0.95: 20.75}


# Others' compressed Transformers: label, times smaller, BLEU lost, whether that is the most it may be.
# Aji & Heafield (2020), Compressing NMT Models with 4-bit Precision; Chung et al. (2020), arXiv 2009.07453.
LOSSES = (("Aji & Heafield, 4-bit", 8.0, 0.1, False), ("Chung et al., < 3 bits", 11.8, 0.5, True))


def label(row: str) -> str:
    """The paper's name of one of its rows; the name of any other row as it is."""
    return TABLE_1[row].label if row in TABLE_1 else row
