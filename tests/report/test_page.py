"""The page of a run, built by its scripts and looked at in a real browser."""

import base64
import io
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from tests.toys.frontier import variants
from tests.toys.run import MIRROR, ROWS, flags, script
from tzip.report import page
from tzip.report.verdicts import BY_CLOCK, UNMEASURED

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HEADLESS = [
    *["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--hide-scrollbars", "--v=0"],
    *["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"],
    *["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr"],
]
WIDTHS = (390, 1280)
NOTE = "Synthetic corpus: no natural language <here>."
# Runs after the page's own load: what a reader would notice, told to the page that frames it.
PROBE = """<script>
addEventListener("load", () => {
  const every = selector => [...document.querySelectorAll(selector)];
  let copied = "";
  Object.defineProperty(navigator, "clipboard", {value: {writeText: async text => { copied = text; }}});
  every(".take button")[0]?.click();
  const wide = every("body *").filter(e =>
    !e.closest(".scroll, .picture, pre") && e.getBoundingClientRect().right > innerWidth + 1);
  parent.postMessage(JSON.stringify({
    width: innerWidth, scroll: document.documentElement.scrollWidth,
    images: [...document.images].map(i => i.complete && i.naturalWidth > 0),
    requests: performance.getEntriesByType("resource").map(r => r.name).filter(n => !n.startsWith("data:")),
    wide: wide.map(e => e.tagName + "." + e.className),
    cut: every("td, th").filter(e => e.scrollWidth > e.clientWidth + 1).length,
    copied,
    lost: every('a[href^="#"]').filter(a => !document.querySelector(a.hash)).length,
  }), "*");
});
</script>"""
# A frame, because a browser's own window does not become as narrow as a phone.
FRAME = """<body style="margin: 0"><iframe src="page.html" width="{}" height="900" style="border: 0"></iframe>
<script>addEventListener("message", event => {{
  const out = document.createElement("output");
  out.textContent = event.data;
  document.body.append(out);
}});</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser to look at the page with: none of {', '.join(BROWSERS)} is installed")


@pytest.fixture(scope="module")
def run(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example run with its report.html, made by the scripts in the workflow's order."""
    run = Path(shutil.copytree(example, tmp_path_factory.mktemp("page") / "example"))
    whole, shown = flags(run), flags(run, ("baseline", "kmeans-8bit", "kmeans-4bit", "bs-flexible"))
    maps = ["--maps", run / "seed-1/kmeans-4bit/attention.npz", "--name", "kmeans-4bit"]
    figures = run / "figures"
    page_flags = ["--provenance", run / "provenance.json", "--note", NOTE, "--output", run / "report.html"]
    steps = [
        ["claims", *whole, "--output", run / "tables"],
        ["timings", *whole, "--output", run / "timings"],
        ["stages", *whole, "--output", run / "timings"],
        ["figures", "frontier", "--results", run, "--test", "flat", "--output", figures / "frontier.svg"],
        ["figures", "sharpness", *whole, "--output", figures / "sharpness.svg"],
        ["figures", "attention", *shown, "--output", figures / "attention.png"],
        ["figures", "attention-layers", *maps, "--output", figures / "attention-layers-kmeans-4bit.png"],
        ["page", *whole, *page_flags],
    ]
    for step in steps:
        assert script(*step) == (0, "")
    return run


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def look(browser: str, html: str, width: int, folder: Path, probe: str = PROBE) -> tuple[dict, str]:
    """A probe's findings and the browser's console, of a page shown `width` pixels wide."""
    (folder / "page.html").write_text(html.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width), encoding="utf-8")
    flags = [f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=5000"]
    command = [browser, *HEADLESS, *flags, "--dump-dom", (folder / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    found = re.search(r"<output>(.*?)</output>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1])), "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_the_page_without_fault(browser: str, html: str, width: int, tmp_path: Path) -> None:
    found, console = look(browser, html, width, tmp_path)
    assert found["width"] == width
    assert found["scroll"] <= width
    assert found["wide"] == []
    assert found["cut"] == 0
    assert found["images"] == [True] * 4
    assert found["requests"] == []
    assert found["lost"] == 0
    assert console == ""
    head, first, *more = found["copied"].split("\n")
    assert head.split("\t")[:3] == ["row", "BLEU", "% of baseline"]
    assert head.split("\t")[-4:] == ["the paper BLEU", "the paper %", "the paper x", "the paper updates"]
    assert first.startswith("Baseline model\t")
    assert len(more) == len(ROWS) - 1


def test_the_browser_would_notice(browser: str, tmp_path: Path) -> None:
    """What the test above asserts can fail: a page with every fault at once."""
    faulty = """<body><a href="#nowhere">x</a><div style="width: 700px">wide</div>
    <img src="data:image/png;base64,AAAA"><img src="http://example.org/a.png">
    <script>console.error("fault")</script></body>"""
    found, console = look(browser, faulty, 390, tmp_path)
    assert found["scroll"] > 390
    assert "DIV." in found["wide"]
    assert found["images"] == [False, False]
    assert found["requests"] == ["http://example.org/a.png"]
    assert found["lost"] == 1
    assert "fault" in console


ASKED = """<script>
addEventListener("load", () => {
  const svg = document.querySelector(".chart > svg");
  const points = [...svg.querySelectorAll(".point")].sort((a, b) => a.dataset.order - b.dataset.order);
  const said = () => ["b", "span", "code"].map(tag => document.querySelector(".asked " + tag).textContent);
  const found = {names: points.map(p => p.dataset.name), stops: [], first: said()};
  const stop = () => found.stops.push(points.filter(p => p.getAttribute("tabindex") === "0").length);
  const press = key =>
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const at = (type, index) => {
    const box = points[index].lastElementChild.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent(type,
      {clientX: box.x + box.width / 2 + 3, clientY: box.y + box.height / 2, bubbles: true}));
    return said();
  };
  found.hover = at("pointermove", 2); stop();
  found.tap = at("pointerdown", points.length - 1); stop();
  points[0].focus(); found.focus = said(); stop();
  press("ArrowRight"); found.right = said(); stop();
  press("End"); press("ArrowRight"); found.end = said();
  press("Home"); found.home = said(); stop();
  svg.dispatchEvent(new PointerEvent("pointermove", {clientX: -500, clientY: -500, bubbles: true}));
  found.nowhere = said();
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""


@pytest.mark.parametrize("width", WIDTHS)
def test_the_chart_answers_to_pointer_finger_and_keys(
    browser: str, run: Path, html: str, width: int, tmp_path: Path
) -> None:
    found, console = look(browser, html, width, tmp_path, ASKED)
    table = pd.read_csv(run / "tables" / "frontier.csv", comment="#")
    names = table[table["test"] == "mean"].sort_values("ratio_file", kind="stable")["row"].tolist()
    assert found["names"] == names
    assert found["hover"][0] == names[2]
    assert found["tap"][0] == found["end"][0] == names[-1]
    assert found["focus"][0] == found["home"][0] == found["nowhere"][0] == names[0]
    assert found["right"][0] == names[1]
    assert found["stops"] == [1] * len(found["stops"])  # the chart is one stop on the way through the page
    for name, said, command in (found["first"], found["hover"], found["tap"], found["right"]):
        line = table[(table["row"] == name) & (table["test"] == "mean")].iloc[0]
        assert f"{line['bleu']:.2f} ±" in said
        assert f"{line['file_bytes']:,} bytes, {line['ratio_file']:.2f}x smaller" in said
        assert command.split()[:2] == ["snakemake", f"results/{run.name}/seed-1/{name}/model.tzip"]
    assert console == ""


def test_the_page_names_no_other_file_and_no_other_host(html: str) -> None:
    outside = re.findall(
        r"""(?:src|href|srcset|action|poster)=["'](?!data:|#)[^"']*|url\((?!["']?data:)[^)]*|@import""", html
    )
    assert outside == []
    assert "http://" not in html
    assert "https://" not in html
    assert len(html) < 5_000_000


def test_every_table_has_its_csv_and_its_rows_are_explained(run: Path, html: str) -> None:
    links = re.findall(r'<a href="data:text/csv;charset=utf-8;base64,([^"]+)" download="(\w+)\.csv">', html)
    names = [name for _, name in links]
    assert names[:3] == ["table1", "frontier", "methods"]
    assert len(names) == html.count("<table>") == html.count('<button type="button">Copy')
    text = base64.b64decode(links[0][0]).decode()
    frame = pd.read_csv(io.StringIO(text), comment="#")
    assert frame["row"].tolist() == list(ROWS)
    four = "K-means quantization (bits 4), of the attention and feed-forward layers of the baseline"
    assert re.search(rf'<th scope="row" title="{re.escape(four)}[^"]*">K-Means 4-bit quantization</th>', html)


def test_what_is_seen_in_a_figure_is_said(html: str) -> None:
    said = [unescape(text) for text in re.findall(r'<img [^>]*alt="([^"]+)"', html)]
    assert len(said) == 4
    assert re.search(r"of 12 variants \d are on the frontier, which falls from kmeans-8bit \(.* % of the", said[0])
    assert all(": a " in text or ": two " in text for text in said)


def test_the_page_says_what_the_run_found(run: Path, html: str) -> None:
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", html))).split())
    needed = [
        *[NOTE, *pd.read_csv(run / "tables" / "claims.csv", comment="#")["claim"]],
        *["K-Means 4-bit quantization", "27.65", "98.43", "2.92", "sacrebleu: nrefs:1", "Scores by test set"],
        *["What cleaning removed", "too long", "words/s", "a" * 64, "0123456789abcdef", "uncommitted"],
        *["snakemake --cores", "times the baseline's words/s", "What the run took, by stage"],
    ]
    for part in needed:
        assert part in text
    assert MIRROR not in text
    assert "nan" not in re.findall(r"[a-z]+", text)


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    for name in ("one", "two"):
        selection = flags(run, ("baseline", "kmeans-4bit"), ["flat"], [1])
        assert script("page", *selection, "--output", run / f"{name}.html") == (0, "")
    assert (run / "one.html").read_bytes() == (run / "two.html").read_bytes()
    assert "Scores by test set" not in (run / "one.html").read_text(encoding="utf-8")


def test_claims_about_rows_that_a_run_does_not_have_are_counted_alone(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "few")
    few = flags(tmp_path / "few", ("baseline", "kmeans-4bit"))
    for name, output in (("claims", "few/tables"), ("timings", "few/timings"), ("page", "few.html")):
        assert script(name, *few, "--output", tmp_path / output) == (0, "")
    html = (tmp_path / "few.html").read_text(encoding="utf-8")
    claims = json.loads((tmp_path / "few/tables/claims.json").read_text())
    clock = json.loads((tmp_path / "few/timings/claim8.json").read_text())
    claims = [claim["claim"] for claim in page.with_clock(claims, clock) if claim["verdict"] == UNMEASURED]
    assert len(claims) > 2
    assert f"{len(claims)} more are about rows that this run does not have." in html
    assert not [claim for claim in claims if claim in unescape(html)]


EIGHT = ("kmeans-8bit", "kmeans", 2.2, 40.0)
FOUR = ("kmeans-4bit", "kmeans", 2.8, 39.6)
ONE = ("kmeans-1bit", "kmeans", 3.4, 16.0)


def test_the_answer_is_the_smallest_file_that_keeps_enough() -> None:
    answer = page.answer(variants(EIGHT, FOUR, ONE))
    assert "has 40.00 BLEU on flat, from a file of 10.00 MB" in answer
    assert "keeps 97 % of its BLEU is kmeans-4bit: 3.57 MB, 2.80 times smaller" in answer
    assert "kmeans-1bit, is 3.40 times smaller and keeps 40.0 %" in answer
    assert page.tiles(variants(EIGHT, FOUR, ONE), [])[1][0] == "2.80x"
    several = page.answer(variants(EIGHT, FOUR, ONE).assign(test="mean"))
    assert "has 40.00 BLEU on average over the test sets, from" in several


def test_the_development_set_chooses_the_answer() -> None:
    rows = variants(EIGHT, FOUR, ONE).assign(chosen_by="dev", chosen_percent=[100.0, 98.0, 96.0, 50.0])
    answer = page.answer(rows)
    assert "The smallest file that keeps 97 % of its BLEU on dev is kmeans-8bit: " in answer
    assert "at 40.00 BLEU (100.0 %)" in answer
    assert page.tiles(rows, [])[1] == ("2.20x", "smaller, in the file, for at least 97 % of its BLEU on dev")
    assert "No row keeps 97 % of its BLEU on dev." in page.answer(rows[rows["row"] != "kmeans-8bit"])


def test_the_answer_may_be_that_none_does() -> None:
    assert "No row keeps 97 % of its BLEU." in page.answer(variants(ONE))
    assert len(page.tiles(variants(ONE), [])) == 1
    assert len(page.tiles(variants(ONE), [{"verdict": "undecided"}])) == 1
    judged = [{"verdict": page.FAILS}, {"verdict": "undecided"}]
    assert page.tiles(variants(ONE), judged)[1] == ("0", "claims of the paper hold, of 2 measured; failed: 1")


def test_the_gap_is_the_widest_of_the_papers_rows() -> None:
    rows = variants(EIGHT, FOUR, ONE).assign(ratio_printed=[1.0, 2.92, 5.85, 23.4])
    assert "kmeans-1bit: 23.40x as printed, 3.40x in the file" in page.gap(rows)
    assert page.gap(variants()) == ""


def test_the_clock_completes_the_claim_it_judges() -> None:
    plain = {"number": 8, "claim": "c", "rule": "r", "verdict": BY_CLOCK}
    plain |= {"parts": [{"what": "a", "verdict": ""}, {"what": "words/s", "verdict": BY_CLOCK}]}
    other = {**plain, "number": 7}
    timed = {**plain, "rule": "faster", "verdict": "does not hold", "parts": [{"what": "b"}]}
    first, second = page.with_clock([other, plain], timed)
    assert first == other
    assert (second["verdict"], second["rule"]) == ("does not hold", "faster")
    assert [part["what"] for part in second["parts"]] == ["a", "b"]


def test_captions_are_escaped_and_may_be_absent(tmp_path: Path) -> None:
    (tmp_path / "a.rst").write_text("Bits < 5 in ``model.tzip``,\nas *wanted*.\n\nSecond paragraph.\n")
    assert page.caption(tmp_path / "a.rst") == "Bits &lt; 5 in <code>model.tzip</code>, as <em>wanted</em>."
    assert page.caption(tmp_path / "b.rst") == ""


def test_every_figure_has_its_caption() -> None:
    folder = Path(__file__).parents[2] / "report"
    for name in [place.name for place in page.FIGURES] + [page.APPENDIX.rstrip("-")]:
        assert len(page.caption(folder / f"{name}.rst")) > 60
