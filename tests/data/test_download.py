"""Downloads from a real HTTP server that misbehaves in every way we know, and from mirrors."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.webserver import DATA, Handler, Server, listening
from tzip.data import download
from tzip.data.download import Options, fetch, locate

ROOT = Path(__file__).parents[2]
SUM = hashlib.sha256(DATA).hexdigest()
QUICK = Options(retries=3, wait=0.0, timeout=5.0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv(download.MIRROR, raising=False)
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
    monkeypatch.setattr(download.time, "sleep", waits.append)
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
        download._redirected("https://a/file", "http://b/file")


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
    monkeypatch.setenv(download.MIRROR, str(tmp_path / "mirror"))
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
    assert [url for url, sha256 in defined().items() if sha256 is None] == [
        "https://s3.amazonaws.com/opennmt-trainingdata/wmt_ende_sp.tar.gz",
    ]


@pytest.mark.skipif(
    not os.environ.get(download.MIRROR), reason=f"{download.MIRROR} names no mirror of the data sets"
)
def test_the_mirror_holds_every_file_as_defined(tmp_path):
    for number, (url, sha256) in enumerate(defined().items()):
        if sha256:
            fetch(url, tmp_path / str(number), sha256, options=QUICK)
