"""Downloads from a real HTTP server that misbehaves in every way we know, and from mirrors."""

import hashlib
import os
import re

import pytest
import yaml

from tests.toys.commands import ROOT, script
from tests.toys.webserver import DATA, Handler, Server, listening
from tzip.data import download
from tzip.data.download import Options, fetch, locate

SUM = hashlib.sha256(DATA).hexdigest()
QUICK = Options(retries=3, wait=0.0, timeout=5.0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(download.MIRROR, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with listening(Server()) as server:
        yield server


@pytest.fixture
def get(server, tmp_path):
    """get(kind, sha256) downloads the server's file, served in this way, and returns its bytes."""

    def get(kind: str, sha256: str | None = SUM, options: Options = QUICK) -> bytes:
        return fetch(f"{server.url}/{kind}/file", tmp_path / "file", sha256, options=options).read_bytes()

    return get


def asked(server: Server) -> list[str | None]:
    """The Range of each request."""
    return [asked for _, asked in server.seen]


# ── downloading ───────────────────────────────────────────────────────────────────────────────────

RESUMED = [None, "bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize(
    ("kind", "sha256", "ranges"),
    [
        ("good", SUM, [None]),
        ("drops", SUM, RESUMED),
        ("drops", None, RESUMED),  # without a checksum, the server's ETag decides
        ("forgetful", SUM, RESUMED[:2]),
        ("changes", None, RESUMED[:2]),
        ("stubborn", None, [*RESUMED[:2], None]),
        ("broken", SUM, [None] * 3),
        ("moved", SUM, [None] * 2),
        ("endless", SUM, [None]),
    ],
)
def test_a_file_arrives_whole_whatever_the_server_does(server, get, tmp_path, capsys, kind, sha256, ranges):
    assert get(kind, sha256) == DATA
    assert asked(server) == ranges
    assert sorted(os.listdir(tmp_path)) == (["file"] if sha256 else ["file", "file.sha256"])
    if kind == "drops":
        lost = f"{server.url}/drops/file: connection lost after 100000 of 300000 bytes; retry 1 of 3 in 0 s\n"
        assert lost in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "options", "says", "requests"),
    [
        ("dead", QUICK, r"HTTP 503 .* \(gave up after 3 retries\)$", 4),
        ("missing", QUICK, "HTTP 404 Not Found$", 1),
        ("loop", QUICK, "HTTP 302", 11),
        ("elsewhere", QUICK, "redirect to ftp://.* refused", 1),
        ("declares", Options(), "1125899906842624 bytes declared, at most 68719476736 allowed", 1),
        ("endless", Options(largest=200_000), "more than the 200000 bytes allowed", 1),
    ],
)
def test_what_cannot_be_overcome_is_one_line(server, get, tmp_path, kind, options, says, requests):
    with pytest.raises(ValueError, match=f"/{kind}/file: {says}"):
        get(kind, options=options)
    assert len(server.seen) == requests
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("part", "ranges"),
    [
        (DATA[:200_000], ["bytes=200000-"]),  # left by a killed process
        (DATA, []),
        (bytes(200_000), ["bytes=200000-", None]),  # of another file
        (bytes(300_000), ["bytes=300000-", None]),
        (bytes(400_000), ["bytes=400000-", None]),
    ],
)
def test_a_part_is_continued_or_replaced(server, get, tmp_path, part, ranges):
    (tmp_path / "file.part").write_bytes(part)
    (tmp_path / "file").write_bytes(b"damaged")
    assert get("good") == get("good") == DATA  # the second time without a request
    assert asked(server) == ranges
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("size", "cut"), [(300_000, 100_000), (3 << 20, 2 << 20)])
def test_progress_that_is_lost_again_does_not_keep_a_download_alive(server, get, monkeypatch, size, cut):
    server.data, server.tag = bytes(size), ""  # neither checksum nor ETag: each request from the start
    monkeypatch.setattr(Handler, "do_drops", lambda self, _: self.send(self.server.data, cut=cut))
    with pytest.raises(ValueError, match="gave up after 3 retries"):
        get("drops", None)
    assert asked(server) == [None] * 4


def test_progress_resets_the_count_of_failures(server, get, monkeypatch):
    server.data = bytes(8 << 20)
    monkeypatch.setattr(Handler, "do_drops", lambda self, _: self.send(self.server.data, cut=1 << 20))
    assert len(get("drops", None)) == 8 << 20
    assert len(server.seen) == 8


