"""conda installs what pip installs: envs/*.yaml pin the versions that requirements.txt pins."""

import functools
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from tests.test_rooms import imports
from tzip.config import dependencies

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
WORKFLOW = {"pyyaml"}  # what the configuration needs beside Snakemake, which requires it itself


packages_of = functools.cache(metadata.packages_distributions)  # reading them takes a second
requires = functools.cache(metadata.requires)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    return {normal(name): version for name, version in (line.split("==") for line in lines)}


def locked() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def declared(path: Path) -> list[str]:
    """What a conda environment installs by pip, where the project's packages all come from."""
    (pip,) = [item["pip"] for item in yaml.safe_load(path.read_text())["dependencies"] if isinstance(item, dict)]
    return pip


def test_the_lock_pins_every_line_exactly_and_torch_first() -> None:
    assert locked()[0].startswith("torch==")
    for line in locked():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line  # no +cpu, no range, no path
    assert len(pins(locked())) == len(locked())


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_pins_what_the_lock_pins(path: Path) -> None:
    lock, environment = pins(locked()), pins(declared(path))
    assert environment == {name: lock.get(name) for name in environment}


def test_every_dependency_of_the_package_is_locked_and_in_an_environment() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {normal(line.split(">=")[0]) for line in project["dependencies"]}
    assert needed <= set(pins(locked()))
    assert needed - WORKFLOW <= {name for path in ENVIRONMENTS for name in pins(declared(path))}


def test_the_image_has_the_python_of_the_environments_and_the_packages_of_the_lock() -> None:
    image = (ROOT / "Dockerfile").read_text()
    python = re.search(r"^FROM python:([\d.]+)-", image, re.MULTILINE)[1]
    for path in ENVIRONMENTS:
        assert f"python={python}" in yaml.safe_load(path.read_text())["dependencies"]
    installed = re.findall(r"pip install (.+?)(?: \\)?$", image, re.MULTILINE)
    assert installed == ["--requirement requirements.txt", "--no-deps --editable ."]


def test_no_package_registry_is_named() -> None:
    """Pip's own setting decides: some machines reach no other."""
    pages = [ROOT / "Dockerfile", ROOT / "Makefile", ROOT / "README.md", *ROOT.glob("docs/*.md"), *ENVIRONMENTS]
    for page in pages:
        assert not re.search(r"pypi\.org|pythonhosted|pytorch\.org|--index-url", page.read_text()), page


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_installs_the_library_itself_afterwards(path: Path) -> None:
    assert "--editable ." in path.with_suffix(".post-deploy.sh").read_text()


def test_every_rule_names_an_environment_that_exists() -> None:
    named = set()
    for path in sorted((ROOT / "rules").glob("*.smk")):
        named |= {(path.parent / found).resolve() for found in re.findall(r'"(\.\./envs/[\w.]+)"', path.read_text())}
    assert named == {path.resolve() for path in ENVIRONMENTS}


def third_party(module: str) -> str | None:
    """The distribution that a module comes from; None for the standard library's and our own."""
    root = module.split(".")[0]
    if root in sys.stdlib_module_names or root == "tzip":
        return None
    return normal(packages_of()[root][0])


def rules() -> list[tuple[str, str]]:
    """(step, environment) of every rule that runs a script or a subcommand; `tables` stands for its heirs."""
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = [(step, "report.yaml") for step in re.findall(r'step="(\w+)"', text)]
    for block in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        steps = re.findall(r'\{SCRIPTS\}/(\w+)\.py|^        "tzip (\w+)', block, re.MULTILINE)
        environment = re.search(r'"\.\./envs/([\w.]+)"', block)[1]
        found += [(script or command, environment) for script, command in steps]
    return found


def test_every_step_is_found() -> None:
    assert len(rules()) == len(set(rules())) > 25


@pytest.mark.parametrize(("step", "environment"), rules())
def test_an_environment_has_all_that_its_rules_import(step: str, environment: str) -> None:
    code = [path for path in dependencies.files(step) if path.suffix == ".py"]
    modules = set().union(*map(imports, code))
    required = closure(set(pins(declared(ROOT / "envs" / environment))))
    assert {third_party(module) for module in modules} - {None} <= required


def closure(names: set[str]) -> set[str]:
    """Distributions with all that they require, as pip would install them."""
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name not in seen:
            seen.add(name)
            lines = [line for line in requires(name) or [] if "extra ==" not in line]
            names |= {normal(re.match(r"[\w.-]+", line)[0]) for line in lines} & set(pins(locked()))
    return seen
