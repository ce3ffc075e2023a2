"""Which variants are worth their bytes: the frontier of BLEU against file size, and the methods' ranking."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tzip import options
from tzip.compression import registry
from tzip.config import BASELINE, DEV, MEAN
from tzip.report import finetuning, means, paper, results, tables
from tzip.report.tables import Column, Table

COLUMNS = [
    *["row", "label", "method", "test", "seeds", "frontier", "file_bytes", "baseline_bytes", "ratio_file"],
    *["ratio_printed", "ratio_limit", "bleu", "bleu_sd", "bleu_low", "bleu_high", "bleu_margin", "percent"],
    *["percent_sd", "percent_low", "percent_high", "percent_margin", "p_value", *tables.CONTROL_KEYS],
    *tables.TUNING_KEYS,
    *["chosen_by", "chosen_bleu", "chosen_percent", "file", "words", "plan", "source"],
]
LATER = {  # columns that earlier revisions did not write, and what stands for them
    **dict.fromkeys([*tables.CONTROL_KEYS, "percent_low", "percent_high", "percent_margin", "updates"], np.nan),
    **dict.fromkeys(["control", "finetuning", "words"], ""),
}
CHOSEN = {"by": "test", "bleu": "bleu", "percent": "percent"}  # of each test set, where nothing else chose
RANKING = ["rank", "method", "test", "variants", "on_frontier", "area", "area_sd", "largest_ratio"]
LAYERS = {"attention": "the attention layers", "linear": "the attention and feed-forward layers"}
LAYERS["all"] = "all matrices, embeddings included,"
DISTILLATION = "Hinton, Vinyals & Dean 2015; Kim & Rush 2016"
MIXERS = {"convolution": "Chia & Witteveen 2018; Wu et al. 2019", "ssru": "Kim et al. 2019"}
BUDGET = "Shoham & Gersho 1988"


def method(plan: Mapping[str, str]) -> str:
    """What is done to which model, by its methods' names: magnitude + kmeans, student tiny + kmeans."""
    student = [f"student {plan['student']}"] if plan.get("student") else []
    used = [options.parse(plan[step])[0] for step in ("prune", "quantize") if plan.get(step)]
    return " + ".join([*student, *used]) or BASELINE


def spelled(plan: Mapping[str, str]) -> str:
    """A plan as one would type it, without what it leaves at its default."""
    steps = [f"{key} {plan[key]}" for key in ("student", "prune", "quantize", "biases", "budget") if plan.get(key)]
    scope = [plan["scope"]] if steps and plan.get("scope") and plan.keys() & {"prune", "quantize"} else []
    return ", ".join([*steps, *scope])


def explained(plan: Mapping[str, str], tuning: str = "") -> str:
    """What a row is, in words: which model, what is done to which layers, and how it was fine-tuned."""
    steps = []
    for step, kind in (("prune", "pruners"), ("quantize", "quantizers")):
        if plan.get(step):
            name, given = options.parse(plan[step])
            known = name in registry.names(kind)
            words = registry.summary(registry.path(kind, name)).partition(":")[0].partition(" (")[0] if known else name
            settings = ", ".join(f"{key} {value}" for key, value in given.items())
            steps.append(words.rstrip(".") + (f" ({settings})" if settings else ""))
    model = f"the student '{plan['student']}'" if plan.get("student") else "the baseline"
    if not steps:
        return f"{model}, uncompressed"
    parts = [f"{', then '.join(steps)}, of {LAYERS[plan.get('scope') or 'linear']} of {model}"]
    parts += [f"biases by {plan['biases']}"] if plan.get("biases") else []
    parts += [f"the rest in {plan['rest']}"] if plan.get("rest") else []
    parts += [f"bits per tensor chosen for a file {plan['budget']} smaller"] if plan.get("budget") else []
    return "; ".join([*parts, f"fine-tuned: {tuning}" if tuning else "not fine-tuned"])


