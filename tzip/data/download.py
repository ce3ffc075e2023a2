"""Downloads that survive bad networks: resumed, verified, from a URL or a mirror."""

import contextlib
import os
import posixpath
import re
import shutil
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from tqdm import tqdm

from tzip import files
from tzip.options import option

MIRROR = "TZIP_MIRROR"  # environment variable: a folder or base URL laid out as HOST/PATH
PASSING = (408, 416, 425, 429, *range(500, 600))  # HTTP statuses after which a further request may succeed
HEADERS = {"User-Agent": "tzip", "Accept-Encoding": "identity", "Connection": "close"}
REDIRECTS = 10  # that are followed


class _Transient(Exception):
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
    url: str, output: str | Path, sha256: str | None = None, mirror: str | None = None, options: Options = Options()
) -> Path:
    """`url`, or its copy in `mirror`, as the file `output`, whole and verified, or not at all.

    sha256  expected checksum in hex; None: the one in OUTPUT.sha256, which the first download records
    mirror  folder or base URL laid out as HOST/PATH; None: the environment variable TZIP_MIRROR

    A partial file stays in OUTPUT.part and is continued from where it ends. A progress bar shows on a
    terminal. Raises ValueError naming the URL for a wrong checksum, a missing file, an unreachable server.
    """
    output = Path(output)
    part, record = (output.with_name(output.name + suffix) for suffix in (".part", ".sha256"))
    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ValueError(f"{url}: sha256 = '{sha256}' is not 64 hexadecimal digits")
    expected = (sha256 or (record.read_text() if record.exists() else "")).strip().lower()
    if expected and output.is_file() and files.sha256(output) == expected:
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    source = locate(url, mirror)
    if isinstance(source, Path) and not source.is_file():
        raise ValueError(f"{url}: not in the mirror: no file {source}")
    if isinstance(source, Path) and (size := source.stat().st_size) > options.largest:
        raise ValueError(f"{url}: {size} bytes in the mirror, at most {options.largest} allowed")
    actual = files.sha256(part) if part.exists() else ""
    attempts = 2 if actual and expected else 1  # a part left by another version of the file costs the second
    while attempts and (not actual or actual != expected):
        attempts -= 1
        if isinstance(source, Path):
            shutil.copyfile(source, part)
        else:
            _download(source, part, bool(expected), options)
        actual = files.sha256(part)
        if expected and actual != expected:
            part.unlink()
    _version_file(part).unlink(missing_ok=True)
    if expected and actual != expected:
        hint = "" if sha256 else f" (recorded in {record}: remove it to accept the new file)"
        raise ValueError(f"{url}: wrong SHA-256: expected {expected}{hint}, found {actual}")
    os.replace(part, output)
    if not sha256:
        files.write_text(record, actual + "\n")
    return output


def locate(url: str, mirror: str | None = None) -> str | Path:
    """The place to read `url` from: itself, or its copy in the mirror (a Path in a folder, else a URL)."""
    parts = urlsplit(url)
    host, path = re.fullmatch(r"\w[\w.-]*(:\d+)?", parts.netloc), unquote(parts.path).lstrip("/")
    folders = path.replace("\\", "/").split("/")
    unsafe = path.startswith("\\") or ".." in folders or ":" in folders[0] or "\0" in path
    if parts.scheme not in ("http", "https") or not host or unsafe:
        raise ValueError(f"'{url}' is not a URL of the form https://HOST/PATH")
    mirror = os.environ.get(MIRROR) if mirror is None else mirror
    if not mirror:
        return url
    if re.match(r"https?://", mirror):
        return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
    if not Path(mirror).is_dir():
        raise ValueError(f"mirror '{mirror}': no such folder (expected a folder or a base URL)")
    return Path(mirror, parts.netloc, path)


def _download(url: str, part: Path, verified: bool, options: Options) -> None:
    """Send requests until `part` is complete. `verified`: a checksum will show if it mixes two versions."""
    failures, furthest = 0, _size(part)
    while True:
        if not verified and not _read_version(part):
            part.unlink(missing_ok=True)  # nothing would show that the file changed in between
        try:
            return _attempt(url, part, options)
        except _Transient as problem:
            failures = 1 if _size(part) - furthest >= 1 << 20 else failures + 1
            furthest = max(furthest, _size(part))
            if failures > options.retries:
                raise ValueError(f"{url}: {problem} (gave up after {options.retries} retries)") from None
            delay = min(options.longest_wait, options.wait * 2 ** (failures - 1))
            again = f"retry {failures} of {options.retries} in {delay:.0f} s"
            print(f"{url}: {problem}; {again}", file=sys.stderr)
            time.sleep(delay)


