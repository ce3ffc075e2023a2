"""Translation by CTranslate2 on one core as a table: words per second, BLEU, bytes, the literature's marks."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tzip.config import BASELINE
from tzip.report import paper, results
from tzip.report.tables import ROW, Column, Table

TIMES = ("words_per_second", "target_words_per_second", "file_bytes", "memory_bytes")
BLEU = ("bleu", "bleu_low", "bleu_high")
MARKS = (
    "the literature's marks, by its own machines, models and data: Devlin (2017, arXiv 1705.01991), 16-bit "
    "weights, a GRU with feed-forward layers: 100 words/s, one thread, WMT English-French",
    "Quinn & Ballesteros (2018, arXiv 1804.05038), 8-bit weights and activations: 4 to 6 times as fast as 32 "
    "bits, the same quality",
    "Senellart et al. (2018, W18-2715), OpenNMT at WNMT 2018, a distilled student, 8 bits, a shortlist: 800 "
    "words/s, one core",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    help = "what was measured: ROW/TYPE.beam-N or ROW/TYPE-shortlist.beam-N, in the table's order"
    parser.add_argument("--speed", nargs="*", default=[], metavar="NAME", help=help)


def read(run: str | Path, seed: int, test: str, names: Sequence[str]) -> pd.DataFrame:
    """One line per measurement, in the order of `names`.

    Columns: row, setting, type, shortlist, beam, those of TIMES, words_margin (half the range of the passes),
    sentences, passes, computed_in, device, pinned, bleu, bleu_low, bleu_high, signature, percent of what the
    same seed's baseline scores by our own search (NaN where that is 0), times (the speed of the first line).
    A file that is missing or is not what it should be ends in a ValueError that names it.
    """
    baseline = results.load(results.place(run, seed, BASELINE, f"{test}.score.json"), ("bleu",))
    frame = pd.DataFrame([_line(run, seed, test, name) for name in names])
    of_baseline = baseline["bleu"] or np.nan
    first = frame["words_per_second"].iloc[0]
    return frame.assign(
        percent=100 * frame["bleu"] / of_baseline, times=frame["words_per_second"] / first, seed=seed, test=test
    )


def _line(run: str | Path, seed: int, test: str, name: str) -> dict[str, Any]:
    row, _, setting = name.rpartition("/")
    time, score = (
        results.place(run, seed, row, f"inference/{test}.{setting}.{kind}.json") for kind in ("time", "score")
    )
    kept = (*TIMES, "sentences", "computed_in", "device", "pinned")
    timed = results.load(time, (*kept, "seconds", "words", "inference"))
    scored = results.load(score, (*BLEU, "signatures"))
    rates = [timed["words"]["source"] / seconds for seconds in timed["seconds"]]
    kind, _, shortlist = setting.rpartition(".")[0].partition("-")
    line = {"row": row, "type": kind, "shortlist": bool(shortlist), "beam": timed["inference"]["beam"]}
    line |= {key: timed[key] for key in kept} | {"words_margin": (max(rates) - min(rates)) / 2, "passes": len(rates)}
    return line | {key: scored[key] for key in BLEU} | {"signature": scored["signatures"]["bleu"]}


def table(measured: pd.DataFrame) -> Table:
    """Words per second on one core, what they keep of BLEU, and bytes; of `read`."""
    frame = measured.assign(
        label=measured["row"].map(paper.label),
        search=["greedy" if beam == 1 else f"beam {beam}" for beam in measured["beam"]],
        file_mb=measured["file_bytes"] / 1e6,
        memory_mb=measured["memory_bytes"] / 1e6,
        listed=np.where(measured["shortlist"], "yes", "no"),
    )
    columns = (
        ROW,
        Column("type", "type", align="l"),
        Column("search", "search", align="l"),
        Column("shortlist", "listed", align="l"),
        Column("source words/s", "words_per_second", ",.0f", "words_margin", short="words/s"),
        Column("x the first", "times", ".2f", short="x"),
        Column("target words/s", "target_words_per_second", ",.0f", short="target"),
        Column("BLEU", "bleu", ".2f"),
        Column("% of baseline", "percent", ".1f", short="%"),
        Column("MB on disk", "file_mb", ".2f", short="disk"),
        Column("MB in memory", "memory_mb", ".2f", short="memory"),
    )
    title = "Translation by CTranslate2 on one core: speed, BLEU and size"
    return Table("inference", title, frame, columns, (*_notes(frame), *MARKS))


def _notes(frame: pd.DataFrame) -> list[str]:
    """What the numbers are, in words."""
    first = frame.iloc[0]
    pinned = "one core, to which the process was pinned" if frame["pinned"].all() else "one thread"
    other = frame[frame["type"] != frame["computed_in"].str.partition("_")[0]]
    converted = [f"{line.type} computed as {line.computed_in} on this machine" for line in other.itertuples()]
    return [
        f"words/s: source words (target words beside) of {first['test']}, {first['sentences']} sentences, "
        f"from text to text, loading left out; median ± half the range of {first['passes']} passes; {pinned};"
        f" {first['device']}; seed {first['seed']}",
        "BLEU: of the very translations that were timed; % of what the baseline's file scores by our search",
        "MB on disk: all files of the exported folder; in memory: what loading adds to the process's memory",
        f"sacrebleu: {first['signature']}",
        *dict.fromkeys(converted),
        "times depend on the machine and on what else it was doing",
    ]
