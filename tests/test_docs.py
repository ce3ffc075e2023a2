"""The documentation held to the program: examples run, commands parse."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file

import tzip
from tests.exchange import test_mapping
from tests.exchange.test_marian_nmt import SSRU
from tests.toys import commands as in_process
from tests.toys import foreign, m2m100, small
from tests.toys.configuration import merged
from tests.toys.data import toy_pairs
from tests.toys.workflow import command, copy_sources
from tzip import cli, options
from tzip.compression import registry
from tzip.compression.variant import Pruning
from tzip.config import checks, keys, reference
from tzip.data.pieces import Pieces
from tzip.exchange import exporting
from tzip.nmt import checkpoint

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DEFAULT = "config/default.yaml"
SHELLS = ("sh", "bash", "console", "shell")
FENCE = re.compile(r"^```(.*)\n((?:(?!```).*\n)*)```$", re.MULTILINE)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def blocks() -> list[tuple[Path, str, str]]:
    """(page, what follows the opening fence, contents) of each fenced block."""
    return [(path, info.strip(), body) for path in DOCS for info, body in FENCE.findall(text(path))]


@cache
def examples(language: str) -> dict[str, str]:
    """Contents of the blocks that say which file they are, as in ```python my-methods/…"""
    found = [(info.split(), body) for _, info, body in blocks()]
    return {words[1]: body for words, body in found if len(words) == 2 and words[0] == language}


def commands() -> Iterator[tuple[Path, str, bool]]:
    """(page, command, whether it is whole): lines of shell blocks, and what stands in backquotes."""
    for path in DOCS:
        for line in re.findall(r"`((?:tzip|snakemake|make)(?: [^`\n]+)?)`", FENCE.sub("", text(path))):
            yield path, line, False
    for path, info, body in blocks():
        if info.split(" ")[0] in SHELLS:
            for line in body.replace("\\\n", " ").splitlines():
                line = line.removeprefix("$ ").strip()
                if line and not line.startswith("#"):
                    yield path, line, True


def words(command: str) -> list[str]:
    """The arguments of a command, without variables set before it, redirections and comments."""
    command = re.split(r"\s[<>|]|\s&&", command)[0]
    return [word for word in shlex.split(command, comments=True) if not re.match(r"[A-Z_]+=", word)]


def of(program: str) -> list[Any]:
    found = [(path, line, whole) for path, line, whole in commands() if words(line)[:1] == [program]]
    return [pytest.param(line, whole, id=f"{path.name}: {line}"[:80]) for path, line, whole in found]


# ── examples ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code with the methods of the documentation in it."""
    folder = copy_sources(tmp_path_factory.mktemp("docs"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name, body in examples("python").items():
        assert not (ROOT / name).exists(), f"{name}: an example of the documentation exists already"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body, encoding="utf-8")
    return folder


def test_the_example_methods_keep_the_contract_of_all_methods(extended: Path) -> None:
    """Those who follow the page run these very tests; they find the files by themselves."""
    names = [Path(name).stem for name in examples("python")]
    assert {Path(name).parent.name for name in examples("python")} == {"quantizers", "pruners"}
    pytest_v = ("-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "-v")
    contract = ("tests/compression/test_methods.py", "--methods", "my-methods")
    said = command(extended, "python", *pytest_v, *contract, "-k", " or ".join(names))
    for name in names:
        passed = [line for line in said.splitlines() if "PASSED" in line and re.search(rf"\b{name}\b", line)]
        assert len(passed) > 5, f"{name}: the tests of methods did not find it"


def test_the_example_configurations_are_accepted(extended: Path) -> None:
    """One without a data set builds on the default run, and the page's command says so."""
    base = {name: yaml.safe_load(text(ROOT / name)) for name in ("config/datasets.yaml", "config.yaml", DEFAULT)}
    merges = {}
    for name, body in examples("yaml").items():
        example = yaml.safe_load(body)
        below = [content for file, content in base.items() if file != DEFAULT or "dataset" not in example]
        merges[name] = reduce(merged, [*below, example])
        for _, line, _ in commands():
            assert f" {name}" not in line or (DEFAULT in line) == ("dataset" not in example), line
    assert merges
    (extended / "made.json").write_text(json.dumps(merges), encoding="utf-8")
    check = (
        "import json; from tzip.config import run, students\n"
        "for name, config in json.load(open('made.json')).items():\n"
        "    try: students.check(run.check(config))\n"
        "    except ValueError as error: raise SystemExit(f'{name}: {error}')\n"
    )
    command(extended, "python", "-c", check)


def test_the_page_of_keys_is_current() -> None:
    assert text(ROOT / "docs" / "configuration.md") == reference.page()


def in_order(page: str, languages: tuple[str, ...]) -> list[tuple[str, str]]:
    """(language, contents) of a page's blocks in these languages."""
    found = [(info, body) for path, info, body in blocks() if path.name == page]
    return [(info, body) for info, body in found if info in languages]


def tzip_says(line: str, folder: Path) -> str:
    """What a command of a page prints, run in `folder`."""
    done = in_process.tzip(*words(line)[1:], folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_on_export_can_be_followed(tmp_path: Path, monkeypatch) -> None:
    """Every tzip command and every Python example of it, in order, on a small model."""
    monkeypatch.chdir(tmp_path)
    toy_pairs(tmp_path / "results" / "mine" / "data" / "train")
    small.write(tmp_path / "small.tzip", small.vocabulary(tmp_path))
    small.write(tmp_path / "student.tzip", Pieces(tmp_path / "pieces.model"), **SSRU)
    Path("text.en").write_text("a small house\n")
    ran, said = 0, ""
    for language, body in in_order("export.md", ("sh", "python")):
        if language == "python":
            if "fxtranslate" in body:  # another package; tests/interop/marian_nmt.py runs it
                continue
            exec(compile(body, "docs/export.md", "exec"), {})
            ran += 1
            continue
        for line in body.splitlines():
            if words(line)[0] == "tzip":
                said += tzip_says(line, tmp_path)
                ran += 1
    assert ran == 18
    folders = {"float32", "int16", "int8", "short", "marian", "marian_nmt", "firefox32", "firefox", "dense", "carded"}
    assert {path.name for path in Path("exported").iterdir()} == folders
    assert len(re.findall(r"bytes on disk, .*: \w+ for \w+,$", said, re.MULTILINE)) == len(folders)


def test_the_page_on_python_can_be_followed(tmp_path: Path, monkeypatch, capsys) -> None:
    """Every example of it, in order and in one process, on a small model that is fine-tuned for less long."""
    monkeypatch.chdir(tmp_path)
    pieces = small.vocabulary(tmp_path)
    small.write(tmp_path / "small.tzip", pieces)
    checkpoint.save("checkpoint", small.model(), pieces.model)
    toy_pairs(tmp_path / "own")
    names: dict[str, Any] = {}
    for _, body in in_order("python.md", ("python",)):
        exec(compile(body.replace("updates=500", "updates=2"), "docs/python.md", "exec"), names)
    assert len(names["second"]) > 0
    assert len(names["greedy"]) == len(names["fast"]) == 2
    assert names["report"].path == Path("kmeans4.tzip")
    assert tzip.inspect("tuned.tzip").history["updates"] == 4
    said = capsys.readouterr().out.splitlines()
    assert sum(" ||| " in line for line in said) == 8
    assert f"{said[-1]}\n" in f"{text(ROOT / 'docs' / 'python.md')}\n".replace("  # ", "\n")


def test_the_page_on_import_can_be_followed(tmp_path: Path, monkeypatch) -> None:
    """Every tzip command of it, in order, on small models in the formats that it names."""
    monkeypatch.chdir(tmp_path)
    marian = foreign.model(4 + len(foreign.PIECES), **foreign.MARIAN)
    foreign.marian(tmp_path / "opus-mt-en-de", marian)
    many = foreign.marian(tmp_path / "opus-mt-en-mul", marian)
    named = text(many / "vocab.json").replace(json.dumps(foreign.PIECES[9]), '">>deu<<"')
    (many / "vocab.json").write_text(named, encoding="utf-8")
    m2m100.write(tmp_path / "nllb-200-distilled-600M", m2m100.model("nllb"), "nllb")
    small.vocabulary(tmp_path)
    pieces = Pieces("pieces.model")
    for name, engine in (("opus-2020-02-26", "marian_nmt"), ("firefox-ende", "firefox")):
        exporting.write(name, foreign.model(len(pieces), **SSRU), pieces, exporting.Options(to=engine))
    opennmt = foreign.model(4 + len(foreign.PIECES), **foreign.OPENNMT)
    foreign.opennmt(tmp_path / "averaged-10-epoch.pt", opennmt)
    Path("sentencepiece.model").write_bytes(foreign.ONE)
    mapped = foreign.model(280, norm="pre", tie="decoder", max_length=30, activation="gelu")
    for name, parameter in mapped.named_parameters():
        if name.endswith("query.bias"):
            parameter.data.zero_()
    names, tensors = test_mapping.mapping(mapped)
    Path("theirs.yaml").write_text(yaml.safe_dump(names))
    save_file(tensors, "theirs.safetensors")
    Path("pieces.model").rename("theirs.model")
    lines = [line for _, body in in_order("import.md", ("sh",)) for line in body.splitlines()]
    lines = [line for line in lines if words(line)[0] == "tzip"]
    said = [tzip_says(line, tmp_path) for line in lines]
    folders = {path.parent.name: json.loads(text(path))["format"] for path in tmp_path.glob("*/origin.json")}
    native = {"native": "marian_nmt", "student": "marian_nmt"}
    others = {"checkpoint": "marian", "german": "marian", "paper": "opennmt", "mapped": "mapping", "nllb": "m2m100"}
    assert folders == native | others
    assert "imported from marian" in "".join(said)
    assert len(lines) == 9


# ── commands ──────────────────────────────────────────────────────────────────────────────────────


def example_names() -> list[str]:
    return [Path(name).stem for name in examples("python")]


def check_method(kind: str, spec: str) -> None:
    """A method as the command line spells it: its name, its options and their values."""
    name, given = options.parse(spec)
    if name in example_names():
        return
    classes = [registry.load(kind, name).Options, *([Pruning] if kind == "pruners" else [])]
    registry.split(given, name, *classes)


@pytest.mark.parametrize(("command", "whole"), of("tzip"))
def test_tzip_commands_are_understood(command: str, whole: bool, capsys: pytest.CaptureFixture) -> None:
    name, *rest = words(command)[1:] or ["--help"]
    parser = cli.parser()
    commands = next(a.choices for a in parser._actions if isinstance(a.choices, dict))
    if name.startswith("-"):
        assert name in parser._option_string_actions
        return
    assert name in {*commands, "COMMAND"}, f"no such subcommand: {command}"
    if name == "COMMAND" or "--help" in rest:
        return
    flags = {word.split("=")[0] for word in rest if word.startswith("-")}
    assert flags <= set(commands[name]._option_string_actions), command
    if not whole:
        return
    try:
        args = parser.parse_args([name, *rest])
    except SystemExit:
        pytest.fail(f"{command}: {capsys.readouterr().err}")
    own = [argument for argument in cli.COMMANDS[name][1] if isinstance(argument, str | type)]
    for cls in [options.declared(ROOT / "tzip" / cls) if isinstance(cls, str) else cls for cls in own]:
        settings = options.from_arguments(args, cls, name)
        for field, kind in (("prune", "pruners"), ("quantize", "quantizers"), ("biases", "quantizers")):
            if getattr(settings, field, ""):
                check_method(kind, getattr(settings, field))


@cache
def rules() -> set[str]:
    files = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    named = r"^(?:rule|use rule \w+ as) (\w+)(?::| with:)"
    return {name for path in files for name in re.findall(named, text(path), re.MULTILINE)}


@pytest.mark.parametrize(("command", "whole"), of("snakemake"))
def test_snakemake_commands_name_flags_files_and_rules(
    command: str, whole: bool, capsys: pytest.CaptureFixture
) -> None:
    from snakemake.cli import get_argument_parser

    try:
        args = get_argument_parser().parse_args(words(command)[1:])
    except SystemExit:
        pytest.fail(f"{command}: {capsys.readouterr().err}")
    for path in args.configfile or ():
        assert (ROOT / path).is_file() or str(path) in examples("yaml"), f"{command}: no file {path}"
    named = {*(args.until or ()), *(args.omit_from or ()), *(args.forcerun or ()), *args.targets}
    assert {name for name in named if "/" not in name} <= rules(), command
    assert {setting.split("=")[0] for setting in args.config or ()} <= set(checks.fields(keys.Run)), command


@pytest.mark.parametrize(("command", "whole"), of("make"))
def test_make_commands_name_targets(command: str, whole: bool) -> None:
    targets = re.findall(r"^([\w-]+):", text(ROOT / "Makefile"), re.MULTILINE)
    assert set(words(command)[1:]) <= set(targets)


@pytest.mark.parametrize("program", ["tzip", "snakemake"])
def test_there_are_commands_to_check(program: str) -> None:
    assert sum(whole for _, line, whole in commands() if words(line)[:1] == [program]) > 3


def test_scripts_and_tests_that_are_named_exist() -> None:
    named = {
        name
        for path in DOCS
        for name in re.findall(r"\b((?:tzip|workflow_scripts|tests|rules)/[\w/.-]*\.\w+)", text(path))
    }
    named = {name for name in named - {*examples("python")} if "NAME" not in name}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