def source(plan: Mapping[str, str]) -> str:
    """The publications that the methods of a plan come from; none of a user's own method that names none."""
    sources = [DISTILLATION] if plan.get("student") else []
    sources += [MIXERS[mixer] for mixer in (plan.get("mixer") or "").split(" + ") if mixer in MIXERS]
    for step, kind in (("prune", "pruners"), ("quantize", "quantizers")):
        name = options.parse(plan.get(step) or "")[0]
        sources += [registry.source(kind, name)] if name in registry.names(kind) else []
    sources += [BUDGET] if plan.get("budget") else []
    return "; ".join(dict.fromkeys(part for text in sources if text for part in text.split("; ")))


def undominated(frame: pd.DataFrame) -> pd.Series:
    """Whether no line is better in one of file_bytes (less) and bleu (more) and at least as good in both."""
    size, bleu = (frame[key].to_numpy() for key in ("file_bytes", "bleu"))
    result = np.ones(len(frame), dtype=bool)
    best = -np.inf
    for at in np.unique(size):  # ascending: a line is dominated by a smaller file, or by one of the same size
        same = size == at
        result[same] = (bleu[same] == bleu[same].max()) & (bleu[same] > best)
        best = max(best, bleu[same].max())
    return pd.Series(result, index=frame.index)


def chosen(scores: pd.DataFrame) -> list[str]:
    """The rows that are on the frontier of `results.read_scores` of one test set, by means over seeds."""
    means = scores.groupby("row", sort=False)[["file_bytes", "bleu"]].mean()
    return list(means.index[undominated(means)])


def collect(
    summary: pd.DataFrame, plans: Mapping[str, Mapping[str, str]], seed: int, by: str | None = None
) -> pd.DataFrame:
    """`results.read` with what a choice needs: COLUMNS, one line per row and test set.

    plans  each row's
    seed   the one whose file the column `file` names, relative to the run's folder
    by     the set that decides which rows are on the frontier; None: each test set for itself
    The BLEU by which a row is chosen, and its percent of the baseline's, are chosen_bleu and chosen_percent.
    """
    rows = summary["row"]
    frontier = pd.concat([undominated(group) for _, group in summary.groupby("test")])
    known = summary.assign(frontier=frontier).set_index(["row", "test"])
    chosen_by = summary["test"] if by is None else pd.Series(by, summary.index)
    taken = known.loc[pd.MultiIndex.from_arrays([rows, chosen_by])].set_axis(summary.index)
    frame = summary.assign(
        label=rows.map(paper.label),
        method=[method(plans[row]) for row in rows],
        file=[f"seed-{seed}/{row}/model.tzip" for row in rows],
        words=[explained(plans[row], told) for row, told in zip(rows, summary["finetuning"], strict=True)],
        plan=[spelled(plans[row]) for row in rows],
        source=[source(plans[row]) for row in rows],
        frontier=taken["frontier"],
        chosen_by=chosen_by,
        chosen_bleu=taken["bleu"],
        chosen_percent=taken["percent"],
    )
    frame[["file_bytes", "baseline_bytes"]] = frame[["file_bytes", "baseline_bytes"]].round().astype(int)
    return frame[COLUMNS]


def area(ratios: Sequence[float], percents: Sequence[float], high: float) -> float:
    """Mean percent of the baseline's BLEU that these files keep over all budgets from 1x to `high`.

    A budget r asks for a file at least r times smaller than the baseline's; it gets the best of those, and
    0 where there is none. Budgets are weighed by the logarithm of r: 1x to 2x counts as much as 2x to 4x.
    """
    order = np.argsort(ratios, kind="stable")
    ends = np.log(np.clip(np.asarray(ratios, dtype=float)[order], 1.0, high))
    kept = np.nan_to_num(np.asarray(percents, dtype=float)[order])
    best = np.maximum.accumulate(kept[::-1])[::-1]
    return float((np.diff(ends, prepend=0.0) * best).sum() / np.log(high))


