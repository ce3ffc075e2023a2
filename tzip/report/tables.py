"""Tables as CSV for programs, Markdown and LaTeX for pages, plain text for terminals, with what made them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tzip import files
from tzip.report import paper

DASH = "–"  # what is shown where there is no number
WIDTH = 120
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$",
    "|": "$|$", "→": r"$\rightarrow$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$",
    "−": "$-$", "–": "--", "÷": r"$\div$", "·": r"$\cdot$", "≈": r"$\approx$", "…": r"\ldots{}",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """How readers see a column: its heading, the heading that spans it, and a line of the frame as text.

    short: the heading on a terminal; align: l, r, or a LaTeX column such as p{4cm}.
    """

    heading: str
    show: Callable[[Any], str]
    group: str = ""
    align: str = "r"
    short: str = ""


@dataclass(frozen=True)
class Table:
    """A frame of raw numbers (the CSV) and the columns that are shown of it, with notes at its foot.

    shown: a column of truth values, where not all lines are for readers.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = field(default=())
    shown: str = ""

    def cells(self, columns: Sequence[Column] | None = None) -> list[list[str]]:
        lines = self.frame[self.frame[self.shown]] if self.shown else self.frame
        return [[column.show(line) for column in columns or self.columns] for line in lines.to_dict("records")]


def number(key: str, spec: str = ".2f") -> Callable[[Any], str]:
    """Shows `key` by a format specification; a dash where there is no number."""
    return lambda line: DASH if pd.isna(line[key]) else format(line[key], spec)


def text(key: str) -> Callable[[Any], str]:
    return lambda line: str(line[key])


def plus_minus(key: str, margin: str, spec: str = ".2f") -> Callable[[Any], str]:
    def show(line: Any) -> str:
        value, around = number(key, spec)(line), number(margin, spec)(line)
        return value if DASH in (value, around) else f"{value} ± {around}"

    return show


def write(table: Table, folder: str | Path, made: Sequence[str] = ()) -> list[Path]:
    """NAME.csv, NAME.md and NAME.tex in `folder`; made: what produced them, for their foot."""
    table = replace(table, notes=(*table.notes, *made))
    makers = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    paths = {Path(folder) / f"{table.name}.{suffix}": make for suffix, make in makers.items()}
    for path, make in paths.items():
        files.write_text(path, make(table))
    return list(paths)


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
    end = r" \\"
    spans, rules, start = [], [], 1
    for group, width in _runs([column.group for column in table.columns]):
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" if group else "&".join([""] * width))
        rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if group else []
        start += width
    grouped = [" & ".join(spans) + end, *rules] if rules else []
    body = [" & ".join(map(escape, line)) + end for line in table.cells()]
    notes = [rf"\par {escape(note)}" for note in table.notes]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(table.title)}}}\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{''.join(column.align for column in table.columns)}}}",
        r"\toprule",
        *grouped,
        " & ".join(escape(column.heading) for column in table.columns) + end,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\par\smallskip\raggedright\scriptsize", *notes] if notes else []),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _runs(values: Sequence[str]) -> list[tuple[str, int]]:
    """Equal neighbours with their number: a a b → (a, 2) (b, 1)."""
    runs: list[tuple[str, int]] = []
    for value in values:
        runs = [*runs[:-1], (value, runs[-1][1] + 1)] if runs and runs[-1][0] == value else [*runs, (value, 1)]
    return runs


def escape(words: str) -> str:
    """`words` as LaTeX shows them."""
    return "".join(LATEX.get(character, character) for character in words)


def to_text(table: Table, width: int = WIDTH) -> str:
    """The table for a terminal: at most `width` characters a line; the widest column gives way."""
    columns = [column for column in table.columns if column.short]
    cells = [[column.short for column in columns], *table.cells(columns)]
    groups = [""] * len(columns) if not any(column.group for column in columns) else [c.group for c in columns]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
    widest = widths.index(max(widths))
    widths[widest] -= max(0, sum(widths) + gap * (len(widths) - 1) - width)
    lines = [_line(line, columns, widths, gap) for line in cells]
    rule = "─" * (sum(widths) + gap * (len(widths) - 1))
    above = [_over(groups, widths, gap)] if any(groups) else []
    notes = [
        part for note in table.notes for part in textwrap.wrap(note, width, initial_indent="· ", subsequent_indent="  ")
    ]
    return (
        "\n".join([*textwrap.wrap(table.title, width), rule, *above, lines[0], rule, *lines[1:], rule, *notes]) + "\n"
    )


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], gap: int) -> str:
    aligned = [
        _cut(cell, size).rjust(size) if column.align == "r" else _cut(cell, size).ljust(size)
        for cell, column, size in zip(cells, columns, widths, strict=True)
    ]
    return (" " * gap).join(aligned).rstrip()


