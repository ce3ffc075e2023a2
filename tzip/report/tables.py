"""Tables as CSV for programs, Markdown and LaTeX for pages, plain text for terminals, with what made them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from tzip import files
from tzip.config import BASELINE
from tzip.report import finetuning, means, paper

DASH = "–"  # what is shown where there is no number
WIDTH = 120
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "…": r"\ldots{}", "–": "--"}
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"} | {character: f"${character}$" for character in "<>|"}
LATEX |= {"→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "−": "$-$"}
LATEX |= {"÷": r"$\div$", "·": r"$\cdot$", "≈": r"$\approx$"}


@dataclass(frozen=True)
class Column:
    """A column as readers see it: its heading, what of a line of the frame it shows, the heading that spans several.

    key, spec: what is shown, and how: a format specification or a function; margin: the key of what stands behind ±.
    align: l, r, or a LaTeX column such as p{4cm}; short: the heading on a terminal, where it is another one; None
    leaves the column out there.
    """

    heading: str
    key: str
    spec: str | Callable[[Any], str] = ""
    margin: str = ""
    group: str = ""
    align: str = "r"
    short: str | None = ""

    def show(self, line: Mapping[str, Any]) -> str:
        """A line's cell; a dash where there is no number."""
        values = [line[key] for key in (self.key, self.margin) if key and not pd.isna(line[key])]
        cells = [self.spec(value) if callable(self.spec) else format(value, self.spec) for value in values]
        return " ± ".join(cells) if cells else DASH


@dataclass(frozen=True)
class Table:
    """A frame of raw numbers (the CSV) and the columns that are shown of it, with notes at its foot.

    shown: truth values, one for each line, where not all lines are for readers.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    shown: pd.Series | None = None

    def cells(self, columns: Sequence[Column] | None = None) -> list[list[str]]:
        lines = self.frame if self.shown is None else self.frame[self.shown]
        return [[column.show(line) for column in columns or self.columns] for line in lines.to_dict("records")]

    def noted(self, first: Sequence[str] = (), last: Sequence[str] = ()) -> Table:
        """The same table with further notes before and after its own."""
        return replace(self, notes=(*first, *self.notes, *last))


def write(table: Table, folder: str | Path, first: Sequence[str] = (), last: Sequence[str] = ()) -> None:
    """Write NAME.csv, NAME.md and NAME.tex into `folder`, with notes before and after the table's own."""
    for suffix, form in {"csv": to_csv, "md": to_markdown, "tex": to_latex}.items():
        files.write_text(Path(folder) / f"{table.name}.{suffix}", form(table.noted(first, last)))


def to_csv(table: Table) -> str:
    """The frame, four decimals; the title and the notes as lines that start with '# '."""
    comments = [f"# {' '.join(line.split())}\n" for line in (table.title, *table.notes)]
    return "".join(comments) + table.frame.to_csv(index=False, float_format="%.4f", lineterminator="\n")


def to_markdown(table: Table) -> str:
    headings = [" ".join(filter(None, (column.group, column.heading))) for column in table.columns]
    rules = [":--" if column.align != "r" else "--:" for column in table.columns]
    lines = [headings, rules, *table.cells()]
    body = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", *body, *([""] if notes else []), *notes]) + "\n"


