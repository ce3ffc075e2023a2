"""Downloads from a real HTTP server that misbehaves in every way we know, and archives made to do harm."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import random
import re
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request

import pytest
import yaml

from tzip import fetch as module
from tzip.fetch import Options, extract, fetch, locate, open_member, open_plain

ROOT = Path(__file__).parent.parent
DATA = random.Random(1).randbytes(300_000)
SUM = hashlib.sha256(DATA).hexdigest()
QUICK = Options(retries=3, wait=0.0, timeout=5.0)


class Server(ThreadingHTTPServer):
    """Serves DATA the way that the first part of the path says; remembers what it was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.data, self.tag = DATA, '"one"'


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.seen.append((kind, self.headers.get("Range")))
        requests = sum(seen == kind for seen, _ in self.server.seen)
        getattr(self, "do_" + kind)(requests)

    def send(self, data: bytes, cut: int | None = None, ranges: bool = True, length: bool = True):
        asked = self.headers.get("Range") if ranges else None
        condition = self.headers.get("If-Range")
        start = int(asked[6:-1]) if asked and condition in (None, self.server.tag) else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        if length:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : start + cut] if cut else data[start:])

    def do_good(self, _):
        self.send(self.server.data)

    def do_drops(self, _):
        self.send(self.server.data, cut=100_000)

    def do_forgetful(self, requests):  # drops once, and knows no Range
        self.send(self.server.data, cut=100_000 if requests == 1 else None, ranges=False)

    def do_changes(self, requests):  # another version after the connection dropped
        if requests == 1:
            self.send(bytes(300_000), cut=100_000)
            self.server.tag = '"two"'
        else:
            self.send(DATA)

    def do_stubborn(self, requests):  # likewise, but continues the old version's bytes with the new one's
        if requests == 2:
            del self.headers["If-Range"]
        self.do_changes(requests)

    def do_endless(self, _):
        self.send(self.server.data, length=False)

    def do_declares(self, _):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 50))
        self.end_headers()

    def do_missing(self, _):
        self.send_error(404)

    def do_broken(self, requests):
        self.send_error(500) if requests < 3 else self.send(self.server.data)

    def do_dead(self, _):
        self.send_error(503)

    def do_moved(self, _):
        self.redirect(self.server.url + "/good/file")

    def do_loop(self, _):
        self.redirect(self.server.url + "/loop/file")

    def do_elsewhere(self, _):
        self.redirect("ftp://127.0.0.1/file")

    def redirect(self, target: str):
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def listening(server):
    """The server, answering until the block ends."""
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(module.MIRROR, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with listening(Server()) as server:
        yield server


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ── downloading ───────────────────────────────────────────────────────────────────────────────────


def test_a_file_arrives_whole_and_nothing_else_stays(server, tmp_path):
    assert fetch(f"{server.url}/good/file", tmp_path / "deep/file", SUM, options=QUICK).read_bytes() == DATA
    assert left(tmp_path / "deep") == ["file"]


def test_a_verified_file_is_not_asked_for_again(server, tmp_path):
    for _ in range(2):
        fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK)
    assert len(server.seen) == 1


def test_a_damaged_file_is_replaced(server, tmp_path):
    (tmp_path / "file").write_bytes(b"damaged")
    assert fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK).read_bytes() == DATA


