"""Runs whose data comes from a server that cuts, dawdles, lies, redirects, sends too much or goes away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import NANO, RUN, finish, start, write_configuration
from tests.toys.webserver import Handler, Server, listening
from tzip.files import sha256

HOST = "corpora.example"
CLEANED = str(RUN / "data" / "cleaning.json")
CUT = 10_000  # bytes after which a bad connection ends


class Site(Server):
    """The corpus of the undisturbed run, as HOST/NAME; the first part of the path says how it is served.

    It holds what it serves at the moment: one download at a time.
    """

    def __init__(self, corpus: Path):
        super().__init__()
        self.RequestHandlerClass = Page
        self.corpus = corpus
        self.patience = 0  # requests after which the server is gone; 0 = none

    def urls(self) -> dict:
        """A data set of this corpus, with checksums."""

        def side(split: str, language: str) -> dict:
            name = f"{split}.{language}"
            return {"url": f"https://{HOST}/{name}", "sha256": sha256(self.corpus / name)}

        parts = {
            split: {"source": side(split, "en"), "target": side(split, "de")} for split in ("train", "dev", "test")
        }
        return {
            "languages": ["en", "de"],
            "train": [parts["train"]],
            "dev": [parts["dev"]],
            "test": {"test": parts["test"]},
        }


class Page(Handler):
    server: Site

    def do_GET(self) -> None:
        self.server.data = (self.server.corpus / self.path.rsplit("/", 1)[1]).read_bytes()
        self.server.tag = f'"{self.path}"'
        if 0 < self.server.patience <= len(self.server.seen):
            self.close_connection = True
            return
        super().do_GET()

    def do_drops(self, _: int) -> None:
        self.send(self.server.data, cut=CUT)

    def do_slow(self, _: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.data)))
        self.end_headers()
        for sent in range(0, len(self.server.data), CUT):
            self.wfile.write(self.server.data[sent : sent + CUT])
            self.wfile.flush()
            time.sleep(0.5)

    def do_moved(self, _: int) -> None:
        self.redirect(self.server.url + self.path.replace("moved", "good", 1))

    def do_wrong(self, _: int) -> None:
        self.send(self.server.data.replace(b"e", b"a", 1))


@pytest.fixture
def site(undisturbed: Path) -> Iterator[Site]:
    with listening(Site(undisturbed / RUN / "generated")) as site:
        yield site


def fetching(site: Site, folder: Path, kind: str, **limits: float) -> None:
    """The configuration of a run that takes its corpus from the site, served in this way."""
    settings = {
        "datasets": {"served": site.urls()},
        "dataset": "served",
        "tests": ["test"],
        "mirror": f"{site.url}/{kind}",
        "download": {"wait": 0.0, "timeout": 5.0, **limits},
    }
    write_configuration(folder, NANO | settings)


def cleaned(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / RUN / "data").rglob("*.??"))}


def downloaded(folder: Path) -> list[str]:
    """What lies under its final name."""
    found = (folder / "results" / "downloads").rglob("*.??")
    return sorted(path.name for path in found)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("drops", f"a download that is cut every {CUT:,} bytes"), ("slow", "a slow one"), ("moved", "a redirected one")],
)
def test_what_can_be_overcome_is(kind: str, fault: str, site: Site, fresh: Path, undisturbed: Path, told) -> None:
    fetching(site, fresh, kind)
    finish(fresh, "--", CLEANED, cores=1)
    assert cleaned(fresh) == cleaned(undisturbed)
    told(fault, "the whole file", f"{len(downloaded(fresh))} files in {len(site.seen)} requests, the same bytes")


@pytest.mark.parametrize(
    ("kind", "limits", "fault", "says"),
    [
        ("wrong", {}, "a file that is not what it should be", "wrong SHA-256: expected"),
        ("good", {"largest": 2000}, "a file that is too large", "bytes declared, at most 2000 allowed"),
    ],
)
def test_what_is_wrong_is_named(
    kind: str, limits: dict, fault: str, says: str, site: Site, fresh: Path, undisturbed: Path, told
) -> None:
    fetching(site, fresh, kind, **limits)
    assert start(fresh, "--", CLEANED, cores=1).wait(300) != 0
    logs = [path.read_text() for path in (fresh / "results" / "logs" / "download").rglob("*.log")]
    (line,) = {text.strip().splitlines()[-1] for text in logs if "/train.en:" in text}
    assert says in line
    kept = downloaded(fresh)
    assert "train.en" not in kept
    fetching(site, fresh, "good")
    finish(fresh, "--", CLEANED, cores=1)
    assert cleaned(fresh) == cleaned(undisturbed)
    short = line.replace(site.url, "http://localhost").split(", found")[0]
    told(fault, "refused by name, nothing kept of it", f"`{short}`; a rerun with the right one ended")


def test_a_mirror_that_vanishes_midway(site: Site, fresh: Path, undisturbed: Path, told) -> None:
    fetching(site, fresh, "drops")
    site.patience = 4
    assert start(fresh, "--", CLEANED, cores=1).wait(300) != 0
    parts = list((fresh / "results" / "downloads").rglob("*.part"))
    before = sum(path.stat().st_size for path in parts) + sum(
        (site.corpus / name).stat().st_size for name in downloaded(fresh)
    )
    assert before > 0
    site.patience, site.seen[:] = 0, []
    finish(fresh, "--", CLEANED, cores=1)
    assert cleaned(fresh) == cleaned(undisturbed)
    assert any(asked for _, asked in site.seen)  # from where it was
    told(
        "a mirror that vanishes midway",
        "what has arrived is kept; a rerun asks for the rest",
        f"{before:,} bytes were there, the rerun asked for those after them: the same bytes",
    )