def rank(scores: pd.DataFrame, collected: pd.DataFrame) -> pd.DataFrame:
    """Methods by their `area`, the best first, for each set that decides: mean and deviation over seeds; RANKING.

    scores: `results.read_scores`; collected: `collect` of the same rows. The largest budget is the ratio of the run's
    smallest file, the same for all methods.
    """
    lines = []
    scores = scores.assign(method=scores["row"].map(collected.drop_duplicates("row").set_index("row")["method"]))
    high = scores["ratio_file"].max()
    decides = scores["test"].isin(set(collected["chosen_by"])) & (scores["method"] != BASELINE)
    for test, tested in scores[decides].groupby("test", sort=False):
        best = collected[(collected["test"] == test) & collected["frontier"]]
        ranked = []
        for name, group in tested.groupby("method"):
            areas = pd.Series([area(seed["ratio_file"], seed["percent"], high) for _, seed in group.groupby("seed")])
            on_frontier = int((best["method"] == name).sum())
            ranked.append((name, test, group["row"].nunique(), on_frontier, areas.mean(), areas.std(), high))
        ranked.sort(key=lambda line: -line[4])
        lines += [(number, *line) for number, line in enumerate(ranked, 1)]
    return pd.DataFrame(lines, columns=RANKING)


def read(run: str | Path, test: str = "", table: str = "frontier") -> pd.DataFrame:
    """A run's frontier.csv (or ranking.csv) for one test set, its first where none is named.

    'mean' is the mean of its test sets; of a run that has one alone, or of an earlier revision, it is the first.

    ValueError in one line where there is no such file, column or test set.
    """
    path = Path(run, "tables", f"{table}.csv")
    if not path.exists():
        if Path(run, "config.json").exists():
            raise ValueError(f"{path}: missing; `{command(run, f'tables/{table}.csv')}` makes it")
        runs = sorted(record.parent.name for record in Path(run).parent.glob("*/config.json"))
        raise ValueError(f"{run}: no run; {Path(run).parent} has {', '.join(runs) or 'none'}")
    frame = pd.read_csv(path, comment="#", dtype={"row": str, "label": str, "test": str})
    if table == "frontier" and {"test", "bleu", "percent"} <= set(frame):
        chose = {f"chosen_{key}": frame[column] for key, column in CHOSEN.items()}
        frame = frame.assign(**{key: value for key, value in (LATER | chose).items() if key not in frame})
    if absent := [key for key in (COLUMNS if table == "frontier" else RANKING) if key not in frame]:
        raise ValueError(f"{path}: no column '{absent[0]}'")
    tests = list(dict.fromkeys(frame["test"]))
    test = "" if test == MEAN and test not in tests else test
    if test and test not in tests and len(frame):
        raise ValueError(f"{path}: no test set '{test}'; choose from {', '.join(tests)}")
    texts = {"plan", "source", "words", "control", "finetuning"} & set(frame)
    frame = frame.astype(dict.fromkeys(texts, object)).fillna(dict.fromkeys(texts, ""))
    return frame[frame["test"] == (test or tests[0])].reset_index(drop=True)


def at(frame: pd.DataFrame, ratio: float) -> pd.Series:
    """The line of the best BLEU, by what chooses, among files at least `ratio` times smaller than the baseline's."""
    small = frame[frame["ratio_file"] >= ratio]
    if small.empty:
        most = frame.loc[frame["ratio_file"].idxmax()]
        raise ValueError(f"no file is {ratio:g}x smaller; the most is {described(most)}")
    return small.sort_values(["chosen_bleu", "file_bytes"], ascending=[False, True]).iloc[0]


def smallest(frame: pd.DataFrame, percent: float) -> pd.Series | None:
    """The line of the smallest file that keeps at least `percent` of the baseline's BLEU by what chooses, if any."""
    good = frame[(frame["row"] != BASELINE) & (frame["chosen_percent"] >= percent)]
    return None if good.empty else good.loc[good["file_bytes"].idxmin()]


def keeping(frame: pd.DataFrame, percent: float) -> pd.Series:
    """As `smallest`; ValueError in one line that names the best there is where no file keeps as much."""
    line = smallest(frame, percent)
    if line is not None:
        return line
    compressed = frame[frame["row"] != BASELINE]
    if compressed["chosen_percent"].isna().all():
        raise ValueError("there is nothing but a baseline, or one that scored 0")
    most = compressed.loc[compressed["chosen_percent"].idxmax()]
    raise ValueError(f"no file keeps {percent:g} % of the baseline's BLEU; the most is {described(most)}")