def _attempt(url: str, part: Path, options: Options) -> None:
    """Send one request, continuing `part` where the server allows it. Raises _Transient for what may pass."""
    have, version = _size(part), _read_version(part)
    resume = {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {}) if have else {}
    with _open(url, HEADERS | resume, options.timeout) as response:
        status, problem = response.status_code, f"HTTP {response.status_code} {response.reason}"
        if status == 416:  # nothing beyond what is there: complete, or another file by now
            part.unlink(missing_ok=True)
        if status in PASSING:
            raise _Transient(problem)
        if status >= 300:
            raise ValueError(f"{url}: {problem}")
        start, total = _extent(url, response, have)
        if total is not None and total > options.largest:
            raise ValueError(f"{url}: {total} bytes declared, at most {options.largest} allowed")
        etag = response.headers.get("ETag", "")  # a weak one, W/..., does not promise the same bytes
        served = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
        if start and version and served not in ("", version):
            part.unlink()
            raise _Transient("the file changed on the server")
        if not start:
            files.write_text(_version_file(part), served + "\n")
        bar = {"total": total, "initial": start, "desc": posixpath.basename(url), "disable": None}
        with open(part, "ab" if start else "wb") as file, tqdm.wrapattr(file, "write", **bar) as output:
            while chunk := _read(url, response):
                if file.tell() + len(chunk) > options.largest:
                    raise ValueError(f"{url}: more than the {options.largest} bytes allowed")
                output.write(chunk)
    if total is not None and _size(part) < total:
        raise _Transient(f"connection lost after {_size(part)} of {total} bytes")


def _open(url: str, headers: dict[str, str], timeout: float) -> requests.Response:
    """The answer to a GET, redirects followed.

    Proxies are the environment's, certificates the system's or, without any, those of certifi. A
    requests.Session would also read passwords from ~/.netrc, and the whole body of a redirect.
    """
    certificates, place = ssl.get_default_verify_paths(), url
    options = {"timeout": timeout, "verify": certificates.cafile or certificates.capath or True}
    for _ in range(REDIRECTS + 1):
        with _failures(url):
            request = requests.Request("GET", place, headers).prepare()
            response = HTTPAdapter().send(request, stream=True, proxies=get_environ_proxies(place), **options)
        if not response.is_redirect:
            break
        response.close()
        place = _redirected(place, response.headers["Location"])
    response.raw.enforce_content_length = False  # `_attempt` compares the sizes
    return response


def _redirected(url: str, location: str) -> str:
    """The URL that `url` is redirected to; ValueError if it leads from https to anything less."""
    try:
        target = urljoin(url, location)
        if urlsplit(target).scheme in ("https", urlsplit(url).scheme):
            return target
    except ValueError as error:  # neither a URL nor a path
        raise ValueError(f"{url}: redirect to {location}: {error}") from None
    raise ValueError(f"{url}: redirect to {target} refused: not https")


def _read(url: str, response: requests.Response) -> bytes:
    """The next bytes as they arrive, b"" after the last."""
    with _failures(url, "connection lost: "):
        return response.raw.read1(1 << 16, decode_content=False)


@contextlib.contextmanager
def _failures(url: str, prefix: str = "") -> Iterator[None]:
    """Raise _Transient for a failure of the network, but ValueError for a certificate that is not valid."""
    try:
        yield
    except (OSError, urllib3.exceptions.HTTPError) as failure:  # those of requests are OSErrors
        cause: BaseException = failure
        while cause.__context__:  # the socket's own error says it in the fewest words
            cause = cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise ValueError(f"{url}: {cause}") from None
        reason = " ".join(str(cause).split())[:200]  # an answer that is not HTTP may be all of it
        raise _Transient(prefix + (reason or type(cause).__name__)) from None


def _extent(url: str, response: requests.Response, have: int) -> tuple[int, int | None]:
    """First byte that this answer holds and the size of the whole file, None if unknown."""
    length = response.headers.get("Content-Length", "")
    if response.status_code != 206:
        return 0, int(length) if length.isdigit() else None
    declared = response.headers.get("Content-Range", "")
    match = re.fullmatch(rf"bytes {have}-\d+/(\d+|\*)", declared)
    if not match:
        raise ValueError(f"{url}: asked for bytes from {have} on, was sent '{declared}'")
    return have, None if match[1] == "*" else int(match[1])


def _version_file(part: Path) -> Path:
    """The file with the version of which `part` is a part: a strong ETag, else a date, "" for neither."""
    return part.with_name(part.name + ".tag")


def _read_version(part: Path) -> str:
    return _version_file(part).read_text().strip() if _version_file(part).exists() else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
