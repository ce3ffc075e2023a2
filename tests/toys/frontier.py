"""Frontiers by hand: a few variants, and a crowd of them."""

import math

import numpy as np
import pandas as pd

from tzip.report import frontier, tables


def variants(*lines: tuple[str, str, float, float]) -> pd.DataFrame:
    """A frontier.csv of these rows (name, method, ratio, BLEU) and a baseline of 40 BLEU in 10 MB."""
    named = [("baseline", "baseline", 1.0, 40.0), *lines]
    frame = pd.DataFrame(named, columns=["row", "method", "ratio_file", "bleu"])
    frame = frame.assign(
        label=frame["row"],
        test="flat",
        seeds=1,
        baseline_bytes=10_000_000,
        file_bytes=(1e7 / frame["ratio_file"]).round().astype(int),
        ratio_printed=frame["ratio_file"],
        ratio_limit=frame["ratio_file"],
        bleu_sd=math.nan,
        bleu_low=frame["bleu"] - 1,
        bleu_high=frame["bleu"] + 1,
        bleu_margin=1.0,
        percent=frame["bleu"] / 0.4,
        percent_sd=math.nan,
        percent_low=frame["bleu"] / 0.4 - 2.5,
        percent_high=frame["bleu"] / 0.4 + 2.5,
        percent_margin=2.5,
        p_value=math.nan,
        file="seed-1/" + frame["row"] + "/model.tzip",
    )
    frame = frame.assign(**dict.fromkeys(tables.CONTROL_KEYS, math.nan))
    frame = frame.assign(control="", updates=math.nan, finetuning="", words="")
    frame = frame.assign(plan="", source="", chosen_by=frame["test"])
    frame = frame.assign(chosen_bleu=frame["bleu"], chosen_percent=frame["percent"])
    return frame.assign(frontier=frontier.undominated(frame))[list(frontier.COLUMNS)]


def crowd(count: int = 60) -> pd.DataFrame:
    """As many variants as a sweep has, of six methods, crowded as they are."""
    random = np.random.default_rng(count)
    names = ("kmeans", "log", "uniform", "nf4", "magnitude + kmeans", "ternary")
    lines = []
    for number in range(count):
        ratio = 1.2 + 11 * random.random() ** 2
        lost = 0.4 * ratio + 25 * max(0, ratio - 8) / 4 + random.exponential(2)
        lines.append((f"{names[number % 6].split()[-1]}-b{number}-all", names[number % 6], ratio, 40 - lost))
    return variants(*lines)


FOUR = variants(
    ("a", "kmeans", 2.0, 40.2),
    ("b", "kmeans", 4.0, 38.0),
    ("c", "magnitude", 4.0, 37.0),  # as small as b, and worse
    ("d", "magnitude", 3.0, 38.0),  # as good as b, and larger
    ("e", "binarize", 8.0, 20.0),
)
