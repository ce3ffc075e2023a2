"""Archives read as if they were hostile: unpacked and streamed, damaged, and made to do harm."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
from pathlib import Path

import pytest

from tests.toys.packed import make_zip, tar
from tests.toys.webserver import DATA
from tzip import fetch as module
from tzip.fetch import extract, open_member, open_plain


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
