"""What others get of a finished run: its results, and models to take with their cards."""

import json
from pathlib import Path

from tests.toys.workflow import RUN, command
from tzip import files
from tzip.options import flags

PUBLISH = ("python", "workflow_scripts/publish.py", str(RUN))


def test_results_and_models_with_their_cards(finished: Path, tmp_path: Path) -> None:
    output, model = tmp_path / "published", tmp_path / "models" / "small"
    command(finished, *PUBLISH, str(output), "--model", f"kmeans-4bit:1={model}")
    names = {"tables", "timings", "figures", "report.html", "config.json", "provenance.json"}
    assert {path.name for path in output.iterdir()} == names
    assert (output / "tables" / "table1.csv").read_bytes() == (finished / RUN / "tables" / "table1.csv").read_bytes()
    own = finished / RUN / "seed-1" / "kmeans-4bit"
    assert (model / "model.tzip").read_bytes() == (own / "model.tzip").read_bytes()
    card = (model / "README.md").read_text()
    score, size = (json.loads((own / name).read_text()) for name in ("test.score.json", "size.json"))
    paired, record = score["paired"], json.loads((finished / RUN / "provenance.json").read_text())
    for said in (
        f"in {size['file_bytes']:,} bytes",
        files.sha256(own / "model.tzip"),
        f"| test | {score['sentences']:,} | {score['bleu']:.2f} (",
        f"| {paired['difference']:+.2f} ({paired['low']:+.2f} to {paired['high']:+.2f}) |",
        score["signatures"]["bleu"],
        record["config"]["datasets"]["embedded"]["license"],
        record["revision"],
        f"echo TEXT | tzip translate {flags(record['config']['search'])} small/model.tzip",
        f"snakemake {RUN}/seed-1/kmeans-4bit/model.tzip --cores all --configfile {output}/config.json",
    ):
        assert said in card


def test_what_is_not_there_is_told_and_nothing_is_written(finished: Path, tmp_path: Path) -> None:
    for given, said in (
        (["--model", f"kmeans-9bit={tmp_path}/m"], f"{RUN}/seed-1/kmeans-9bit/model.tzip: missing"),
        (["--model", f"kmeans-4bit:7={tmp_path}/m"], f"{RUN}/seed-7/kmeans-4bit/model.tzip: missing"),
        (
            ["--model", f"kmeans-4bit={tmp_path}/a", "--model", f"kmeans-9bit={tmp_path}/b"],
            f"{RUN}/seed-1/kmeans-9bit/model.tzip: missing",
        ),
        (["--model", "kmeans-4bit"], "'kmeans-4bit' is not ROW=FOLDER or ROW:SEED=FOLDER"),
    ):
        assert said in command(finished, *PUBLISH, str(tmp_path / "published"), *given, ok=False)
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "mine").touch()
    given = (str(tmp_path / "published"), "--model", f"kmeans-4bit={tmp_path}/a")
    assert "published: exists already" in command(finished, *PUBLISH, *given, ok=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["published", "mine"]
