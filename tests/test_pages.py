"""Pages held to each other: links lead somewhere, every page and method is listed, the citation is of this version."""

import re
from pathlib import Path

import pytest
import yaml

import tzip
from tests.test_docs import DOCS, FENCE, ROOT, text
from tzip.compression import registry


def anchors(path: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", FENCE.sub("", text(page))):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_every_page_is_in_the_index() -> None:
    index = text(ROOT / "docs" / "README.md")
    pages = [path.name for path in DOCS if path.parent.name == "docs" and path.name != "README.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load(text(ROOT / "CITATION.cff"))
    assert cited["version"] == tzip.__version__
    assert cited["license"] == "MIT"
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert {one["year"] for one in cited["references"]} == {2016, 2019}
    assert all({"type", "title", "authors"} <= set(one) for one in cited["references"])


def test_every_method_is_in_its_table_with_its_source() -> None:
    """Of the sources that a method names, the page gives each by author and year."""
    page = text(ROOT / "docs" / "methods.md")
    for kind in registry.KINDS:
        for name in registry.names(kind):
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            for source in registry.source(kind, name).split("; "):
                assert re.sub(r" \(.*", "", source).removesuffix(" half precision") in row, name
