"""sacreBLEU's test sets: of its cache as text, of its cache as an archive, from a mirror, or a line that says so."""

import hashlib
import tarfile
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from tzip.data import testsets

ARCHIVE = Path("data.statmt.org", "wmt17", "translation-task", "test.tgz")
SIDES = {"src.en": "A &amp; house", "ref.de": "Ein Haus"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of sacreBLEU, which looks for its place when it is imported."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(testsets, "SACREBLEU_DIR", str(folder))
    monkeypatch.setattr(DATASETS["wmt17"], "_outdir", str(folder / "wmt17"))
    monkeypatch.setattr(DATASETS["wmt17"], "_rawdir", str(folder / "wmt17" / "raw"))
    return folder


def archive(path: Path) -> Path:
    """The test set in the form and under the names in which it was published."""
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, line in SIDES.items():
            member = path.with_name(name)
            member.write_text(f'<doc docid="1" genre="news" origlang="en">\n<seg id="1"> {line} </seg>\n</doc>\n')
            tar.add(member, f"test/newstest2017-ende-{name}.sgm")
    return path


def texts(prefix: Path) -> list[str]:
    return [prefix.with_name(f"{prefix.name}.{side}").read_text() for side in ("src", "ref")]


def test_text_in_the_cache_is_taken_as_it_is(cache: Path, tmp_path: Path) -> None:
    (cache / "wmt17").mkdir(parents=True)
    (cache / "wmt17" / "wmt17.en-de.src").write_text("a house\nthe lake\n")
    (cache / "wmt17" / "wmt17.en-de.ref").write_text("ein Haus\nder See\n")
    assert testsets.fetch("wmt17/en-de", tmp_path / "wmt17.en-de", "/nowhere") == 2
    assert texts(tmp_path / "wmt17.en-de") == ["a house\nthe lake\n", "ein Haus\nder See\n"]


def test_an_archive_in_the_cache_is_unpacked_by_sacrebleu(cache: Path, tmp_path: Path) -> None:
    archive(cache / "wmt17" / "raw" / "wmt17.test.tgz")
    assert testsets.fetch("wmt17/en-de", tmp_path / "wmt17.en-de", "/nowhere") == 1
    assert texts(tmp_path / "wmt17.en-de") == [f"{line}\n" for line in SIDES.values()]
    assert (cache / "wmt17" / "wmt17.en-de.src").is_file()  # where sacreBLEU itself finds it


def test_what_the_cache_lacks_comes_from_a_mirror(cache: Path, tmp_path: Path, monkeypatch) -> None:
    published = archive(tmp_path / "mirror" / ARCHIVE)
    with pytest.raises(ValueError, match="wrong MD5: expected 86a1724c276004aa25455ae2a04cef26, found"):
        testsets.fetch("wmt17/en-de", tmp_path / "x", str(tmp_path / "mirror"))
    assert not list((cache / "wmt17" / "raw").iterdir())
    monkeypatch.setattr(DATASETS["wmt17"], "md5", [hashlib.md5(published.read_bytes()).hexdigest()])
    assert testsets.fetch("wmt17/en-de", tmp_path / "x", str(tmp_path / "mirror")) == 1
    assert texts(tmp_path / "x") == [f"{line}\n" for line in SIDES.values()]


def test_what_is_nowhere_is_one_line(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    with pytest.raises(
        ValueError, match=r"^sacrebleu:wmt17/en-de: neither whole in .*/cache nor to be had: https"
    ) as no:
        testsets.fetch("wmt17/en-de", tmp_path / "x", str(tmp_path / "mirror"))
    assert "\n" not in str(no.value)
    for name in ("wmt17/en-xx", "wmt71/en-de", "wmt17", ""):
        with pytest.raises(ValueError, match=f"^sacrebleu:{name}: sacreBLEU has no such test set$"):
            testsets.fetch(name, tmp_path / "x")
    assert not list(tmp_path.glob("x*"))
