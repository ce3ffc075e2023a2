"""Compressed files and archives, read as if they were hostile: one file or one member, bounded in size."""

import bz2
import contextlib
import errno
import functools
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

FLOOR = 64 << 20  # bytes that any file may unpack to; beyond them, RATIO times its own size
RATIO = 200  # text compresses 3 to 20 times; a bomb a thousand times
CHUNK = 1 << 16
DEFLATE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others zipfile unpacks at once: gigabytes, if a bomb
COMPRESSED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
DAMAGE = (EOFError, NotImplementedError, UnicodeDecodeError, IndexError)
DAMAGE += (zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)


@contextlib.contextmanager
def open_plain(path: str | Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed if its first bytes say gzip, xz or bzip2, whatever its name says.

    Reading raises ValueError for a damaged file, and for one that unpacks to more than RATIO times its size.
    """
    with open(path, "rb") as raw:
        start = raw.peek(6)[:6]
        decompress = next((opener for magic, opener in COMPRESSED.items() if start.startswith(magic)), None)
        if decompress is None:
            yield raw
        else:
            with decompress(raw) as stream:
                yield io.BufferedReader(_Bounded(stream, Path(path)), CHUNK)


@contextlib.contextmanager
def open_member(archive: str | Path, member: str) -> Iterator[BinaryIO]:
    """The bytes of one member of a zip or tar archive (plain, gzip, xz, bzip2); nothing is written to disk.

    Raises ValueError for an archive without that member, and for a member that is a link, a device,
    encrypted, damaged, or larger than RATIO times the archive.
    """
    archive, member, names = Path(archive), posixpath.normpath(member), []
    with contextlib.ExitStack() as stack:
        with _one_line(archive):
            for name, fault, opener in _members(archive, stack):
                names.append(posixpath.normpath(name))
                if names[-1] == member:
                    if fault:
                        raise ValueError(f"{archive}: member '{name}' is {fault}; refused")
                    stream = stack.enter_context(opener())
                    break
            else:
                listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
                raise ValueError(f"{archive}: no member '{member}'; choose from {listed or 'none'}")
        yield io.BufferedReader(_Bounded(stream, archive), CHUNK)


def _members(archive: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, str, Callable]]:
    """Name, fault ("" for none) and opener of each member but folders; `stack` closes the archive."""
    link = "a link or a device"
    if zipfile.is_zipfile(archive):
        opened = stack.enter_context(zipfile.ZipFile(archive))
        for info in opened.infolist():
            kind, fault = stat.S_IFMT(info.external_attr >> 16), ""
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                fault = link
            elif info.flag_bits & 1:
                fault = "encrypted"
            elif info.compress_type not in DEFLATE:
                fault = "compressed by another method than deflate"
            if not info.is_dir():
                yield info.filename, fault, functools.partial(opened.open, info)
    else:
        stream = stack.enter_context(open_plain(archive))
        tar = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))  # noqa: SIM115
        for info in tar:
            if not info.isdir():
                yield info.name, "" if info.isreg() else link, functools.partial(tar.extractfile, info)


class _Bounded(io.RawIOBase):
    """The bytes of `stream`; ValueError naming the file `path` where they are damaged or too many."""

    def __init__(self, stream: BinaryIO, path: Path):
        self.stream, self.path = stream, path
        self.limit = self.left = max(FLOOR, RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with _one_line(self.path):
            data = self.stream.read(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"{self.path}: unpacks to more than {self.limit} bytes; refused")
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Raise ValueError with the file's name where a library finds damage."""
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{path}: damaged or not what it seems: {error}") from None
    except OSError as error:  # gzip and bz2 report damage without a number, zipfile a place before the file
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path}: damaged: {error}") from None