def _over(groups: Sequence[str], widths: Sequence[int], gap: int) -> str:
    """The headings that span columns, each centred over them, cut to fit."""
    parts, start = [], 0
    for group, count in _runs(groups):
        size = sum(widths[start : start + count]) + gap * (count - 1)
        parts.append(_cut(group, size).center(size))
        start += count
    return (" " * gap).join(parts).rstrip()


def _cut(words: str, size: int) -> str:
    return words if len(words) <= size else words[: size - 1] + "…"


# The tables of a run ---------------------------------------------------------------------------------


TABLE_1 = (
    "row", "test", "seeds", "sentences", "bleu", "bleu_sd", "bleu_low", "bleu_high", "bleu_margin", "percent",
    "percent_sd", "ratio_printed", "ratio_file", "ratio_limit", "file_bytes", "baseline_bytes", "limit_bytes",
    "chrf", "chrf_low", "chrf_high", "bleu_lowercase", "difference", "difference_low", "difference_high",
    "p_value",
)  # fmt: skip
SCORE_COLUMNS = (
    Column("row", text("label"), align="l", short="row"),
    Column("BLEU", plus_minus("bleu", "bleu_margin"), short="BLEU"),
    Column("% of baseline", number("percent", ".1f"), short="%"),
    Column("as printed", number("ratio_printed"), "compression", short="print"),
    Column("in the file", number("ratio_file"), "compression", short="file"),
    Column("limit", number("ratio_limit"), "compression", short="limit"),
    Column("bytes", number("file_bytes", ",.0f")),
    Column("chrF", number("chrf", ".1f")),
    Column("p", lambda line: DASH if pd.isna(line["p_value"]) else _p(line["p_value"])),
)
PAPER_COLUMNS = (
    Column("BLEU", number("paper_bleu"), "the paper", short="BLEU"),
    Column("%", number("paper_percent"), "the paper", short="%"),
    Column("x", number("paper_ratio"), "the paper", short="x"),
)
SPEED_COLUMNS = (
    Column("seconds to compress", number("compress_seconds", ".1f"), short="secs"),
    Column("words/s", number("words_per_second", ",.0f"), short="words/s"),
)


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def table_1(summary: pd.DataFrame, test: str, notes: Sequence[str] = ()) -> Table:
    """The paper's Table 1 with ours: scores, what they keep, three ratios, bytes, the paper's figures.

    summary: `results.summarize`; test: the test set that is shown. Holds nothing that a clock decided.
    """
    frame = summary[summary["test"] == test].reset_index(drop=True)[list(TABLE_1)]
    if frame.empty:
        raise ValueError(f"no scores of test set '{test}'; choose from {', '.join(summary['test'].unique())}")
    frame.insert(1, "label", frame["row"].map(paper.label))
    counted = ["sentences", "file_bytes", "baseline_bytes", "limit_bytes"]
    frame[counted] = frame[counted].round().astype(int)
    for key in ("bleu", "percent", "ratio"):
        printed = [getattr(paper.TABLE_1.get(row), key, float("nan")) for row in frame["row"]]
        frame[f"paper_{key}"] = pd.Series(printed, dtype=float)
    said = [
        f"BLEU on {test}, {int(frame['sentences'].iloc[0])} sentences; {margin(frame)}",
        "compression: as the paper counts it; in the file (fp32 safetensors and vocabulary ÷ model.tzip, "
        "vocabulary included); at the entropy limit",
        f"p: paired approximate randomization against the baseline{largest(frame)}",
        f"sacrebleu: {summary['signature'].iloc[0]}",
    ]
    said += [paper.SOURCE] if any(row in paper.TABLE_1 for row in frame["row"]) else []
    title = "The paper's Table 1: what each row keeps of BLEU, and how small it makes the model"
    return Table("table1", title, frame, SCORE_COLUMNS + PAPER_COLUMNS, (*notes, *said))


def margin(frame: pd.DataFrame) -> str:
    """What stands behind ±, in words."""
    seeds = int(frame["seeds"].iloc[0])
    if seeds == 1:
        return "±: half the 95 % bootstrap interval over sentences, one seed"
    return f"mean ± standard deviation over {seeds} seeds"


def largest(frame: pd.DataFrame) -> str:
    return "" if frame["seeds"].iloc[0] == 1 else ", the largest of any seed"


def table_1_with_speed(table: Table, costs: pd.DataFrame) -> Table:
    """`table_1` with what the clock said: seconds to compress and words/s from the file.

    costs: `results.summarize_costs`. For the terminal and the report; never written among the tables that
    must come out the same twice.
    """
    test = table.frame["test"].iloc[0]
    timed = costs[costs["test"] == test].drop(columns=["test", "seeds", "device"])
    frame = table.frame.merge(timed, on="row", how="left")
    said = "seconds to compress: without fine-tuning; words/s: translating from the file"
    columns = SCORE_COLUMNS + SPEED_COLUMNS + PAPER_COLUMNS
    return replace(table, frame=frame, columns=columns, notes=(*table.notes, said))


