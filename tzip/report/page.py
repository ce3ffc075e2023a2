"""report.html: all results of a run on one page that needs nothing but itself."""

import base64
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from tzip.config import BASELINE
from tzip.report import chart, frontier, means, paper
from tzip.report.tables import Table, groups, to_csv
from tzip.report.verdicts import BY_CLOCK, FAILS, HOLDS, UNMEASURED, Part

TITLE = "How many bytes can a translation Transformer lose before it loses BLEU?"
KEEP = 97.0  # % of the baseline's BLEU: what the answer calls keeping it
PIXELS_PER_INCH = 96  # of CSS; the figures know their size in points or at 200 dpi
ENLARGED = 1.3


@dataclass(frozen=True)
class Place:
    """A figure's file name, heading, what is seen in it, and format; dense ones scroll on a phone.

    seen: {frontier} stands for `described` of the run's variants
    """

    name: str
    title: str
    seen: str
    suffix: str = ".svg"
    dense: bool = False

    @property
    def file(self) -> str:
        return self.name + self.suffix


FIGURES = (
    Place("frontier", "BLEU against real bytes, here and as published", "a scatter plot; {frontier}"),
    Place(
        "attention",
        "Encoder self-attention of one sentence, by row",
        "a grid of heat maps: one line of maps for each row of the run, one column for each head; light cells are "
        "pieces that are looked at much",
        ".png",
        dense=True,
    ),
    Place(
        "sharpness",
        "Attention: how sharp, and how far from the baseline's",
        "two dot plots side by side, one line for each row of the run: left the entropy of its attention, right its "
        "distance from the baseline's, each for the three kinds of attention",
    ),
    Place(
        "weights",
        "Weights before and after k-means",
        "histograms of one attention and one feed-forward matrix, one below the other, with the centroids as dots on "
        "stems",
    ),
    Place(
        "cumulative",
        "Cumulative distribution of the weights",
        "the smooth curve of the trained weights of each of two matrices, and the staircase of the quantized ones",
    ),
)
APPENDIX = "attention-layers-"  # attention-layers-ROW.png: all layers and heads of one row


def build(
    *,
    name: str,
    table_1: Table,
    variants: pd.DataFrame,
    more: Sequence[Table],
    claims: Sequence[Mapping[str, Any]],
    figures: Path,
    captions: Path,
    provenance: Mapping[str, Any],
    note: str = "",
) -> str:
    """The page as HTML; it names no other file and no other host.

    name        the run's
    table_1     Table 1, with what the clock said of it
    variants    `frontier.read`, the mean of the test sets if there are several: Table 1's rows and what grids added
    more        further tables in order
    claims      `verdicts.as_json`; those whose rows the run does not have are left out
    figures     folder of the figures; those that are there are shown
    captions    folder of NAME.rst, one caption per figure; Snakemake's own report shows the same files
    provenance  provenance.json
    note        a warning for the top of the page, such as that the corpus is synthetic
    """
    row = frontier.smallest(variants, KEEP)
    measured = [claim for claim in claims if claim["verdict"] != UNMEASURED]
    words = {
        key: value for key in ("row", "label") for key, value in zip(variants[key], variants["words"], strict=True)
    }
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, undefined=strict)
    environment.filters["unbroken"] = unbroken
    page = environment.get_template("page.html").render(
        title=TITLE,
        name=name,
        note=note,
        table_1=table_1,
        more=more,
        claims=measured,
        unmeasured=len(claims) - len(measured),
        groups=groups,
        words=words,
        csv=csv,
        answer=answer(variants),
        gap=gap(table_1.frame),
        tiles=tiles(variants, measured),
        chart=chart.draw(variants, f"results/{name}", BASELINE if row is None else row["row"]),
        styles={HOLDS: "holds", FAILS: "fails"},
        evidence=[[str(part(values)) for values in claim["parts"]] for claim in measured],
        figures=[
            _figure(place, figures, captions, described(variants))
            for place in FIGURES
            if (figures / place.file).exists()
        ],
        appendix=[_figure(place, figures, captions) for place in _appendix(figures)],
        provenance=_provenance(provenance, name),
    )
    return page + "\n"