def test_dropped_connections_are_resumed_where_they_ended(server, tmp_path, capsys):
    fetch(f"{server.url}/drops/file", tmp_path / "file", SUM, options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-", "bytes=200000-"]
    assert "connection lost after 100000 of 300000 bytes; retry 1 of 3" in capsys.readouterr().err


def test_resumption_without_a_known_checksum_relies_on_the_servers_tag(server, tmp_path):
    fetch(f"{server.url}/drops/file", tmp_path / "file", options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-", "bytes=200000-"]


def test_without_checksum_and_tag_a_dropped_download_begins_anew(server, tmp_path):
    server.tag = ""
    with pytest.raises(ValueError, match="gave up after 3 retries"):
        fetch(f"{server.url}/drops/file", tmp_path / "file", options=QUICK)
    assert [asked for _, asked in server.seen] == [None] * 4
    assert not (tmp_path / "file").exists()


def test_progress_that_is_lost_again_does_not_keep_a_download_alive(server, tmp_path, monkeypatch):
    server.data, server.tag = bytes(3 << 20), ""
    monkeypatch.setattr(Handler, "do_drops", lambda self, _: self.send(self.server.data, cut=2 << 20))
    with pytest.raises(ValueError, match="gave up after 3 retries"):
        fetch(f"{server.url}/drops/file", tmp_path / "file", options=QUICK)
    assert len(server.seen) == 4


def test_progress_resets_the_count_of_failures(server, tmp_path, monkeypatch):
    server.data = bytes(8 << 20)
    monkeypatch.setattr(Handler, "do_drops", lambda self, _: self.send(self.server.data, cut=1 << 20))
    fetch(f"{server.url}/drops/file", tmp_path / "file", options=QUICK)
    assert (tmp_path / "file").stat().st_size == 8 << 20
    assert len(server.seen) == 8


def test_a_server_that_ignores_range_is_read_from_the_start(server, tmp_path):
    fetch(f"{server.url}/forgetful/file", tmp_path / "file", SUM, options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA
    assert [asked for _, asked in server.seen] == [None, "bytes=100000-"]


@pytest.mark.parametrize("kind", ["changes", "stubborn"])
def test_a_file_that_changes_in_between_is_not_mixed(server, tmp_path, kind):
    fetch(f"{server.url}/{kind}/file", tmp_path / "file", options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_part_left_by_a_killed_process_is_continued(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA[:200_000])
    fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.seen == [("good", "bytes=200000-")]


@pytest.mark.parametrize("leftover", [bytes(200_000), bytes(300_000), bytes(400_000)])
def test_a_part_of_another_file_costs_one_more_request(server, tmp_path, leftover):
    (tmp_path / "file.part").write_bytes(leftover)
    fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA
    assert left(tmp_path) == ["file"]


def test_a_complete_part_needs_no_request(server, tmp_path):
    (tmp_path / "file.part").write_bytes(DATA)
    fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK)
    assert server.seen == []


def test_a_server_that_recovers_is_asked_again(server, tmp_path):
    fetch(f"{server.url}/broken/file", tmp_path / "file", SUM, options=QUICK)
    assert len(server.seen) == 3


def test_a_dead_server_is_given_up(server, tmp_path):
    with pytest.raises(ValueError, match=r"/dead/file: HTTP 503 .* \(gave up after 3 retries\)"):
        fetch(f"{server.url}/dead/file", tmp_path / "file", SUM, options=QUICK)
    assert len(server.seen) == 4


def test_waits_double_up_to_the_longest(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    with pytest.raises(ValueError, match="gave up"):
        fetch(f"{server.url}/dead/file", tmp_path / "file", SUM, options=Options(retries=5, longest_wait=6))
    assert waits == [1, 2, 4, 6, 6]


def test_a_missing_file_fails_at_once(server, tmp_path):
    with pytest.raises(ValueError, match=r"/missing/file: HTTP 404"):
        fetch(f"{server.url}/missing/file", tmp_path / "file", SUM, options=QUICK)
    assert len(server.seen) == 1


def test_nobody_listening_is_told_in_one_line(tmp_path, server):
    with pytest.raises(ValueError, match="gave up after 1 retries"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", SUM, options=Options(retries=1, wait=0))


def test_a_wrong_file_is_deleted_and_both_sums_named(server, tmp_path):
    server.data = b"another file"
    found = hashlib.sha256(server.data).hexdigest()
    with pytest.raises(ValueError, match=f"/good/file: wrong SHA-256: expected {SUM}, found {found}"):
        fetch(f"{server.url}/good/file", tmp_path / "file", SUM, options=QUICK)
    assert left(tmp_path) == []


def test_the_first_download_records_the_sum_and_later_ones_verify_it(server, tmp_path):
    path = tmp_path / "file"
    fetch(f"{server.url}/good/file", path, options=QUICK)
    assert (tmp_path / "file.sha256").read_text() == SUM + "\n"
    path.unlink()
    server.data, server.tag = b"another file", '"two"'
    with pytest.raises(ValueError, match=rf"expected {SUM} \(recorded in .*file.sha256"):
        fetch(f"{server.url}/good/file", path, options=QUICK)
    assert not path.exists()


def test_redirects_are_followed(server, tmp_path):
    fetch(f"{server.url}/moved/file", tmp_path / "file", SUM, options=QUICK)
    assert [kind for kind, _ in server.seen] == ["moved", "good"]


@pytest.mark.parametrize(
    ("kind", "told"), [("loop", "HTTP 302"), ("elsewhere", "redirect to ftp://.* refused")]
)
def test_redirects_that_lead_nowhere_end(server, tmp_path, kind, told):
    with pytest.raises(ValueError, match=told):
        fetch(f"{server.url}/{kind}/file", tmp_path / "file", SUM, options=QUICK)


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(ValueError, match="redirect to http://b/file refused"):
        module._Redirects().redirect_request(Request("https://a/file"), None, 302, "", {}, "http://b/file")


@pytest.mark.parametrize(
    ("kind", "told"), [("declares", "1125899906842624 bytes declared"), ("endless", "more than")]
)
def test_a_file_larger_than_allowed_is_refused(server, tmp_path, kind, told):
    with pytest.raises(ValueError, match=told):
        fetch(f"{server.url}/{kind}/file", tmp_path / "file", SUM, options=Options(largest=200_000))
    assert not (tmp_path / "file").exists()


def test_a_length_that_nobody_told_is_no_obstacle(server, tmp_path):
    fetch(f"{server.url}/endless/file", tmp_path / "file", SUM, options=QUICK)
    assert (tmp_path / "file").read_bytes() == DATA


# ── mirrors ───────────────────────────────────────────────────────────────────────────────────────


def test_a_mirror_folder_is_laid_out_as_host_and_path(tmp_path, monkeypatch):
    place = tmp_path / "mirror/host.example/a b"
    place.mkdir(parents=True)
    (place / "file").write_bytes(DATA)
    url = "https://host.example/a%20b/file"
    assert fetch(url, tmp_path / "one", SUM, str(tmp_path / "mirror")).read_bytes() == DATA
    monkeypatch.setenv(module.MIRROR, str(tmp_path / "mirror"))
    assert fetch(url, tmp_path / "two", SUM).read_bytes() == DATA
    with pytest.raises(ValueError, match=r"https://host\.example/none: not in the mirror"):
        fetch("https://host.example/none", tmp_path / "three", SUM)
    with pytest.raises(ValueError, match="wrong SHA-256"):
        fetch(url, tmp_path / "three", "0" * 64)


def test_a_mirror_may_be_a_base_url(server, tmp_path):
    url = "https://host.example/path/file"
    assert locate(url, server.url + "/good/") == f"{server.url}/good/host.example/path/file"
    assert fetch(url, tmp_path / "file", SUM, server.url + "/good/", QUICK).read_bytes() == DATA


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "https://../../x",
        "https://h/../../x",
        "https://h/%2e%2e/x",
        "ftp://h/x",
        "x",
        "",
    ],
)
def test_urls_that_are_none_are_refused(url, tmp_path):
    with pytest.raises(ValueError, match="is not a URL of the form"):
        fetch(url, tmp_path / "file", SUM, str(tmp_path))


def test_a_mistyped_sum_or_mirror_is_named(tmp_path):
    with pytest.raises(ValueError, match="sha256 = 'abc' is not 64 hexadecimal digits"):
        fetch("https://h/x", tmp_path / "file", "abc", str(tmp_path))
    with pytest.raises(ValueError, match=r"mirror .*none': no such folder"):
        fetch("https://h/x", tmp_path / "file", SUM, str(tmp_path / "none"))


def test_the_script_downloads_unpacks_and_fails_in_one_line(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inner/text", "Hallo")
    server.data = buffer.getvalue()
    command = [sys.executable, ROOT / "workflow_scripts/download.py", f"{server.url}/good/x.zip"]
    command += ["--output", tmp_path / "x.zip", "--wait", "0"]
    subprocess.run([*command, "--extract", tmp_path / "out"], check=True)
    assert (tmp_path / "out/inner/text").read_text() == "Hallo"
    done = subprocess.run([*command, "--sha256", SUM], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


# ── archives ──────────────────────────────────────────────────────────────────────────────────────


def tar(path: Path, mode: str, *members: tuple[str, bytes | str, bytes]) -> Path:
    """A tar archive of (name, content or link target, tarfile type)."""
    with tarfile.open(path, mode) as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return path


def make_zip(path: Path, name: str, content: bytes = b"x", mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return path


def plain(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read()


def read(archive: Path, member: str) -> bytes:
    with open_member(archive, member) as file:
        return file.read()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_members_of_tar_archives_are_streamed(tmp_path, mode):
    path = tar(tmp_path / "a", mode, ("./one", b"1\n", tarfile.REGTYPE), ("dir/two", DATA, tarfile.REGTYPE))
    assert read(path, "one") == b"1\n"
    assert read(path, "dir/two") == DATA
    written = extract(path, tmp_path / "out")
    assert [file.relative_to(tmp_path / "out").as_posix() for file in written] == ["one", "dir/two"]
    assert (tmp_path / "out/dir/two").read_bytes() == DATA


def test_members_of_zip_archives_are_streamed(tmp_path):
    assert read(make_zip(tmp_path / "a", "dir/one", DATA), "dir/one") == DATA
    with pytest.raises(ValueError, match="no member 'two'; choose from dir/one"):
        read(tmp_path / "a", "two")


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_members_that_leave_the_folder_are_refused(tmp_path, name):
    good = ("good", b"x", tarfile.REGTYPE)
    for path in (
        tar(tmp_path / "a.tar", "w:gz", (name, b"x", tarfile.REGTYPE), good),
        make_zip(tmp_path / "a.zip", name),
    ):
        for action in (
            lambda path=path: read(path, "good"),
            lambda path=path: extract(path, tmp_path / "out"),
        ):
            with pytest.raises(ValueError, match="leaves the folder"):
                action()
    assert not list(tmp_path.rglob("*evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar(tmp_path / "a", "w", ("link", "/tmp", kind), ("link/x", b"x", tarfile.REGTYPE))
    with pytest.raises(ValueError, match="member 'link' is a link or a device"):
        extract(path, tmp_path / "out")
    with pytest.raises(ValueError, match="is a link or a device"):
        read(make_zip(tmp_path / "z", "link", b"/tmp", stat.S_IFLNK | 0o777), "link")


def test_a_link_that_was_there_before_does_not_lead_out(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "out/link")
    path = tar(tmp_path / "a", "w", ("link/x", b"x", tarfile.REGTYPE))
    with pytest.raises(ValueError, match="would be written outside"):
        extract(path, tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_bombs_are_refused_before_they_burst(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLOOR", 1 << 20)
    zeros = bytes(1 << 24)
    (tmp_path / "gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "xz").write_bytes(lzma.compress(zeros))
    (tmp_path / "bz").write_bytes(bz2.compress(zeros))
    for name in ("gz", "xz", "bz"):
        with pytest.raises(ValueError, match="unpacks to more than"), open_plain(tmp_path / name) as file:
            list(file)
    bombs = [
        make_zip(tmp_path / "zip", "a", zeros),
        tar(tmp_path / "tar", "w:gz", ("b", zeros, tarfile.REGTYPE), ("a", b"x", tarfile.REGTYPE)),
    ]
    for path in bombs:
        with pytest.raises(ValueError, match="unpacks to more than"):
            read(path, "a")


def test_damaged_archives_are_told_in_one_line(tmp_path):
    whole = {
        "gz": gzip.compress(DATA),
        "xz": lzma.compress(DATA),
        "bz": bz2.compress(DATA),
        "zip": make_zip(tmp_path / "z", "a", DATA).read_bytes(),
        "tar": tar(tmp_path / "t", "w:gz", ("a", DATA, tarfile.REGTYPE)).read_bytes(),
    }
    for name, data in whole.items():
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 0xFF
        for kind, bad in (("cut", data[: len(data) // 2]), ("flipped", bytes(flipped)), ("text", b"Hallo")):
            path = tmp_path / f"{kind}.{name}"
            path.write_bytes(bad)
            if kind == "text" and name in ("gz", "xz", "bz"):
                continue
            with pytest.raises(ValueError, match=re.escape(str(path))):
                read(path, "a") if name in ("zip", "tar") else plain(path)


def test_an_encrypted_member_is_named(tmp_path):
    path = make_zip(tmp_path / "z", "a")
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02") + 8
    path.write_bytes(data[:at] + bytes([data[at] | 1]) + data[at + 1 :])
    with pytest.raises(ValueError, match="'a' is encrypted"):
        read(path, "a")


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
        assert sha256 is None or module._checksum(url, sha256) == sha256
    assert [url for url, sha256 in defined().items() if sha256 is None] == [
        "https://s3.amazonaws.com/opennmt-trainingdata/wmt_ende_sp.tar.gz",
    ]


@pytest.mark.skipif(
    not os.environ.get(module.MIRROR), reason=f"{module.MIRROR} names no mirror of the data sets"
)
def test_the_mirror_holds_every_file_as_defined(tmp_path):
    for number, (url, sha256) in enumerate(defined().items()):
        if sha256:
            fetch(url, tmp_path / str(number), sha256, options=QUICK)