def speed(costs: pd.DataFrame, training: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """What each row cost: compressing, fine-tuning, translating; of `results.summarize_costs`."""
    frame = costs.assign(label=costs["row"].map(paper.label))
    columns = (
        Column("row", text("label"), align="l", short="row"),
        Column("test set", text("test"), align="l", short="test set"),
        Column("seconds to compress", number("compress_seconds", ".1f"), short="secs"),
        Column("to fine-tune", number("finetune_seconds", ".1f"), short="tuning"),
        Column("peak MB", number("compress_memory_mb", ",.0f"), short="MB"),
        Column("seconds to translate", number("translate_seconds", ".1f"), short="secs"),
        Column("words/s", plus_minus("words_per_second", "words_per_second_sd", ",.0f"), short="words/s"),
        Column("peak MB", number("translate_memory_mb", ",.0f"), short="MB"),
    )
    said = [f"seeds: {int(frame['seeds'].iloc[0])} (means); translated on: {frame['device'].iloc[0]}"]
    if len(training):
        said.append(
            f"training the baseline: {training['seconds'].mean():,.0f} s, peak "
            f"{training['peak_memory_mb'].mean():,.0f} MB, on {training['device'].iloc[0]} (means over seeds)"
        )
    said.append("times depend on the machine and on what else it was doing")
    return Table("speed", "What each row cost in time and memory", frame, columns, (*notes, *said))


def by_test(summary: pd.DataFrame, notes: Sequence[str] = ()) -> Table:
    """Every test set's BLEU, cased and lower-cased, and chrF; one line a row and test set."""
    keys = ["row", "test", "seeds", "sentences", "bleu", "bleu_sd", "bleu_low", "bleu_high", "bleu_margin"]
    frame = summary[[*keys, "bleu_lowercase", "chrf", "percent", "difference", "p_value"]].copy()
    frame.insert(1, "label", frame["row"].map(paper.label))
    columns = (
        Column("row", text("label"), align="l", short="row"),
        Column("test set", text("test"), align="l", short="test set"),
        Column("BLEU", plus_minus("bleu", "bleu_margin"), short="BLEU"),
        Column("lower-cased BLEU", number("bleu_lowercase"), short="lower-cased"),
        Column("chrF", number("chrf", ".1f"), short="chrF"),
        Column("% of baseline", number("percent", ".1f"), short="%"),
        Column("p", SCORE_COLUMNS[-1].show, short="p"),
    )
    said = [margin(frame), f"sacrebleu: {summary['signature'].iloc[0]}"]
    return Table("tests", "Scores by test set", frame, columns, (*notes, *said))


def claims(judged: Sequence[Any], notes: Sequence[str] = ()) -> Table:
    """The judged claims (`tzip.report.claims.Claim`): verdict, the numbers behind it, the rule."""
    keys = ("number", "claim", "verdict", "numbers", "rule")
    frame = pd.DataFrame([{key: getattr(claim, key) for key in keys} for claim in judged])
    columns = (
        Column("", text("number"), short="#"),
        Column("claim", text("claim"), align="p{3.2cm}", short="claim"),
        Column("verdict", text("verdict"), align="p{1.8cm}", short="verdict"),
        Column("numbers, with 95 % intervals", text("numbers"), align="p{5cm}"),
        Column("rule", text("rule"), align="p{5cm}"),
    )
    return Table("claims", "The paper's claims, judged on this run", frame, columns, tuple(notes))


def cleaning(counts: dict[str, Any], notes: Sequence[str] = ()) -> Table:
    """How many pairs each filter removed from each split; counts: the corpus's cleaning.json."""
    splits = {name: counts[name] for name in ("train", "dev") if name in counts}
    splits |= {f"test/{name}": found for name, found in counts.get("tests", {}).items()}
    if not splits:
        raise ValueError("cleaning.json: no split in it")
    keys = ["read", *counts.get("filters", []), "held_out", "kept"]
    keys = [key for key in keys if any(key in found for found in splits.values())]
    lines = [{"split": name} | {key: found.get(key, 0) for key in keys} for name, found in splits.items()]
    shown = [Column(key.replace("_", " "), number(key, ",d"), short=key.replace("_", " ")) for key in keys]
    said = (
        "pairs; filters apply in this order, and a pair counts for the first that removes it; development "
        "and test sets stay as published"
    )
    title = "What cleaning removed from the corpus"
    first = Column("split", text("split"), align="l", short="split")
    return Table("cleaning", title, pd.DataFrame(lines), (first, *shown), (*notes, said))