def described(line: pd.Series) -> str:
    """A line of the frontier in words, with all that one would choose by."""
    by, where = "", means.on(line["test"])
    if line["chosen_by"] != line["test"]:
        by = f"{line['chosen_bleu']:.2f} on {line['chosen_by']} ({line['chosen_percent']:.1f} %), "
    return (
        f"{line['row']}: {tables.BLEU.show(line)} BLEU {where} ({line['percent']:.1f} % of the baseline's), "
        f"{by}{line['file_bytes']:,} bytes, {line['ratio_file']:.2f}x smaller"
    )


def command(run: str | Path, file: str, record: str | Path = "") -> str:
    """What makes a run's file again, from the record of its configuration, by default its own; see `origin`."""
    return f"snakemake {origin(run) / file} --cores all --configfile {record or Path(run, 'config.json')}"


def origin(run: str | Path) -> Path:
    """The folder in which a run makes its files: of one that was copied elsewhere, as published ones are, the first."""
    record = Path(run, "config.json")
    copied = Path(run).resolve().parent.name != "results" and record.exists()
    name = results.load(record).get("name") if copied else None
    return Path("results", name) if name else Path(run)


def table(collected: pd.DataFrame) -> Table:
    """The frontier; its CSV has every variant."""
    size = Column("bytes", "file_bytes", ",.0f")
    by = set(collected["chosen_by"])
    on_dev = (Column(f"BLEU on {DEV}", "chosen_bleu", ".2f", short=DEV),) if by == {DEV} else ()
    columns = (tables.VARIANT, tables.METHOD, tables.TEST, size, tables.RATIO, *on_dev, tables.BLEU, tables.PERCENT)
    columns += tables.of_control(collected)
    notes = (
        "the variants that no other beats in one of BLEU and bytes without losing in the other, by means on "
        + (f"{DEV}, the development set; the tests say what the choice is worth" if on_dev else "each test set")
        + "; the CSV has all",
        tables.margin(collected),
        *means.notes(collected["test"].unique()),
        *finetuning.notes(collected),
    )
    title = "The frontier: the best BLEU for its bytes"
    tests = [group for _, group in collected.groupby("test", sort=False)]
    ordered = pd.concat([group.sort_values("file_bytes", ascending=False, kind="stable") for group in tests])
    shown = ordered["frontier"] & ~(ordered["test"] == DEV if on_dev else False)
    return Table("frontier", title, ordered, columns, notes, shown=shown)


def sources(collected: pd.DataFrame) -> Table:
    """Every variant in its order, what is done to it, what that keeps, and its publications."""
    words, source = Column("what it is", "words", align="p{5cm}"), Column("source", "source", align="p{5cm}")
    updates = Column("updates", "updates", ",.0f")
    columns = (tables.VARIANT, words, tables.RATIO, tables.BLEU, tables.PERCENT)
    by = collected["chosen_by"].iloc[0]
    first = collected[collected["test"] == by] if by in set(collected["test"]) else collected
    columns += (*tables.of_control(first), updates, source)
    notes = (f"BLEU on {first['test'].iloc[0]}", tables.margin(collected), *finetuning.notes(collected))
    return Table("methods", "Every variant, and where its methods come from", first, columns, notes)


def ranking(ranked: pd.DataFrame, seeds: int) -> Table:
    """The methods by the area under their frontiers."""
    columns = (
        Column("", "rank", short="#"),
        tables.METHOD,
        tables.TEST,
        Column("variants", "variants"),
        Column("on the frontier", "on_frontier", short="frontier"),
        Column("% of BLEU over all budgets", "area", ".2f", short="area"),
        *([Column("deviation over seeds", "area_sd", ".2f", short="sd")] if seeds > 1 else []),
    )
    high = f"{ranked['largest_ratio'].iloc[0]:.2f}" if len(ranked) else "1"
    notes = (
        f"mean of the baseline's BLEU that a method's best file keeps, over budgets from 1x to {high}x (the "
        "run's smallest file), each asking for a file at least that many times smaller; budgets weighed by "
        "their logarithm, one that no file of the method meets counts 0",
        "one seed" if seeds == 1 else f"mean and standard deviation over {seeds} seeds",
        "a method with more variants had more chances; compare those of one grid",
    )
    return Table("ranking", "Methods ranked over all budgets", ranked, columns, notes)