def to_latex(table: Table) -> str:
    """A booktabs table; the page that includes it needs `\\usepackage{booktabs}`."""
    spans, rules, start = [], [], 1
    for group, width in groups(table.columns):
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" if group else "&" * (width - 1))
        rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if group else []
        start += width
    cells = [[column.heading for column in table.columns], *table.cells()]
    headings, *body = (" & ".join(map(escape, line)) + r" \\" for line in cells)
    above = [" & ".join(spans) + r" \\", *rules] if rules else []
    notes = [r"\par\smallskip\raggedright\scriptsize", *(rf"\par {escape(note)}" for note in table.notes)]
    begin = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(table.title)}}}\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{''.join(column.align for column in table.columns)}}}",
    ]
    lines = [*begin, r"\toprule", *above, headings, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(notes if table.notes else []), r"\end{table*}"]) + "\n"


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The headings that span columns, '' for none, each with its number of columns."""
    return [(name, len(list(run))) for name, run in groupby(column.group for column in columns)]


def escape(words: str) -> str:
    """`words` as LaTeX shows them."""
    return "".join(LATEX.get(character, character) for character in words)


def to_text(table: Table, width: int = WIDTH) -> str:
    """The table for a terminal: at most `width` characters per line; the widest column gives way."""
    columns = [column for column in table.columns if column.short is not None]
    cells = [[column.short or column.heading for column in columns], *table.cells(columns)]
    sizes = [max(map(len, column)) for column in zip(*cells, strict=True)]
    gap = 2 if sum(sizes) + 2 * (len(sizes) - 1) <= width else 1
    total = sum(sizes) + gap * (len(sizes) - 1)
    sizes[sizes.index(max(sizes))] -= max(0, total - width)
    rule = "─" * min(total, width)

    def line(words: Sequence[str], places: Sequence[Callable], sizes: Sequence[int]) -> str:
        parts = [
            place(word if len(word) <= size else word[: size - 1] + "…", size)
            for word, place, size in zip(words, places, sizes, strict=True)
        ]
        return (" " * gap).join(parts).rstrip()

    spans, above, start = [], [], 0  # the headings that span columns, and how wide they are
    for name, count in groups(columns):
        spans.append(name)
        above.append(sum(sizes[start : start + count]) + gap * (count - 1))
        start += count
    places = [str.rjust if column.align == "r" else str.ljust for column in columns]
    heading, *body = (line(words, places, sizes) for words in cells)
    top = [line(spans, [str.center] * len(spans), above)] if any(spans) else []
    lines = [*textwrap.wrap(table.title, width), rule, *top, heading, rule, *body, rule]
    for note in table.notes:
        lines += textwrap.wrap(note, width, initial_indent="· ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


ROW = Column("row", "label", align="l")
VARIANT = Column("variant", "row", align="l")
METHOD = Column("method", "method", align="l")
TEST = Column("test set", "test", align="l")
RATIO = Column("times smaller", "ratio_file", ".2f", short="x")
BLEU = Column("BLEU", "bleu", ".2f", "bleu_margin")
PERCENT = Column("% of baseline", "percent", ".1f", "percent_margin", short="%")
BLEU_KEYS = ["row", "test", "seeds", "sentences", "bleu", "bleu_sd", "bleu_low", "bleu_high", "bleu_margin"]
PERCENT_KEYS = ["percent", "percent_low", "percent_high", "percent_margin"]
TUNING_KEYS = ["control", "updates", "finetuning"]
CONTROL_KEYS = ["control_percent", "control_percent_low", "control_percent_high", "control_percent_margin"]
RATIO_KEYS = [*PERCENT_KEYS, "percent_sd", "ratio_printed", "ratio_file", "ratio_limit"]
BYTE_KEYS = ["file_bytes", "baseline_bytes", "limit_bytes", "side_bytes"]
OTHER_KEYS = ["chrf", "chrf_low", "chrf_high", "bleu_lowercase"]
PAIRED_KEYS = ["difference", "difference_low", "difference_high", "p_value"]
TABLE_1 = [*BLEU_KEYS, *CONTROL_KEYS, *RATIO_KEYS, *BYTE_KEYS, *OTHER_KEYS, *PAIRED_KEYS, *TUNING_KEYS]
SCORE_COLUMNS = (
    ROW,
    BLEU,
    PERCENT,
    Column("as printed", "ratio_printed", ".2f", group="compression", short="print"),
    Column("in the file", "ratio_file", ".2f", group="compression", short="file"),
    Column("limit", "ratio_limit", ".2f", group="compression"),
    Column("bytes", "file_bytes", ",.0f", short=None),
    Column("chrF", "chrf", ".1f", short=None),
    Column("p", "p_value", p_value, short=None),
    Column("updates", "updates", ",.0f", short=None),
)
PAPER_COLUMNS = (
    Column("BLEU", "paper_bleu", ".2f", group="the paper"),
    Column("%", "paper_percent", ".2f", group="the paper"),
    Column("x", "paper_ratio", ".2f", group="the paper"),
    Column("updates", "paper_updates", ",.0f", group="the paper", short=None),
)
SPEED_COLUMNS = (
    Column("seconds to compress", "compress_seconds", ".1f", short="secs"),
    Column("words/s", "words_per_second", ",.0f"),
)


def table_1(summary: pd.DataFrame, test: str) -> Table:
    """The paper's Table 1 with our figures: scores, what they keep, three ratios, bytes, the paper's figures.

    summary: `results.summarize`; test: the test set that is shown. Holds nothing that a clock decided.
    """
    frame = summary[summary["test"] == test].reset_index(drop=True)[TABLE_1]
    if frame.empty:
        raise ValueError(f"no scores of test set '{test}'; choose from {', '.join(summary['test'].unique())}")
    frame.insert(1, "label", frame["row"].map(paper.label))
    frame[["sentences", *BYTE_KEYS]] = frame[["sentences", *BYTE_KEYS]].round().astype(int)
    for key in ("bleu", "percent", "ratio"):
        printed = [getattr(paper.TABLE_1.get(row), key, float("nan")) for row in frame["row"]]
        frame[f"paper_{key}"] = pd.Series(printed, dtype=float)
    side = sorted({int(frame["side_bytes"].min()), int(frame["side_bytes"].max())})
    compressed = frame["row"].isin(paper.TABLE_1) & (frame["row"] != BASELINE)
    frame["paper_updates"] = compressed.map({True: paper.UPDATES, False: float("nan")})
    notes = [
        f"BLEU on {test}, {int(frame['sentences'].iloc[0])} sentences; {margin(frame)}",
        "compression: as the paper counts it; in the file (fp32 safetensors and vocabulary ÷ model.tzip, "
        "vocabulary included); at the limit: the entropy of symbols and masks alone",
        f"side information, not in the limit: {' to '.join(f'{size:,}' for size in side)} bytes per file of scales, "
        "codebooks, biases, norms, vocabulary and header",
        "p: paired approximate randomization against the baseline, Holm-corrected for the number of rows"
        + ("" if frame["seeds"].iloc[0] == 1 else ", the largest of any seed"),
        f"sacrebleu: {summary['signature'].iloc[0]}",
    ]
    notes += [*finetuning.notes(frame), *([paper.SOURCE] if any(row in paper.TABLE_1 for row in frame["row"]) else [])]
    title = "The paper's Table 1: what each row keeps of BLEU, and how small it makes the model"
    return Table("table1", title, frame, score_columns(frame) + PAPER_COLUMNS, tuple(notes))


def score_columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    """The columns of scores and sizes; what is kept of a control's BLEU stands beside what is of the baseline's."""
    return (*SCORE_COLUMNS[:3], *of_control(frame), *SCORE_COLUMNS[3:])


def of_control(frame: pd.DataFrame) -> tuple[Column, ...]:
    """The column of what is kept of the control's BLEU, where there is a control."""
    column = Column("% of control", "control_percent", ".1f", "control_percent_margin", short="% control")
    return (column,) if frame["control_percent"].notna().any() else ()


