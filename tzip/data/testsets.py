"""Test sets by the names that sacreBLEU has for them, read from its cache or fetched into it."""

import hashlib
import os
from pathlib import Path

from sacrebleu.dataset import DATASETS
from sacrebleu.dataset.base import Dataset
from sacrebleu.utils import SACREBLEU_DIR, extract_tarball

from tzip import files
from tzip.data import download


def fetch(name: str, prefix: str | Path, mirror: str | None = None, options: download.Options | None = None) -> int:
    """Write a test set as PREFIX.src and PREFIX.ref, its source and its first reference; how many lines it has.

    name     of the test set and its languages, as wmt17/en-de
    mirror   and options are those of `download.fetch`, for what sacreBLEU's cache lacks

    The cache is the folder that the environment variable SACREBLEU names, else ~/.sacrebleu. Raises ValueError in
    one line for a test set that is neither there nor to be had.
    """
    test, _, languages = name.rpartition("/")
    data = DATASETS.get(test)
    if data is None or languages not in data.langpairs:
        raise ValueError(f"sacrebleu:{name}: sacreBLEU has no such test set")
    try:
        source, reference = cached(data, languages) or unpacked(data, languages, mirror, options or download.Options())
        texts = {"src": files.read_lines(source), "ref": files.read_lines(reference)}
    except (ValueError, OSError) as error:
        said = f"neither whole in {SACREBLEU_DIR} nor to be had"
        raise ValueError(f"sacrebleu:{name}: {said}: {files.one_line(error)}") from None
    for side, lines in texts.items():
        files.write_text(f"{prefix}.{side}", "".join(f"{line}\n" for line in lines))
    return len(texts["src"])


def cached(data: Dataset, languages: str) -> tuple[str, str] | None:
    """The source and the first reference that the cache has as text, if it has both."""
    source, *references = (data._get_txt_file_path(languages, field) for field in ("src", "ref", "ref:0"))
    found = [path for path in references if os.path.exists(path)]
    return (source, found[0]) if found and os.path.exists(source) else None


def unpacked(data: Dataset, languages: str, mirror: str | None, options: download.Options) -> tuple[str, str]:
    """The same as text that sacreBLEU makes of the archives in its cache; those that are not there are fetched."""
    for url, md5 in zip(data.data, data.md5 or [None] * len(data.data), strict=True):
        path = Path(data._rawdir, data._get_tarball_filename(url))
        if not path.exists():
            new = download.fetch(url, path.with_name(f"{path.name}.new"), None, mirror, options)
            actual = hashlib.md5(new.read_bytes()).hexdigest()
            new.with_name(f"{new.name}.sha256").unlink()
            if md5 and actual != md5:
                new.unlink()
                raise ValueError(f"{url}: wrong MD5: expected {md5}, found {actual}")
            os.replace(new, path)
        extract_tarball(str(path), data._rawdir)
    return data.get_source_file(languages), data.get_reference_files(languages)[0]