def csv(table: Table) -> str:
    """A table's CSV, all of its columns, as the address of a link: no other file is needed."""
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(to_csv(table).encode()).decode()}"


def described(variants: pd.DataFrame) -> str:
    """What is seen in the drawing of BLEU against bytes."""
    rows = variants[variants["row"] != BASELINE]
    best = rows[rows["frontier"]].sort_values("ratio_file", kind="stable")
    if best.empty:
        return f"{len(rows)} variants, none of them on the frontier"
    first, last = (best.iloc[end] for end in (0, -1))
    return (
        f"of {len(rows)} variants {len(best)} are on the frontier, which falls from {first['row']} "
        f"({first['percent']:.1f} % of the baseline's BLEU, {first['ratio_file']:.2f}x smaller) to {last['row']} "
        f"({last['percent']:.1f} %, {last['ratio_file']:.2f}x)"
    )


def part(values: Mapping[str, Any]) -> Part:
    """A part of a claim of claims.json, where null is no number."""
    return Part(**{key: math.nan if value is None else value for key, value in values.items()})


def answer(frame: pd.DataFrame) -> str:
    """The question of the title answered in three sentences."""
    base = frame[frame["row"] == BASELINE].iloc[0]
    where, size = means.on(base["test"]), megabytes(base["file_bytes"])
    start = f"The baseline has {base['bleu']:.2f} BLEU {where}, from a file of {size}."
    row, kept = frontier.smallest(frame, KEEP), _kept(base)
    if row is None:
        middle = f"No row keeps {kept}."
    else:
        middle = (
            f"The smallest file that keeps {kept} is {row['label']}: "
            f"{megabytes(row['file_bytes'])}, {row['ratio_file']:.2f} times smaller than the fp32 model with "
            f"its vocabulary, at {row['bleu']:.2f} BLEU ({row['percent']:.1f} %)."
        )
    smallest = frame.loc[frame["ratio_file"].idxmax()]
    end = (
        f"The smallest file of all, {smallest['label']}, is {smallest['ratio_file']:.2f} times smaller "
        f"and keeps {smallest['percent']:.1f} %."
    )
    return " ".join([start, middle, end] if row is None or smallest["row"] != row["row"] else [start, middle])


def gap(frame: pd.DataFrame) -> str:
    """How far the ratio as printed and the ratio in the file lie apart, where they do most."""
    papers = frame[frame["row"].isin(paper.TABLE_1) & (frame["row"] != BASELINE)]
    if papers.empty:
        return ""
    row = papers.loc[(papers["ratio_printed"] / papers["ratio_file"]).idxmax()]
    return (
        f"They lie furthest apart for {row['label']}: {row['ratio_printed']:.2f}x as printed, "
        f"{row['ratio_file']:.2f}x in the file, {row['ratio_limit']:.2f}x at the limit."
    )


