"""Downloads that survive bad networks, and archives read as if they were hostile."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import http.client
import io
import lzma
import os
import posixpath
import re
import shutil
import ssl
import stat
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tzip import files
from tzip.options import option

MIRROR = "TZIP_MIRROR"  # environment variable: a folder or base URL laid out as HOST/PATH
FLOOR = 64 << 20  # bytes that any file may unpack to; beyond them, RATIO times its own size
RATIO = 200  # text compresses 3 to 20 times; a bomb a thousand times
CHUNK = 1 << 16


# ── downloading ───────────────────────────────────────────────────────────────────────────────────


class _Again(Exception):
    """A failure that may pass: the connection dropped, the server is busy or broken."""


@dataclass(frozen=True)
class Options:
    """How patient a download is, and how large it may grow."""

    retries: int = option(5, "attempts in a row that may fail, 1 MiB of progress resetting the count", low=0)
    wait: float = option(1.0, "seconds before the first retry, doubled for each further one", low=0)
    longest_wait: float = option(30.0, "seconds that a wait is never longer than", low=0)
    timeout: float = option(30.0, "seconds without a byte after which a connection counts as lost", low=0.01)
    largest: int = option(68719476736, "bytes beyond which a file is refused", low=1)


def fetch(
    url: str,
    output: str | Path,
    sha256: str | None = None,
    mirror: str | None = None,
    options: Options = Options(),
) -> Path:
    """`url`, or its copy in `mirror`, as the file `output`, whole and verified, or not at all.

    sha256  expected sum in hex; None: the sum in OUTPUT.sha256, which the first download records
    mirror  folder or base URL laid out as HOST/PATH; None: the environment variable TZIP_MIRROR

    A partial file stays in OUTPUT.part and is continued from where it ends. A progress bar shows on a
    terminal. Raises ValueError naming the URL for a wrong checksum, a missing file, an unreachable server.
    """
    output = Path(output)
    part, record = (output.with_name(output.name + suffix) for suffix in (".part", ".sha256"))
    expected = _checksum(url, sha256) or (record.exists() and record.read_text().strip().lower()) or ""
    if expected and output.is_file() and files.sha256(output) == expected:
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    place = locate(url, mirror)

    def get() -> str:
        if isinstance(place, Path):
            _copy(url, place, part, options.largest)
        else:
            _download(place, part, bool(expected), options)
        return files.sha256(part)

    leftover = files.sha256(part) if part.exists() else ""
    found = leftover if leftover and leftover == expected else get()
    if leftover and expected and found != expected:  # it was continued from another version of the file
        part.unlink()
        found = get()
    _tag(part).unlink(missing_ok=True)
    if expected and found != expected:
        part.unlink()
        hint = "" if sha256 else f" (recorded in {record}: remove it to accept the new file)"
        raise ValueError(f"{url}: wrong SHA-256: expected {expected}{hint}, found {found}")
    os.replace(part, output)
    if not sha256:
        files.write_text(record, found + "\n")
    return output


def locate(url: str, mirror: str | None = None) -> str | Path:
    """Where `url` is to be had: itself, or its place in the mirror (a Path for a folder, else a URL)."""
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.unquote(parts.path)
    host = re.fullmatch(r"\w[\w.-]*(:\d+)?", parts.netloc)
    if parts.scheme not in ("http", "https") or not host or _unsafe(path.lstrip("/")):
        raise ValueError(f"'{url}' is not a URL of the form https://HOST/PATH")
    mirror = os.environ.get(MIRROR) if mirror is None else mirror
    if not mirror:
        return url
    if re.match(r"https?://", mirror):
        return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
    if not Path(mirror).is_dir():
        raise ValueError(f"mirror '{mirror}': no such folder (expected a folder or a base URL)")
    return Path(mirror, parts.netloc, path.lstrip("/"))


def _checksum(url: str, sha256: str | None) -> str:
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"{url}: sha256 = '{sha256}' is not 64 hexadecimal digits")
    return (sha256 or "").lower()


def _copy(url: str, source: Path, part: Path, largest: int) -> None:
    if not source.is_file():
        raise ValueError(f"{url}: not in the mirror: no file {source}")
    if source.stat().st_size > largest:
        raise ValueError(f"{url}: {source.stat().st_size} bytes in the mirror, at most {largest} allowed")
    shutil.copyfile(source, part)


def _download(url: str, part: Path, verified: bool, options: Options) -> None:
    """Requests until `part` is complete. `verified`: a checksum will tell if it mixes two versions."""
    failures, furthest = 0, _size(part)
    while True:
        if not verified and not (_tag(part).exists() and _tag(part).read_text().strip()):
            part.unlink(missing_ok=True)  # nothing would tell if the file changed in between
        try:
            return _attempt(url, part, options)
        except _Again as problem:
            failures = 1 if _size(part) - furthest >= 1 << 20 else failures + 1
            furthest = max(furthest, _size(part))
            if failures > options.retries:
                raise ValueError(f"{url}: {problem} (gave up after {options.retries} retries)") from None
            delay = min(options.longest_wait, options.wait * 2 ** (failures - 1))
            again = f"retry {failures} of {options.retries} in {delay:.0f} s"
            print(f"{url}: {problem}; {again}", file=sys.stderr)
            time.sleep(delay)


def _attempt(url: str, part: Path, options: Options) -> None:
    """One request, continuing `part` where the server allows it. Raises _Again for what may pass."""
    have, tag = _size(part), _tag(part).read_text().strip() if _tag(part).exists() else ""
    headers = {"User-Agent": "tzip", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": tag} if tag else {})
    with _open(url, headers, options.timeout, part) as response:
        start, total = _extent(url, response, have)
        if total is not None and total > options.largest:
            raise ValueError(f"{url}: {total} bytes declared, at most {options.largest} allowed")
        if start and tag and _version(response) not in ("", tag):
            part.unlink()
            raise _Again("the file changed on the server")
        if not start:
            files.write_text(_tag(part), _version(response) + "\n")
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=posixpath.basename(url),
                 disable=None) as bar,
        ):
            done = start
            while chunk := _read(response):
                done += len(chunk)
                if done > options.largest:
                    raise ValueError(f"{url}: more than the {options.largest} bytes allowed")
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and done < total:
        raise _Again(f"connection lost after {done} of {total} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(self, request, file, code, message, headers, target):
        scheme = urllib.parse.urlsplit(target).scheme
        if scheme != "https" and (request.type == "https" or scheme != "http"):
            raise ValueError(f"{request.full_url}: redirect to {target} refused: not https")
        return super().redirect_request(request, file, code, message, headers, target)


def _open(url: str, headers: dict[str, str], timeout: float, part: Path) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers=headers)
    try:
        return urllib.request.build_opener(_Redirects()).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing beyond what is there: complete, or another file by now
            part.unlink(missing_ok=True)
        if error.code in (408, 416, 425, 429) or error.code >= 500:
            raise _Again(f"HTTP {error.code} {error.reason}") from None
        raise ValueError(f"{url}: HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ValueError(f"{url}: {reason}") from None
        raise _Again(str(reason) or type(reason).__name__) from None


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Again(f"connection lost: {error or type(error).__name__}") from None


def _extent(url: str, response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """First byte that this answer holds and the size of the whole file, None if not told."""
    length = response.headers.get("Content-Length", "")
    if response.status != 206:
        return 0, int(length) if length.isdigit() else None
    said = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", said)
    if not match or int(match[1]) != have:
        raise ValueError(f"{url}: asked for bytes from {have} on, was sent '{said}'")
    return have, None if match[2] == "*" else int(match[2])


def _tag(part: Path) -> Path:
    """The file that says which version on the server `part` is a part of."""
    return part.with_name(part.name + ".tag")


def _version(response: http.client.HTTPResponse) -> str:
    """What HTTP offers to tell versions of a file apart: a strong ETag, else the date; '' without."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# ── archives ──────────────────────────────────────────────────────────────────────────────────────


