"""Compressed files and archives read as if they were hostile: streamed, damaged, and made to do harm."""

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.toys.packed import make_zip, tar
from tests.toys.webserver import DATA
from tzip.data import packed
from tzip.data.packed import open_member, open_plain

FILE = tarfile.REGTYPE


def plain(path: Path) -> bytes:
    with open_plain(path) as file:
        return file.read()


def read(archive: Path, member: str) -> bytes:
    with open_member(archive, member) as file:
        return file.read()


def test_members_of_archives_are_streamed(tmp_path):
    for mode in ("w", "w:gz", "w:xz", "w:bz2"):
        path = tar(tmp_path / "tar", mode, ("./one", b"1\n", FILE), ("dir/two", DATA, FILE))
        assert (read(path, "one"), read(path, "dir/two")) == (b"1\n", DATA)
    assert read(make_zip(tmp_path / "zip", "dir/one", DATA), "dir/one") == DATA
    with pytest.raises(ValueError, match="no member 'two'; choose from dir/one"):
        read(tmp_path / "zip", "two")


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_a_member_is_read_whatever_path_it_claims_and_nothing_is_written(tmp_path, name):
    tar(tmp_path / "a.tar", "w:gz", (name, b"y", FILE), ("good", b"x", FILE))
    make_zip(tmp_path / "a.zip", name, b"y")
    assert read(tmp_path / "a.tar", "good") == b"x"
    assert read(tmp_path / "a.tar", name) == read(tmp_path / "a.zip", name) == b"y"
    with pytest.raises(ValueError, match="no member 'evil'; choose from"):
        read(tmp_path / "a.zip", "evil")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "a.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tar(tmp_path / "a", "w", ("link", "/tmp", kind), ("link/x", b"x", FILE))
    for archive in (path, make_zip(tmp_path / "z", "link", b"/tmp", stat.S_IFLNK | 0o777)):
        with pytest.raises(ValueError, match="member 'link' is a link or a device; refused"):
            read(archive, "link")
    assert read(path, "link/x") == b"x"


def test_bombs_are_refused_before_they_burst(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "FLOOR", 1 << 20)
    zeros = bytes(1 << 24)
    for name, compress in (("gz", gzip.compress), ("xz", lzma.compress), ("bz", bz2.compress)):
        (tmp_path / name).write_bytes(compress(zeros))
        with pytest.raises(ValueError, match="unpacks to more than"), open_plain(tmp_path / name) as file:
            list(file)
    tar(tmp_path / "tar", "w:gz", ("b", zeros, FILE), ("a", b"x", FILE))
    make_zip(tmp_path / "zip", "a", zeros)
    with zipfile.ZipFile(tmp_path / "bzip2", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", zeros)  # which Python cannot unpack in small pieces
    too_much, other = ("unpacks to more than", "member 'a' is compressed by another method than deflate; refused")
    for name, says in (("tar", too_much), ("zip", too_much), ("bzip2", other)):
        with pytest.raises(ValueError, match=says):
            read(tmp_path / name, "a")


def test_damaged_archives_are_named_in_one_line(tmp_path):
    whole = {
        "gz": gzip.compress(DATA),
        "xz": lzma.compress(DATA),
        "bz": bz2.compress(DATA),
        "zip": make_zip(tmp_path / "z", "a", DATA).read_bytes(),
        "tar": tar(tmp_path / "t", "w:gz", ("a", DATA, FILE)).read_bytes(),
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
