"""The points of BLEU against bytes: this run's, and the paper's as printed and as a file could have them."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2

import pandas as pd

from tzip import options, paper

METHODS = {"kmeans": "k-means", "magnitude": "pruning", "fp16": "fp16"}
BINARIZED = {"fixed": "BS-Fixed", "flexible": "BS-Flexible"}
SCOPES = {"attention": ", attention only", "all": ", all matrices"}
PLANS = {
    "kmeans-8bit": {"quantize": "kmeans:bits=8"},
    "kmeans-4bit": {"quantize": "kmeans:bits=4"},
    "kmeans-2bit": {"quantize": "kmeans:bits=2"},
    "kmeans-1bit": {"quantize": "kmeans:bits=1"},
    "bs-fixed": {"quantize": "binarize:levels=fixed"},
    "bs-flexible": {"quantize": "binarize:levels=flexible"},
    "kmeans-1bit-attention": {"quantize": "kmeans:bits=1", "scope": "attention"},
    "bs-flexible-attention": {"quantize": "binarize:levels=flexible", "scope": "attention"},
    "pruned-30-50": {"prune": "magnitude:start=0.3,end=0.5"},
    "pruned-50-80": {"prune": "magnitude:start=0.5,end=0.8"},
    "pruned-50-90": {"prune": "magnitude:start=0.5,end=0.9"},
}


def ours(summary: pd.DataFrame, plans: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """This run's points, the baseline's left out: label, family, ratio, percent, percent_low, percent_high.

    summary: `results.summarize` of one test set; plans: each row's plan, methods as they are spelled on
    the command line, and the student that it is done to, if any. The interval is the row's of BLEU, in
    percent of the baseline's BLEU.
    """
    unit = 100 / summary.loc[summary["row"] == paper.BASELINE, "bleu"].iloc[0]
    lines = []
    for line in summary[summary["row"] != paper.BASELINE].to_dict("records"):
        family, label = describe(line["row"], plans.get(line["row"], {}))
        low, high = (line["percent"] + unit * (line[end] - line["bleu"]) for end in ("bleu_low", "bleu_high"))
        lines.append((label, family, line["ratio_file"], line["percent"], low, high))
    columns = ["label", "family", "ratio", "percent", "percent_low", "percent_high"]
    return pd.DataFrame(lines, columns=columns).dropna(ignore_index=True)


def papers() -> pd.DataFrame:
    """The paper's points: label, family, printed (ratio), ratio (in a file of that model), percent."""
    lines = []
    for row, plan in PLANS.items():
        family, label = describe(row, plan)
        printed = paper.TABLE_1[row]
        lines.append((label, family, printed.ratio, in_a_file(row), printed.percent))
    return pd.DataFrame(lines, columns=["label", "family", "printed", "ratio", "percent"])


def in_a_file(row: str) -> float:
    """How many times smaller than fp32 a file of the paper's model can be, after what `row` does.

    1 ÷ (untouched share + touched share × bits/32). The touched share follows from the printed ratio of a
    quantized row, which is share × 32/bits; pruning touches the same matrices as quantization. A pruned
    weight costs no bits but its position: the entropy of kept or not, at every weight.
    """
    plan = PLANS[row]
    if "prune" in plan:
        sparsity = float(options.parse(plan["prune"])[1]["end"])
        positions = -sparsity * log2(sparsity) - (1 - sparsity) * log2(1 - sparsity)
        share = paper.TABLE_1["kmeans-8bit"].ratio * 8 / 32
        bits = 32 * (1 - sparsity) + positions
    else:
        bits = float(options.parse(plan["quantize"])[1].get("bits", 1))
        share = paper.TABLE_1[row].ratio * bits / 32
    return 1 / (1 - share + share * bits / 32)


def describe(row: str, plan: Mapping[str, str]) -> tuple[str, str]:
    """What a row is a point of, and which: ('k-means', '4-bit'); a row without a plan is its own family.

    The rows of a student are a family, whatever is done to them: it is another model that they compress.
    """
    families, labels = [], []
    for step in ("prune", "quantize"):
        if plan.get(step):
            method, given = options.parse(plan[step])
            family, label = _pruned(method, given) if step == "prune" else _quantized(method, given)
            families.append(family)
            labels.append(label)
    if plan.get("student"):
        done = [f"{family} {label}" for family, label in zip(families, labels, strict=True)]
        return f"student {plan['student']}", " + ".join(done) or "fp32"
    if not families:
        return row, row
    scope = "" if families == ["fp16"] else SCOPES.get(plan.get("scope", ""), "")
    return " + ".join(families) + scope, ", ".join(labels)


def _pruned(method: str, given: Mapping[str, str]) -> tuple[str, str]:
    end = f"{100 * float(given['end']):g} %" if "end" in given else "pruned"
    one_shot = ", one-shot" if given.get("schedule") == "one-shot" else ""
    return METHODS.get(method, method) + one_shot, end


def _quantized(method: str, given: Mapping[str, str]) -> tuple[str, str]:
    bits = {"fp16": "16", "binarize": "1"}.get(method) or given.get("bits")
    name = METHODS.get(method, method)
    if method == "binarize":
        name = BINARIZED.get(given.get("levels", ""), "binarized")
    more = [value for key, value in given.items() if key not in ("bits", "levels")]
    return ", ".join([name, *more]), f"{bits}-bit" if bits else method
