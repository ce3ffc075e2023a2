"""What others get of a finished run: its results without what is large, and models to take, each with its card."""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tzip import files
from tzip.options import flags
from tzip.report import frontier, results

FOLDERS = ("tables", "timings", "figures")
FILES = ("report.html", "config.json", "provenance.json")
MODEL, CARD = "model.tzip", "README.md"


def publish(run: Path, output: Path, models: Iterable[tuple[str, int, Path]] = ()) -> None:
    """Copy a run's tables, timings, figures, page, configuration and provenance to the new folder `output`.

    models  rows to take: (row, seed, new folder) of each; its model.tzip goes there, with its card

    All folders appear, or none.
    """
    for name in (*FOLDERS, *FILES):
        if not (run / name).exists():
            raise results.missing(run / name)
    with contextlib.ExitStack() as folders:
        folder = folders.enter_context(files.replacing_folder(output))
        for name in FOLDERS:
            shutil.copytree(run / name, folder / name)
        for name in FILES:
            shutil.copyfile(run / name, folder / name)
        for row, seed, place in models:
            file = results.place(run, seed, row, MODEL)
            if not file.exists():
                raise results.missing(file)
            folder = folders.enter_context(files.replacing_folder(place))
            shutil.copyfile(file, folder / MODEL)
            files.write_text(folder / CARD, card(run, row, seed, place.name, output))


def card(run: Path, row: str, seed: int, name: str, output: Path) -> str:
    """The model card of a row, in Markdown: what it is, its scores, its data and their license, how it was made.

    output: where the run is published
    """
    known = frontier.read(run).set_index("row")["words"]
    if row not in known:
        raise ValueError(f"{row}: no row of {run}; choose from {', '.join(known.index)}")
    file = results.place(run, seed, row, MODEL)
    record = results.load(run / "provenance.json", ("config", "revision", "device"))
    config = record["config"]
    data, tests = config["datasets"][config["dataset"]], config["tests"]
    size = results.load(results.place(run, seed, row, "size.json"), results.SIZES)
    scores = {test: results.load(results.place(run, seed, row, f"{test}.score.json")) for test in tests}
    source, target = data["languages"]
    translate = f"tzip translate {flags(config['search'])}".rstrip()
    seeds = (
        f" (of the seeds {', '.join(map(str, config['seeds']))}; this is {seed})" if len(config["seeds"]) > 1 else ""
    )
    lines = [
        f"# {name}",
        "",
        f"A translation model from `{source}` to `{target}` in {size['file_bytes']:,} bytes, vocabulary included:"
        f" {size['ratio_file']:.1f} times smaller than the run's baseline in float32.",
        "",
        f"- What it is: row `{row}` of the run `{config['name']}`: {known[row]}{seeds}.",
        f"- SHA-256 of `{MODEL}`: `{files.sha256(file)}`.",
        "",
        f"    echo TEXT | {translate} {name}/{MODEL}",
        f"    tzip inspect {name}/{MODEL}",
        "",
        "## Scores",
        "",
        "BLEU with its 95 % interval over sentences, and the difference to the run's baseline of the same seed with"
        " that of paired resamples:",
        "",
        "| test set | sentences | BLEU | chrF | difference |",
        "|---|--:|--:|--:|--:|",
        *(_scored(test, result) for test, result in scores.items()),
        "",
        f"sacreBLEU: `{next(iter(scores.values()))['signatures']['bleu']}`. Each is computed from what"
        f" `{translate}` makes of this file.",
        "",
        "## Data",
        "",
        f"{config['dataset']}, as the run's `config.json` describes it. "
        f"License: {data.get('license') or 'not given'}. {data.get('note') or ''}".rstrip(),
        "",
        "A model that learned from a text may be bound by that text's license. It knows what that text is about, and"
        " nothing else.",
        "",
        "## How it was made",
        "",
        f"By tzip at revision `{record['revision']}`, on {record['device']}:",
        "",
        f"    {frontier.command(run, f'seed-{seed}/{row}/{MODEL}', output / 'config.json')}",
        "",
        "`config.json` and `provenance.json` of the published run are the record: all options, seeds, checksums of the"
        " data, versions of the packages.",
    ]
    return "\n".join(lines) + "\n"


def _scored(test: str, result: dict[str, Any]) -> str:
    paired = result.get("paired")
    difference = f"{paired['difference']:+.2f} ({paired['low']:+.2f} to {paired['high']:+.2f})" if paired else "–"
    bleu = f"{result['bleu']:.2f} ({result['bleu_low']:.2f} to {result['bleu_high']:.2f})"
    return f"| {test} | {result['sentences']:,} | {bleu} | {result['chrf']:.1f} | {difference} |"