class _Budget:
    """How many bytes a file may still unpack to, shared by all that is read from it."""

    def __init__(self, path: Path):
        self.path, self.allowed = path, max(FLOOR, RATIO * path.stat().st_size)
        self.left = self.allowed

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError(f"{self.path}: unpacks to more than {self.allowed} bytes; refused")


DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError)


class _Guarded(io.RawIOBase):
    """A stream that spends its budget as it is read, and whose damage is a ValueError naming the file."""

    def __init__(self, file: BinaryIO, budget: _Budget):
        self.file, self.budget = file, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with _named(self.budget.path):
            data = self.file.read(len(buffer))
        self.budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{path}: damaged or not what it seems: {error}") from None
    except OSError as error:  # gzip and bz2 report damage as an OSError without a number
        if error.errno is not None:
            raise
        raise ValueError(f"{path}: damaged: {error}") from None


@contextlib.contextmanager
def open_plain(path: str | Path, budget: _Budget | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if its first bytes say gzip, xz or bzip2, whatever its name says."""
    path = Path(path)
    with open(path, "rb") as raw:
        start = raw.peek(6)[:6]
        unpack = next((opener for magic, opener in PACKED.items() if start.startswith(magic)), None)
        if unpack is None:
            yield raw
        else:
            with unpack(raw) as file:
                yield io.BufferedReader(_Guarded(file, budget or _Budget(path)), CHUNK)


PACKED: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}


@contextlib.contextmanager
def open_member(archive: str | Path, member: str) -> Iterator[BinaryIO]:
    """The bytes of one member of a zip or tar archive (plain, gzip, xz, bzip2), streamed, nothing unpacked.

    Raises ValueError for an archive that holds an absolute path, '..', a link or a device, that unpacks
    to more than RATIO times its size, or that has no such member.
    """
    names = []
    with contextlib.closing(_members(Path(archive))) as members:
        for name, opener in members:
            if name == posixpath.normpath(member):
                with opener() as file:
                    yield file
                return
            names.append(name)
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise ValueError(f"{archive}: no member '{member}'; choose from {listed or 'none'}")


def extract(archive: str | Path, folder: str | Path) -> list[Path]:
    """Unpack a zip or tar archive into `folder`, refusing what `open_member` refuses; the paths written."""
    written, root = [], Path(folder).resolve()
    with contextlib.closing(_members(Path(archive))) as members:
        for name, opener in members:
            target = root / name
            if not target.parent.resolve().is_relative_to(root):
                raise ValueError(f"{archive}: '{name}' would be written outside of {folder}; refused")
            with opener() as file, files.replacing(target) as temporary, open(temporary, "wb") as out:
                shutil.copyfileobj(file, out, CHUNK)
            written.append(target)
    return written


def _members(
    archive: Path,
) -> Iterator[tuple[str, Callable[[], contextlib.AbstractContextManager[BinaryIO]]]]:
    """Name and opener of each regular file of an archive, to be opened before the next is asked for."""
    budget = _Budget(archive)
    with _named(archive):
        if zipfile.is_zipfile(archive):
            yield from _zip_members(archive, budget)
        else:
            yield from _tar_members(archive, budget)


def _zip_members(archive: Path, budget: _Budget) -> Iterator:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            _refuse(archive, info.filename, kind not in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise ValueError(f"{archive}: '{info.filename}' is encrypted")
        for info in infos:
            if not info.is_dir():
                yield _opener(info.filename, lambda info=info: opened.open(info), budget)


def _tar_members(archive: Path, budget: _Budget) -> Iterator:
    contents = _Budget(archive)  # apart from the stream's: a sparse member is larger than what it takes up
    with open_plain(archive, budget) as stream, tarfile.open(fileobj=stream, mode="r|") as opened:
        for info in opened:
            _refuse(archive, info.name, not (info.isreg() or info.isdir()))
            if info.isreg():
                yield _opener(info.name, lambda info=info: opened.extractfile(info), contents)


def _opener(name: str, open_it: Callable[[], BinaryIO], budget: _Budget) -> tuple[str, Callable]:
    @contextlib.contextmanager
    def opener() -> Iterator[BinaryIO]:
        with open_it() as file:
            yield io.BufferedReader(_Guarded(file, budget), CHUNK)

    return posixpath.normpath(name), opener


def _unsafe(name: str) -> bool:
    """Whether a relative path could leave the folder it is joined to, on any system."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name


def _refuse(archive: Path, name: str, special: bool) -> None:
    if _unsafe(name):
        raise ValueError(f"{archive}: member '{name}' leaves the folder it is unpacked to; refused")
    if special:
        raise ValueError(f"{archive}: member '{name}' is a link or a device; refused")