def margin(frame: pd.DataFrame) -> str:
    """What stands behind ±, in words; coverage as `python benchmarks/coverage.py` measured it."""
    seeds = int(frame["seeds"].iloc[0])
    if seeds == 1:
        return (
            "±: half the 95 % interval over sentences, of % paired with the baseline's; one seed cannot tell what "
            "another would give: if seeds differ by 0.3 (0.6) BLEU, 87 (69) % of such intervals cover their mean"
        )
    return f"±: half the 95 % interval over sentences and {seeds} seeds, of % paired with the baseline's"


def table_1_with_speed(table: Table, costs: pd.DataFrame) -> Table:
    """`table_1` with what the clock said: seconds to compress and words/s from the file.

    costs: `results.summarize_costs`. For the terminal and the report; never written among the tables that must come
    out the same twice.
    """
    timed = costs[costs["test"] == table.frame["test"].iloc[0]].drop(columns=["test", "seeds", "device"])
    note = "seconds to compress: without fine-tuning; words/s: translating from the file"
    columns = score_columns(table.frame) + SPEED_COLUMNS + PAPER_COLUMNS
    return replace(table, frame=table.frame.merge(timed, on="row", how="left"), columns=columns).noted(last=[note])


def speed(costs: pd.DataFrame, training: pd.DataFrame) -> Table:
    """What each row cost: compressing, fine-tuning, translating; of `results.summarize_costs`."""
    frame = costs.assign(label=costs["row"].map(paper.label))
    columns = (
        ROW,
        TEST,
        Column("seconds to compress", "compress_seconds", ".1f", short="secs"),
        Column("to fine-tune", "finetune_seconds", ".1f", short="tuning"),
        Column("peak MB", "compress_memory_mb", ",.0f", short="MB"),
        Column("seconds to translate", "translate_seconds", ".1f", short="secs"),
        Column("words/s", "words_per_second", ",.0f"),
        Column("peak MB", "translate_memory_mb", ",.0f", short="MB"),
    )
    notes = [f"seeds: {int(frame['seeds'].iloc[0])} (means); translated on: {frame['device'].iloc[0]}"]
    if len(training):
        notes.append(
            f"training the baseline: {training['seconds'].mean():,.0f} s, peak "
            f"{training['peak_memory_mb'].mean():,.0f} MB, on {training['device'].iloc[0]} (means over seeds)"
        )
    notes.append("times depend on the machine and on what else it was doing")
    return Table("speed", "What each row cost in time and memory", frame, columns, tuple(notes))


