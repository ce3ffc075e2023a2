"""`tzip translate`: pipes line by line, several files, JSON lines, progress on a terminal alone."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.toys import commands
from tzip.files import read_lines
from tzip.interface import translate as translation
from tzip.nmt.options import Search

FORM = translation.Form()
FLAGS = ["--beam", "2", "--max-ratio", "0.5", "--threads", "1"]


def translate(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return commands.tzip("translate", folder / "small.tzip", *FLAGS, *arguments, folder=folder)


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, list[str]]:
    return {name: translate(folder, name).stdout.split("\n")[:-1] for name in ("text.en", "other.en")}


def test_the_first_translation_of_a_pipe_comes_before_the_input_ends(folder: Path, expected) -> None:
    """Line by line, after a byte order mark; a line that is not UTF-8 is named by its number in the whole input."""
    command = [sys.executable, "-m", "tzip", "translate", str(folder / "small.tzip"), *FLAGS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdin.write(b"\xef\xbb\xbfa small house\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready, "nothing came before the input ended"
        assert process.stdout.readline().decode() == f"{expected['text.en'][0]}\n"
        out, error = process.communicate(b"\n\xff\n")
    assert (out, error.decode()) == (b"\n", "error: standard input: line 3 is not UTF-8\n")
    assert process.returncode == 1


@pytest.mark.parametrize("batch", [1, 2, 0])
def test_a_batch_is_a_number_of_lines(folder: Path, expected, batch: int, tmp_path: Path) -> None:
    done = translate(folder, "text.en", "--batch", batch, "--time", tmp_path / "time.json")
    assert (done.stdout.split("\n")[:-1], done.stderr) == (expected["text.en"], "")
    spent = json.loads((tmp_path / "time.json").read_text())
    assert (spent["sentences"], spent["words"], spent["threads"]) == (3, 5, 1)
    assert translate(folder, "text.en", "--batch", "-1").stderr == "error: batch = -1 is not an integer at least 0\n"


def test_files_follow_one_another(folder: Path, expected) -> None:
    joined = [line for lines in expected.values() for line in lines]
    assert translate(folder, "text.en", "other.en").stdout.split("\n")[:-1] == joined
    rows = translate(folder, "text.en", "other.en", "--nbest", "2").stdout.splitlines()
    assert [int(row.split(" ||| ")[0]) for row in rows] == [0, 0, 1, 2, 2, 3, 3, 4, 4]
    (folder / "long.en").write_text("a\n" + "a small house " * 40 + "\n")
    said = translate(folder, "text.en", "long.en").stderr
    assert said.startswith("warning: long.en: line 2 has ")


def test_no_translation_comes_before_a_mistake_in_a_file(folder: Path) -> None:
    (folder / "broken").write_bytes(b"a\n\xff\n")
    done = translate(folder, "text.en", "broken")
    assert (done.stdout, done.stderr) == ("", "error: broken: line 2 is not UTF-8\n")


def test_json_lines_gain_their_translations(folder: Path, tmp_path: Path) -> None:
    values = [{"id": 7, "text": "a small house"}, {"text": ""}, {"text": "der See ß", "source": None}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))
    done = translate(folder, tmp_path / "in.jsonl", "--jsonl", "--nbest", "2", "--output", tmp_path / "out.jsonl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    results = [json.loads(line) for line in read_lines(tmp_path / "out.jsonl")]
    assert [{key: value for key, value in one.items() if key != "translations"} for one in results] == values
    first = results[0]["translations"]
    rows = [row.split(" ||| ") for row in translate(folder, "text.en", "--nbest", "2").stdout.splitlines()[:2]]
    assert [(one["text"], f"{one['score']:.4f}") for one in first] == [(text, score) for _, text, score in rows]
    assert results[1]["translations"] == [{"text": "", "score": 0.0}]
    engine = ["--engine", "ctranslate2", "--beam", "1"]  # which has no scores of a greedy search
    (greedy, *_) = translate(folder, tmp_path / "in.jsonl", "--jsonl", *engine).stdout.splitlines()
    assert [set(one) for one in json.loads(greedy)["translations"]] == [{"text", "score"}]
    assert json.loads(greedy)["translations"][0]["score"] is None


@pytest.mark.parametrize("line", ["[1]", "{}", '{"text": 1}', "text", "", '{"text": "a"', "[" * 100_000])
def test_a_line_without_a_text_is_named(folder: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"text": "a"}}\n{line}\n')
    done = translate(folder, tmp_path / "in.jsonl", "--jsonl", "--output", tmp_path / "out")
    said = 'in.jsonl: line 2 is no JSON object with a text, as {"text": "..."}\n'
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path}/{said}")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_progress_is_shown_on_a_terminal_alone(folder: Path, tmp_path: Path) -> None:
    """Words of all, and words per second, on standard error."""
    shown, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    (tmp_path / "many").write_text("a small house\n" * 4)
    with os.fdopen(terminal, "w") as stream, contextlib.redirect_stderr(stream):
        translation.run(folder / "small.tzip", [tmp_path / "many"], tmp_path / "out", None, FORM, Search(), 1)
        said = b""
        while select.select([shown], [], [], 0)[0]:
            said += os.read(shown, 1 << 16)
    os.close(shown)
    assert (tmp_path / "out").read_text().count("\n") == 4
    assert b" 0/12 [" in said
    assert b" words/s]" in said


def test_options_may_stand_before_the_files(folder: Path, expected) -> None:
    done = commands.tzip("translate", *FLAGS, folder / "small.tzip", "--alpha", "0.6", "text.en", folder=folder)
    assert done.stdout.split("\n")[:-1] == expected["text.en"]
