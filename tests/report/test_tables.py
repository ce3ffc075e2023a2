import io
import re
from pathlib import Path

import pandas as pd
import pytest

from tests.toys.run import FAULTS, flags, make_run, script
from tzip.files import read_json
from tzip.report import paper, results, tables

ROWS = list(FAULTS)
CLEANING = {
    "filters": ["empty", "too_long", "overlap"],
    "dev": {"read": 10, "kept": 10},
    "tests": {"flat": {"read": 5, "kept": 5}},
    "train": {"read": 2000, "empty": 1, "too_long": 2, "overlap": 3, "kept": 1994},
}


@pytest.fixture(scope="module")
def summary(example: Path) -> pd.DataFrame:
    return results.read(example, ROWS, ["flat"], [1])


@pytest.fixture
def with_speed(example: Path, summary: pd.DataFrame) -> tables.Table:
    costs = results.summarize_costs(results.read_costs(example, ROWS, ["flat"], [1]))
    return tables.table_1_with_speed(tables.table_1(summary, "flat"), costs)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_table_1_has_the_papers_rows_with_ours_beside(example: Path, summary: pd.DataFrame) -> None:
    table = tables.table_1(summary, "flat")
    lines = tables.to_markdown(table).split("\n")
    head = cells(lines[2])
    body = {cells(line)[0]: dict(zip(head, cells(line), strict=True)) for line in lines[4 : 4 + len(ROWS)]}
    assert list(body) == [row.label for row in paper.TABLE_1.values()]
    line, scores = body["K-Means 4-bit quantization"], read_json(example / "seed-1/kmeans-4bit/flat.score.json")
    margin = (scores["bleu_high"] - scores["bleu_low"]) / 2
    assert line["BLEU"] == f"{scores['bleu']:.2f} ± {margin:.2f}"
    assert (line["compression as printed"], line["compression in the file"]) == ("5.85", "2.94")
    assert (line["the paper BLEU"], line["the paper %"], line["the paper x"]) == ("27.65", "98.43", "5.85")
    assert line["bytes"] == f"{round(1e6 / 2.94):,}"
    assert body["Baseline model"]["p"] == "–"
    assert body["Baseline model"]["% of baseline"] == "100.0"
    assert "one seed" in "\n".join(lines)
    assert scores["signatures"]["bleu"] in "\n".join(lines)


def test_updates_stand_beside_the_papers(example: Path, summary: pd.DataFrame) -> None:
    table = tables.table_1(summary, "flat")
    headings = [" ".join([column.group, column.heading]).strip() for column in table.columns]
    body = {line[0]: dict(zip(headings, line, strict=True)) for line in table.cells()}
    ours, theirs = "updates", "the paper updates"
    assert (body["K-Means 4-bit quantization"][ours], body["K-Means 4-bit quantization"][theirs]) == ("20", "10,000")
    assert (body["Baseline model"][ours], body["Baseline model"][theirs]) == ("0", "–")
    assert "fine-tuning: 20 updates for each row that has any; the paper's rows had up to 10,000" in table.notes
    several = summary.assign(updates=range(len(summary)))
    several["updates"] *= 100
    said = "fine-tuning: 100 to 1,100 updates for each row that has any; the paper's rows had up to 10,000"
    assert said in tables.table_1(several, "flat").notes
    without = summary.assign(updates=float("nan"))  # of files that did not record it
    assert not any(note.startswith("fine-tuning") for note in tables.table_1(without, "flat").notes)


def test_csv_is_readable_and_says_what_made_it(summary: pd.DataFrame) -> None:
    written = tables.to_csv(tables.table_1(summary, "flat").noted(["synthetic corpus"], ["device: cpu"]))
    comments = [line for line in written.split("\n") if line.startswith("#")]
    assert all(line.startswith("# ") for line in comments)
    assert (comments[1], comments[-1]) == ("# synthetic corpus", "# device: cpu")
    frame = pd.read_csv(io.StringIO(written), comment="#")
    assert frame["row"].tolist() == ROWS
    assert frame["bleu"].to_numpy() == pytest.approx(summary["bleu"].to_numpy(), abs=1e-4)
    assert frame["file_bytes"].dtype == "int64"
    assert frame["paper_percent"].tolist() == [row.percent for row in paper.TABLE_1.values()]


def test_rows_of_ones_own_have_empty_paper_columns(tmp_path: Path) -> None:
    make_run(tmp_path, {"baseline": (0.1, 1.0), "my_own": (0.2, 3.0)})
    own = results.read(tmp_path, ["baseline", "my_own"], ["flat"], [1])
    table = tables.table_1(own, "flat")
    assert table.cells()[1][0] == "my_own"
    assert table.cells()[1][-4:] == ["–", "–", "–", "–"]
    assert tables.to_csv(table).rstrip("\n").split("\n")[-1].endswith(",,,")
    assert r"my\_own" in tables.to_latex(table)
    assert paper.SOURCE in table.notes
    alone = own.assign(row=["one", "two"])
    assert paper.SOURCE not in tables.table_1(alone, "flat").notes


def test_no_clock_in_table_1(summary: pd.DataFrame, with_speed: tables.Table) -> None:
    table = tables.table_1(summary, "flat")
    assert not [column for column in table.frame if "second" in column or "memory" in column]
    line = dict(zip([column.heading for column in with_speed.columns], with_speed.cells()[2], strict=True))
    assert (line["seconds to compress"], line["words/s"]) == ("1.5", "1,100")
    assert line["row"] == "K-Means 4-bit quantization"
    assert len(with_speed.frame) == len(ROWS)