def by_test(summary: pd.DataFrame) -> Table:
    """BLEU, cased and lower-cased, and chrF on every test set; one line per row and test set."""
    keys = ["bleu_lowercase", "chrf", *PERCENT_KEYS, *CONTROL_KEYS, "difference", "p_value", *TUNING_KEYS]
    frame = summary[[*BLEU_KEYS, *keys]].copy()
    frame.insert(1, "label", frame["row"].map(paper.label))
    lower = Column("lower-cased BLEU", "bleu_lowercase", ".2f", short="lower-cased")
    chrf, p = Column("chrF", "chrf", ".1f"), Column("p", "p_value", p_value)
    columns = (ROW, TEST, BLEU, lower, chrf, PERCENT, *of_control(frame), p)
    together = means.notes(frame["test"].unique())
    notes = (margin(frame), *together, *finetuning.notes(frame), f"sacrebleu: {summary['signature'].iloc[0]}")
    return Table("tests", "Scores by test set", frame, columns, notes)


def claims(judged: Sequence[Any], notes: Sequence[str] = ()) -> Table:
    """The judged claims (`tzip.report.claims.Claim`): verdict, the numbers behind it, the rule."""
    keys = ("number", "claim", "verdict", "numbers", "rule")
    frame = pd.DataFrame([{key: getattr(claim, key) for key in keys} for claim in judged])
    columns = (
        Column("", "number", short="#"),
        Column("claim", "claim", align="p{3.2cm}"),
        Column("verdict", "verdict", align="p{1.8cm}"),
        Column("numbers, with 95 % intervals", "numbers", align="p{5cm}", short=None),
        Column("rule", "rule", align="p{5cm}", short=None),
    )
    return Table("claims", "The paper's claims, judged on this run", frame, columns, tuple(notes))


def cleaning(counts: dict[str, Any]) -> Table:
    """How many pairs each filter removed from each split; counts: the corpus's cleaning.json."""
    splits = {name: counts[name] for name in ("train", "dev") if name in counts}
    splits |= {f"test/{name}": split for name, split in counts.get("tests", {}).items()}
    if not splits:
        raise ValueError("cleaning.json: no split in it")
    keys = [
        key
        for key in ("read", *counts.get("filters", []), "held_out", "kept")
        if any(key in split for split in splits.values())
    ]
    frame = pd.DataFrame([{"split": name} | {key: split.get(key, 0) for key in keys} for name, split in splits.items()])
    columns = (
        Column("split", "split", align="l"),
        *(Column(key.replace("_", " "), key, ",d") for key in keys),
    )
    note = (
        "pairs; filters apply in this order, and a pair counts for the first that removes it; development "
        "and test sets stay as published"
    )
    return Table("cleaning", "What cleaning removed from the corpus", frame, columns, (note,))
