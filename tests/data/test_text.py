"""Text reaches the model in one form, whatever white space it came with, and nothing of it is lost silently."""

import gzip
from pathlib import Path

import pytest

from tests.data.test_lists import ONE, SPECIAL, listed
from tests.toys import commands, small
from tzip import files
from tzip.data.lists import Lists, pack
from tzip.data.pieces import Pieces
from tzip.data.text import sentences

SPACES = ["\u00a0", "\t", "\u3000", "  ", "\u2028", "\u0085", "\u202f \t", "\u200b", "\ufeff"]
LINE = "a small house stands by the lake"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model.tzip that reads 40 pieces at most."""
    folder = tmp_path_factory.mktemp("text")
    return small.write(folder / "model.tzip", small.vocabulary(folder), max_length=40)


def vocabularies(folder: Path) -> list[Pieces]:
    of_lists = Lists(ONE, b"", (*SPECIAL, *listed(ONE)), prefix=listed(ONE)[0])
    return [small.vocabulary(folder), Pieces(pack(of_lists))]


@pytest.mark.parametrize("space", SPACES)
def test_white_space_of_any_kind_is_a_space(space: str, tmp_path: Path) -> None:
    for pieces in vocabularies(tmp_path):
        plain = pieces.encode([LINE])
        assert plain[0]
        assert pieces.encode([LINE.replace(" ", space)]) == plain
        assert pieces.encode([f"{space}{LINE}{space}"]) == plain
        assert pieces.encode(["", space]) == [[], []], "a blank line has no pieces, a prefix neither"


def test_what_has_no_width_within_a_word_is_no_text(tmp_path: Path) -> None:
    for pieces in vocabularies(tmp_path):
        assert pieces.encode([LINE.replace("house", "hou\u00adse\u2060")]) == pieces.encode([LINE])


def test_a_byte_order_mark_is_no_text(tmp_path: Path, model: Path) -> None:
    marked, plain = tmp_path / "marked", tmp_path / "plain"
    plain.write_bytes(f"{LINE}\n{LINE}\n".encode())
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    assert files.read_lines(marked) == [LINE, LINE]
    said = [commands.tzip("translate", model, path, "--threads", "1").stdout for path in (plain, marked)]
    assert said[0] == said[1]
    for names in ([marked, plain], [plain, marked], [marked, marked]):
        done = commands.tzip("score", *names)
        assert done.stdout.startswith("100.00 "), done.stderr


def test_a_compressed_text_is_named(tmp_path: Path, model: Path) -> None:
    packed = tmp_path / "lines.gz"
    packed.write_bytes(gzip.compress(b"a small house\n"))
    done = commands.tzip("translate", model, packed)
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {packed}: compressed by gzip; give its text, as by gunzip -c\n",
    )


def translated(model: Path, tmp_path: Path, lines: list[str], *more: str):
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return commands.tzip("translate", model, tmp_path / "lines", "--threads", "1", "--max-ratio", "0.5", *more)


def test_the_n_best_are_printed_with_their_scores(model: Path, tmp_path: Path) -> None:
    lines, beam = [LINE, "", "the lake"], ("--beam", "4")
    best = translated(model, tmp_path, lines, *beam).stdout.splitlines()
    rows = translated(model, tmp_path, lines, *beam, "--nbest", "3").stdout.splitlines()
    rows = [row.split(" ||| ") for row in rows]
    assert [row[0] for row in rows] == ["0"] * 3 + ["1"] + ["2"] * 3
    assert [rows[0][1], rows[3][1], rows[4][1]] == best
    scores = [float(score) for number, _, score in rows if number == "0"]
    assert scores == sorted(scores, reverse=True)


def test_what_a_model_may_lose_is_named_with_its_line(model: Path, tmp_path: Path) -> None:
    done = translated(model, tmp_path, [LINE, "house " * 40, "A house stands. It is small."])
    assert done.stderr.splitlines() == [
        "warning: line 2 has 200 pieces; only the first 39 are translated",
        "warning: several sentences in line 3; a model may translate only one of them: see --split-sentences",
    ]
    assert translated(model, tmp_path, [LINE, "Dr. Smith stands by the lake."]).stderr == ""


def test_sentences_are_translated_one_by_one_on_request(model: Path, tmp_path: Path) -> None:
    parts = ["A house stands.", "It is small."]
    apart = translated(model, tmp_path, parts).stdout.splitlines()
    done = translated(model, tmp_path, [" ".join(parts), "", parts[1]], "--split-sentences", "en")
    assert done.stderr == ""
    assert done.stdout.splitlines() == [" ".join(apart), "", apart[1]]
    assert sentences("他来了。天下雨。", "zh") == ["他来了。", "天下雨。"]
    refused = translated(model, tmp_path, parts, "--split-sentences", "en", "--nbest", "2")
    assert refused.stderr == "error: --nbest and --split-sentences do not go together\n"