def tiles(frame: pd.DataFrame, claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The numbers at the top of the page, each with what it means."""
    base = frame[frame["row"] == BASELINE].iloc[0]
    result = [(f"{base['bleu']:.2f}", f"BLEU of the baseline {means.on(base['test'])}")]
    row = frontier.smallest(frame, KEEP)
    if row is not None:
        result.append((f"{row['ratio_file']:.2f}x", f"smaller, in the file, for at least {_kept(base)}"))
        result.append((f"{row['ratio_printed']:.2f}x", "the same file by the paper's way of counting"))
    verdicts = [claim["verdict"] for claim in claims]
    if {HOLDS, FAILS} & set(verdicts):  # a run without the paper's rows decides none
        meaning = f"claims of the paper hold, of {len(claims)} measured; failed: {verdicts.count(FAILS)}"
        result.append((str(verdicts.count(HOLDS)), meaning))
    return result


def _kept(base: pd.Series) -> str:
    """What the answer calls keeping it: on the set that chooses, the development set or what was scored itself."""
    return f"{KEEP:.0f} % of its BLEU" + ("" if base["chosen_by"] == base["test"] else f" on {base['chosen_by']}")


def megabytes(count: float) -> str:
    return f"{count / 1e6:.2f} MB" if count < 1e8 else f"{count / 1e6:.0f} MB"


def unbroken(text: str) -> str:
    """The text with numbers and their units, and ≥ and its number, kept on one line."""
    return re.sub(r"(?<=\d) (?=%|MB|BLEU)|(?<=≥) ", "\N{NO-BREAK SPACE}", text)


def _appendix(folder: Path) -> list[Place]:
    """The appendix's figures, in the order of the paper's rows."""
    rows = [path.stem.removeprefix(APPENDIX) for path in sorted(folder.glob(f"{APPENDIX}*.png"))]
    rows.sort(key=lambda row: list(paper.TABLE_1).index(row) if row in paper.TABLE_1 else len(paper.TABLE_1))
    seen = "a grid of heat maps, one line for each layer and one column for each head of the encoder"
    return [Place(f"{APPENDIX}{row}", paper.label(row), seen, ".png", dense=True) for row in rows]


def _figure(place: Place, figures: Path, captions: Path, variants: str = "") -> dict[str, Any]:
    """A figure as the template wants it, drawn somewhat larger than it is in print."""
    path = figures / place.file
    data = path.read_bytes()
    width, height = _size(data, path)
    kind = {".svg": "image/svg+xml", ".png": "image/png"}[path.suffix]
    name = APPENDIX.rstrip("-") if place.name.startswith(APPENDIX) else place.name
    return {
        **{"name": place.name, "title": place.title, "dense": place.dense},
        "alt": f"{place.title}: {place.seen.format(frontier=variants)}",
        "source": f"data:{kind};base64,{base64.b64encode(data).decode()}",
        "width": round(ENLARGED * width),
        "height": round(ENLARGED * height),
        "caption": caption(captions / f"{name}.rst"),
    }


def _size(data: bytes, path: Path) -> tuple[float, float]:
    """Width and height in CSS pixels: of a .png saved at 200 dpi, of matplotlib's .svg, which has them in points."""
    if path.suffix == ".png":
        width, height = struct.unpack(">II", data[16:24])
        return width * PIXELS_PER_INCH / 200, height * PIXELS_PER_INCH / 200
    sides = [re.search(rb'<svg[^>]*?\b%s="([\d.]+)pt"' % side, data) for side in (b"width", b"height")]
    if not all(sides):
        raise ValueError(f"{path}: not an SVG with its width and height in points")
    width, height = (float(match[1]) * PIXELS_PER_INCH / 72 for match in sides if match)
    return width, height


def caption(path: Path) -> Markup:
    """A caption's first paragraph, with ``code`` and *emphasis*; Snakemake's report shows the same file."""
    if not path.exists():
        return Markup()
    words = " ".join(path.read_text(encoding="utf-8").split("\n\n")[0].split())
    escaped = str(escape(words))
    escaped = re.sub(r"``(.+?)``", r"<code>\1</code>", escaped)
    return Markup(re.sub(r"\*(.+?)\*", r"<em>\1</em>", escaped))


def with_clock(claims: Sequence[Mapping[str, Any]], timed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The claims, the one that only a clock can judge completed by what the clock said of it."""
    result = []
    for claim in claims:
        if claim["number"] == timed["number"]:
            parts = [part for part in claim["parts"] if part["verdict"] != BY_CLOCK]
            claim = {**claim, **timed, "parts": [*parts, *timed["parts"]]}
        result.append(claim)
    return result


def _provenance(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Facts, checksums and configuration of the run `name`, without what names a place on this machine."""
    config = {key: value for key, value in record.get("config", {}).items() if key != "mirror"}
    revision = record.get("revision", "")
    packages = [f"{package} {version}" for package, version in record.get("packages", {}).items() if version]
    facts = {
        "git": revision and revision + (", with uncommitted changes" if record.get("dirty") else ""),
        "configuration": record.get("configuration") and f"sha256 {record['configuration']}",
        **{key: record.get(key) for key in ("device", "platform", "python")},
        "packages": ", ".join(packages),
    }
    checkout = [f"git checkout {revision}"] if revision else []
    commands = [*checkout, f"snakemake --cores all --configfile results/{name}/config.json"]
    return {
        "facts": [(term, str(value)) for term, value in facts.items() if value],
        "data": sorted(record.get("data", {}).items()),
        "config": json.dumps(config, indent=2, ensure_ascii=False) if config else "",
        "commands": "\n".join(commands) if config else "",
    }
