"""Writing files so that nobody ever sees half of one: a temporary name first, then a rename."""

import codecs
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote


def one_line(error: Exception) -> str:
    """What a user needs to know of an error: of the operating system's the file and what is wrong with it."""
    said = [str(value) for key in ("filename", "strerror") if (value := getattr(error, key, None))]
    return " ".join((": ".join(said) or str(error)).split())


@contextlib.contextmanager
def named() -> Iterator[None]:
    """The operating system's errors in this block as errors of the same type whose text is `one_line`."""
    try:
        yield
    except OSError as error:
        raise type(error)(one_line(error)) from error


def check_new(path: Path, force: bool = False) -> None:
    """ValueError if `path` is there and no regular file, or is there at all and `force` is false."""
    check_regular(path)
    if path.exists() and not force:
        raise ValueError(f"{path}: exists already; --force replaces it")


def check_regular(path: Path) -> None:
    """ValueError if `path` is there and no regular file: a device, say, which renaming would replace."""
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file to write")
    if str(path) == "-" or (path.exists() and not path.is_file()):
        raise ValueError(f"{path}: not a regular file; name a file to write")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`: renamed onto it when the block succeeds, removed when it fails.

    ValueError if `path` is there and no regular file.
    """
    path = Path(path)
    check_regular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_mask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path`: renamed to it when the block succeeds, removed when it fails.

    ValueError if `path` is there and not an empty folder: what it holds may be someone's work.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path}: exists already; name a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for inner in temporary.rglob("*"):
            inner.chmod((0o777 if inner.is_dir() else 0o666) & ~_mask())
        temporary.chmod(0o777 & ~_mask())
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def lock(file: int, path: Path) -> bool:
    """Lock an open file until it is closed; False if another process holds the lock.

    Where a file system has no locks, as some on clusters, a warning says so, and work goes on without.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        said = f"{path}: cannot be locked here ({error.strerror}); do not start the same work twice"
        print(f"warning: {said}", file=sys.stderr)
    return True


def _mask() -> int:
    """What a new file's mode lacks; mkstemp's own modes would hide results from a group that shares them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The JSON value in `path`; ValueError names the file and the line that is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON, of UTF-8, or of a number with thousands of digits
        raise ValueError(f"{path}: not JSON: {error}") from None


def check_pointer(path: str | Path) -> None:
    """ValueError if a file is Git LFS's pointer to one."""
    with open(path, "rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise ValueError(f"{path}: a Git LFS pointer, not the file itself; run `git lfs pull` where it came from")


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 text file, each ended by a line feed; ValueError names one that is not UTF-8."""
    return split_lines(Path(path).read_bytes(), str(path))


def split_lines(text: bytes, where: str, first: int = 1) -> list[str]:
    """The lines of UTF-8 text from `where`, as `read_lines`; a byte order mark at its beginning is none of it.

    first  number of the first line, where the text is only a part
    """
    if first == 1:
        if text.startswith(b"\x1f\x8b"):
            raise ValueError(f"{where}: compressed by gzip; give its text, as by gunzip -c")
        text = text.removeprefix(codecs.BOM_UTF8)
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        return [line.decode("utf-8").removesuffix("\r") for line in lines]
    except UnicodeDecodeError as error:
        number = next(i for i, line in enumerate(lines, first) if line == error.object)
        raise ValueError(f"{where}: line {number} is not UTF-8") from None


def spell_place(path: str, member: str = "", column: int = 0) -> str:
    """PATH, PATH::MEMBER, PATH#COLUMN or PATH::MEMBER#COLUMN; a % or # of a name itself as %25, %23, :: as %3A%3A."""
    for mark, spelled in (("%", "%25"), ("#", "%23"), ("::", "%3A%3A")):
        path, member = path.replace(mark, spelled), member.replace(mark, spelled)
    return path + (f"::{member}" if member else "") + (f"#{column}" if column else "")


def parse_place(text: str) -> tuple[str, str, int]:
    """The path, member ("" for none) and column (0 for none) in what `spell_place` writes.

    Where no file has that path, but one is named like the whole text, it is that file.
    """
    path, member, column = re.fullmatch(r"(?s)(.*?)(?:::(.+?))?(?:#([1-9]\d*))?", text).groups()
    if not os.path.exists(unquote(path)) and os.path.exists(text):
        return text, "", 0
    return unquote(path), unquote(member or ""), int(column or 0)


def sha256(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprints(paths: Sequence[str | Path], cache: Path) -> list[str]:
    """The SHA-256 of each file; `cache` keeps it for as long as size, times and inode of the file stay the same.

    A time alone says little: `mv`, `cp -p`, `rsync -a` and `tar x` bring other bytes with an older one.
    """
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = read_json(cache)
    for path in map(str, paths):
        stat = os.stat(path)
        now = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        if known.get(path, [])[:-1] != now:
            known[path] = [*now, sha256(path)]
            with contextlib.suppress(OSError):  # a folder that cannot be written to costs the reading, no more
                write_json(cache, known)
    return [known[path][-1] for path in map(str, paths)]