def test_latex_is_escaped_and_balanced(summary: pd.DataFrame) -> None:
    latex = tables.to_latex(tables.table_1(summary, "flat").noted(["100 % of a_b & c#d {e} <f>"]))
    assert r"100 \% of a\_b \& c\#d \{e\} $<$f$>$" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    assert r"\toprule" in latex
    assert r"\cmidrule(lr){4-6}" in latex
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().split("\n")
    assert len(body) == len(ROWS)
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {13}
    assert not re.search(r"(?<!\\)[%_#]", latex.split("\n", 1)[1])
    spans = latex.split(r"\toprule")[1].split(r"\\")[0]
    widths = [int(width) for width in re.findall(r"multicolumn\{(\d+)\}", spans)]
    assert sum(widths) - len(widths) + len(re.findall(r"(?<!\\)&", spans)) + 1 == 14


def test_latex_compiles_in_structure_for_every_special_character() -> None:
    for character, shown in tables.LATEX.items():
        assert tables.escape(character) == shown
    assert tables.escape("30 % → 50 %") == r"30 \% $\rightarrow$ 50 \%"


@pytest.mark.parametrize("width", [120, 90])
def test_text_fits_the_terminal(with_speed: tables.Table, width: int) -> None:
    lines = tables.to_text(with_speed.noted(["synthetic corpus " * 12]), width).split("\n")
    assert max(map(len, lines)) <= width
    assert any(line.startswith(("K-Means 4-bit", "K-Mea")) and "98.43" in line for line in lines)
    if width == 120:
        assert any(line.startswith("BS-Flexible 1-bit att-quantization ") for line in lines)


def test_several_test_sets_and_seeds(example: Path) -> None:
    summary = results.read(example, ["baseline", "bs-fixed"], ["hard", "flat"], [1, 2])
    table = tables.by_test(summary)
    assert [line[:2] for line in table.cells()] == [
        [label, test] for label in ("Baseline model", "BS-Fixed") for test in ("hard", "flat")
    ]
    assert "±: half the 95 % interval over sentences and 2 seeds, of % paired with the baseline's" in table.notes
    assert any("the largest of any seed" in note for note in tables.table_1(summary, "hard").notes)
    with pytest.raises(ValueError, match="no scores of test set 't3'; choose from hard, flat"):
        tables.table_1(summary, "t3")


def test_cleaning() -> None:
    assert tables.to_markdown(tables.cleaning(CLEANING)).split("\n")[2:7] == [
        "| split | read | empty | too long | overlap | kept |",
        "| :-- | --: | --: | --: | --: | --: |",
        "| train | 2,000 | 1 | 2 | 3 | 1,994 |",
        "| dev | 10 | 0 | 0 | 0 | 10 |",
        "| test/flat | 5 | 0 | 0 | 0 | 5 |",
    ]
    with pytest.raises(ValueError, match="no split"):
        tables.cleaning({})


def test_papers_figures_agree_with_each_other() -> None:
    base = paper.TABLE_1["baseline"].bleu
    for row in paper.TABLE_1.values():
        assert row.percent == pytest.approx(100 * row.bleu / base, abs=0.011)
    assert len(paper.TABLE_1) == 12


def test_scripts_write_the_same_bytes_twice(example: Path, tmp_path: Path) -> None:
    more = ["--provenance", example / "provenance.json", "--note", "synthetic corpus"]
    for folder in ("one", "two"):
        assert script("tables", *flags(example), *more, "--output", tmp_path / folder) == (0, "")
    written = sorted((tmp_path / "one").iterdir())
    assert [path.name for path in written] == [
        f"{name}.{suffix}" for name in ("cleaning", "table1", "tests") for suffix in ("csv", "md", "tex")
    ]
    for path in written:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert "synthetic corpus" in path.read_text(encoding="utf-8")
        assert "git revision: 0123456789ab" in path.read_text(encoding="utf-8")


def test_timings_script(example: Path, tmp_path: Path) -> None:
    one_seed = flags(example, ROWS, ["flat"], [1])
    assert script("timings", *one_seed, "--output", tmp_path, "--note", "synthetic corpus") == (0, "")
    text = (tmp_path / "table1.txt").read_text(encoding="utf-8")
    assert "synthetic corpus" in text
    assert max(map(len, text.split("\n"))) <= 120
    speed = pd.read_csv(tmp_path / "speed.csv", comment="#")
    assert speed["words_per_second"].tolist() == [1100.0] * len(ROWS)
    assert read_json(tmp_path / "claim8.json")["verdict"] == "does not hold"
    assert "does not hold" in (tmp_path / "claim8.md").read_text(encoding="utf-8")


def test_script_names_what_is_missing(example: Path, tmp_path: Path) -> None:
    missing = f"error: {tmp_path}/seed-1/baseline/flat.score.json: missing; has the run finished?\n"
    assert script("tables", *flags(tmp_path), "--output", tmp_path) == (1, missing)
    missing = "error: nowhere.json: missing; has the run finished?\n"
    more = ["--provenance", "nowhere.json", "--output", tmp_path]
    assert script("tables", *flags(example, tests=["flat"], seeds=[1]), *more) == (1, missing)
    assert not list(tmp_path.iterdir())
