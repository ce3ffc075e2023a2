"""The paper's own run, rehearsed: config/wmt.yaml whole, its archives served on loopback.

In them is a small model. The text is Multi30k's where TZIP_MIRROR names a folder that has it, else the
grammar's.
"""

import functools
import hashlib
import os
import tarfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import pytest
import sentencepiece
import yaml

from tests.data.test_lists import ONE
from tests.toys import foreign as foreignmodels
from tests.toys.foreign import OPENNMT, PIECES
from tests.toys.packed import tar
from tests.toys.webserver import listening
from tests.toys.workflow import ROOT, command, copy_sources
from tzip.config import datasets
from tzip.data.corpus import Side
from tzip.data.grammar import generate
from tzip.files import read_json
from tzip.format import container

ARCHIVES = ("opennmt-trainingdata/wmt_ende_sp.tar.gz", "opennmt-models/transformer-ende-wmt-pyOnmt.tar.gz")
MULTI30K = "raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
RUN = Path("results/wmt")
ROWS = ["baseline", "kmeans-4bit", "bs-flexible-attention", "pruned-50-80"]
# What makes the run small; its rules, files and names stay.
SMALL = {
    "model": {"max_length": 40},
    "finetune": {"updates": 2, "batch_tokens": 256, "accumulate": 1},
    "search": {"beam": 2, "max_ratio": 0.5},
    "scores": {"samples": 40, "trials": 40},
    "rows": ROWS,
    "attention": {"sentences": 4, "rows": ROWS[:2]},
}


def text(pairs: int) -> list[tuple[str, str]]:
    """Pairs of sentences, of pieces that the small vocabulary may not have."""
    folder = Path(os.environ.get("TZIP_MIRROR", "/nowhere"), MULTI30K)
    sides = [folder / f"train.{language}.gz" for language in ("en", "de")]
    if all(side.is_file() for side in sides):
        return list(islice(zip(*(Side(str(side)).lines() for side in sides), strict=True), pairs))
    return list(islice(generate(pairs, 1), pairs))


def pack(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tar(path, "w:gz", *((name, data, tarfile.REGTYPE) for name, data in members.items()))


def lines(side: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in side).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository, and small.yaml: the mirror's address, its checksums, and what is smaller."""
    folder = copy_sources(tmp_path_factory.mktemp("wmt"))
    mirror, host = folder / "mirror", folder / "mirror" / "s3.amazonaws.com"
    cut = sentencepiece.SentencePieceProcessor(model_proto=ONE)
    sides = [list(side) for side in zip(*text(400), strict=True)]
    pieces = {
        f"train.{language}": lines([" ".join(row) for row in cut.encode(side[:300], out_type=str)])
        for language, side in zip(("en", "de"), sides, strict=True)
    }
    pack(host / ARCHIVES[0], pieces)
    made = foreignmodels.model(4 + len(PIECES), **OPENNMT)
    foreignmodels.opennmt(folder / "averaged-10-epoch.pt", made, "2018")
    checkpoint = (folder / "averaged-10-epoch.pt").read_bytes()
    pack(host / ARCHIVES[1], {"averaged-10-epoch.pt": checkpoint, "sentencepiece.model": ONE})
    own = yaml.safe_load((ROOT / "config/datasets.yaml").read_text())["datasets"]["wmt"]
    news = {"dev": own["dev"], "test": own["test"]}
    for start, pair in zip((300, 330, 360), [*news["dev"], *news["test"].values()], strict=True):
        for file, side in zip(pair.values(), sides, strict=True):
            data = lines(side[start : start + 30])
            path = mirror / datasets.place(file["url"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            file["sha256"] = hashlib.sha256(data).hexdigest()
    with listening(ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=mirror))) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        (folder / "small.yaml").write_text(yaml.safe_dump(SMALL | {"mirror": address, "datasets": {"wmt": news}}))
        yield folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


def snakemake(folder: Path, *arguments: str) -> str:
    files = ("--configfile", "config/wmt.yaml", "small.yaml")
    return command(folder, "snakemake", "--cores", "2", *files, *arguments)


def test_the_run_names_the_archives_where_they_are() -> None:
    said = command(ROOT, "snakemake", "--dry-run", "--nolock", "--configfile", "config/wmt.yaml")
    for archive in ARCHIVES:
        assert f"https://s3.amazonaws.com/{archive}" in said


def test_the_run_goes_from_the_archives_to_the_report(folder: Path) -> None:
    snakemake(folder)
    table = (folder / RUN / "tables" / "table1.md").read_text()
    assert "the baseline is imported, not trained here: opennmt, averaged-10-epoch.pt" in table
    assert (folder / RUN / "report.html").exists()
    for row in ROWS:
        made = container.read(folder / RUN / "seed-1" / row / "model.tzip")
        assert made.config["source_end"] is False
        for test in ("newstest2017", "newstest2014"):
            assert "bleu" in read_json(folder / RUN / "seed-1" / row / f"{test}.score.json")
    cleaned = read_json(folder / RUN / "data" / "cleaning.json")["train"]
    assert cleaned["read"] == 300
    assert "▁" not in (folder / RUN / "data" / "train.en").read_text()
    assert "Nothing to be done" in snakemake(folder, "--dry-run")