def test_waits_double_up_to_the_longest(get, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with pytest.raises(ValueError, match="gave up"):
        get("dead", options=Options(retries=5, longest_wait=6))
    assert waits == [1, 2, 4, 6, 6]


def test_nobody_listening_is_one_line(server, tmp_path):
    with pytest.raises(ValueError, match=r"^http://127.0.0.1:9/file: \[Errno \d+\] Con.* \(gave up after 1 re"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", SUM, options=Options(retries=1, wait=0))


def test_a_wrong_file_is_deleted_and_both_checksums_named(server, get, tmp_path):
    get("good", None)  # the first download records its checksum
    (tmp_path / "file").unlink()
    server.data, server.tag = b"another file", '"two"'
    wrong = f"/good/file: wrong SHA-256: expected {SUM}%s, found {hashlib.sha256(server.data).hexdigest()}"
    for sha256, hint in ((SUM, ""), (None, r" \(recorded in .*file.sha256: remove it to accept .*\)")):
        with pytest.raises(ValueError, match=wrong % hint):
            get("good", sha256)
        assert os.listdir(tmp_path) == ["file.sha256"]
    assert (tmp_path / "file.sha256").read_text() == SUM + "\n"


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(ValueError, match=r"^HTTPS://a/x: redirect to http://b/x refused: not https"):
        download._redirected("HTTPS://a/x", "http://b/x")


def test_proxies_are_the_environments_and_passwords_of_netrc_stay_there(server, tmp_path, monkeypatch):
    headers = []
    monkeypatch.setattr(Handler, "do_GET", lambda self: (headers.append(self.headers), self.send(DATA)))
    monkeypatch.setenv("http_proxy", server.url)
    (tmp_path / "netrc").write_text("machine host.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch("http://host.example/file", tmp_path / "file", SUM, options=QUICK)
    (sent,) = headers
    assert sent["Host"] == "host.example"
    assert (sent["Authorization"], sent["User-Agent"], sent["Accept-Encoding"]) == (None, "tzip", "identity")


# ── mirrors ───────────────────────────────────────────────────────────────────────────────────────


def test_a_mirror_folder_is_laid_out_as_host_and_path(tmp_path, monkeypatch):
    place = tmp_path / "mirror/host.example/a b"
    place.mkdir(parents=True)
    (place / "file").write_bytes(DATA)
    url = "https://host.example/a%20b/file"
    assert fetch(url, tmp_path / "one", SUM, str(tmp_path / "mirror")).read_bytes() == DATA
    monkeypatch.setenv(download.MIRROR, str(tmp_path / "mirror"))
    assert fetch(url, tmp_path / "deep/two", SUM).read_bytes() == DATA
    with pytest.raises(ValueError, match=r"^https://host\.example/none: not in the mirror"):
        fetch("https://host.example/none", tmp_path / "three", SUM)
    with pytest.raises(ValueError, match="wrong SHA-256"):
        fetch(url, tmp_path / "three", "0" * 64)


def test_a_mirror_may_be_a_base_url(server, tmp_path):
    url = "https://host.example/path/file"
    assert locate(url, server.url + "/good/") == f"{server.url}/good/host.example/path/file"
    assert fetch(url, tmp_path / "file", SUM, server.url + "/good/", QUICK).read_bytes() == DATA


def test_what_is_no_url_is_refused(tmp_path):
    wrong = ["file:///etc/passwd", "ftp://h/x", "x", ""]
    for url in [*wrong, "https://../../x", "https://h/../../x", "https://h/%2e%2e/x"]:
        with pytest.raises(ValueError, match="is not a URL of the form"):
            fetch(url, tmp_path / "file", SUM, str(tmp_path))


def test_a_mistyped_checksum_or_mirror_is_named(tmp_path):
    for sha256, mirror, says in (("abc", tmp_path, "'abc' is not 64 hex"), (SUM, "none", "'none': no such folder")):
        with pytest.raises(ValueError, match=says):
            fetch("https://h/x", tmp_path / "file", sha256, str(mirror))


def test_the_script_downloads_and_fails_in_one_line(server, tmp_path):
    arguments = [f"{server.url}/good/file", "--output", tmp_path / "file", "--wait", "0"]
    script("download", *arguments).check_returncode()
    assert (tmp_path / "file").read_bytes() == DATA
    done = script("download", *arguments, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert re.fullmatch("error: .*wrong SHA-256.*\n", done.stderr)


# ── what the project itself names ─────────────────────────────────────────────────────────────────


def sources(value: object) -> list[dict]:
    if isinstance(value, dict):
        return [value] if "url" in value else [file for item in value.values() for file in sources(item)]
    return [file for item in value for file in sources(item)] if isinstance(value, list) else []


def defined() -> dict[str, str | None]:
    config = yaml.safe_load((ROOT / "config/datasets.yaml").read_text(encoding="utf-8"))
    return {file["url"]: file["sha256"] for file in sources(config)}


def test_every_file_of_the_data_sets_has_a_url_and_a_checksum():
    for url, sha256 in defined().items():
        assert locate(url, "") == url
        assert sha256 is None or re.fullmatch("[0-9a-f]{64}", sha256)
    unknown = [url for url, sha256 in defined().items() if sha256 is None]
    assert unknown == ["https://s3.amazonaws.com/opennmt-trainingdata/wmt_ende_sp.tar.gz"]


@pytest.mark.skipif(not os.environ.get(download.MIRROR), reason=f"{download.MIRROR} names no mirror")
def test_the_mirror_holds_every_file_as_defined(tmp_path):
    for number, (url, sha256) in enumerate(defined().items()):
        if sha256:
            fetch(url, tmp_path / str(number), sha256, options=QUICK)
