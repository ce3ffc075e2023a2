"""`tzip completion`: bash completes subcommands, options and values by its script, without starting Python."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.toys import commands
from tzip import cli
from tzip.compression import registry

ASK = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_tzip
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "tzip.bash"
    done = commands.tzip("completion", "bash")
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text(done.stdout)
    return path


def complete(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    command = [shutil.which("bash"), "--norc", "-eu", "-c", ASK, "bash", str(script), "tzip", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("comp",), ["compress", "completion"]),
        (("--v",), ["--version"]),
        (("compress", "--sc"), ["--scope", "--schedule"]),
        (("compress", "a", "b", "--scope", ""), ["attention", "linear", "all"]),
        (("compress", "--scope", "=", "li"), ["linear"]),
        (("compress", "--scope", "="), ["attention", "linear", "all"]),
        (("compress", "--compile", "t"), ["true"]),
        (("compress", "a", "b", "--prune", ""), registry.names("pruners")),
        (("compress", "--quantize", "bin"), ["binarize", "binarynet"]),
        (("import", "a", "b", "--format", "mar"), ["marian", "marian_nmt"]),
        (("methods", "k"), ["kmeans"]),
        (("completion", ""), ["bash", "zsh"]),
        (("compress", "--data", ""), []),  # a file: bash's own completion
        (("translate", "mo"), []),
        (("nothing", "--"), []),
    ],
)
def test_bash_completes(script: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert complete(script, *words) == offered


def test_every_option_of_every_subcommand_is_offered(script: Path) -> None:
    subcommands = next(action.choices for action in cli.parser()._actions if isinstance(action.choices, dict))
    assert complete(script, "")[: len(subcommands)] == list(subcommands)
    text = script.read_text()
    for name, parser in subcommands.items():
        known = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")]
        assert f"{name}\\ -*) words={shlex.quote(' '.join(known))} ;;" in text


def test_zsh_reads_the_same_script(script: Path) -> None:
    said = commands.tzip("completion", "zsh").stdout
    assert said == f"autoload -U +X bashcompinit && bashcompinit\n{script.read_text()}"
