"""The data set of a run: its files, where they lie, and whether they are right."""

import shlex
import urllib.parse
from pathlib import Path
from typing import Any

from tzip import files, options


def dataset(config: dict[str, Any]) -> dict[str, Any]:
    """The definition of the run's data set."""
    return config["datasets"][config["dataset"]]


def run_folder(config: dict[str, Any]) -> str:
    return f"results/{config['name']}"


def trainable(config: dict[str, Any]) -> list[str]:
    """The data sets that have training text; the others lend their test sets."""
    return [name for name, data in config["datasets"].items() if "train" in data or "grammar" in data]


def known_tests(config: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """The test sets that a run can name: its data set's own, then those of data sets that are nothing else.

    None stands for a test set that the workflow makes: by the grammar, or held out of the training text.
    """
    own = dataset(config)
    made = ["test"] if "grammar" in own else split_test(own)
    lent = [data for name, data in config["datasets"].items() if name not in trainable(config)]
    others = {name: pair for data in lent for name, pair in data.get("test", {}).items()}
    return dict.fromkeys(made) | others | own.get("test", {})


def split_test(own: dict[str, Any]) -> list[str]:
    """The name of the test set that is split off the training text of a data set, if one is."""
    split = own.get("split", {})
    return [split.get("name", "test")] if split.get("test") else []


def parts(config: dict[str, Any]) -> dict[str, Any]:
    """The pairs of files of the run: {"train": [pair], "dev": [pair], "test": {name: pair}}.

    All test sets of the data set are among them, scored or not: what is held out of the training text
    should not depend on what is looked at.
    """
    own = generated(config) if "grammar" in dataset(config) else dataset(config)
    known = known_tests(config)
    lent = {name: known[name] for name in config["tests"] if known[name]}
    return {"train": own["train"], "dev": own.get("dev", []), "test": own.get("test", {}) | lent}


def generated(config: dict[str, Any]) -> dict[str, Any]:
    """The files that the grammar's sentences are written to, as a data set."""

    def pair(split: str) -> dict[str, Any]:
        languages = zip(("source", "target"), dataset(config)["languages"], strict=True)
        return {side: {"path": f"{run_folder(config)}/generated/{split}.{name}"} for side, name in languages}

    return {"train": [pair("train")], "dev": [pair("dev")], "test": {"test": pair("test")}}


def held_out_tests(config: dict[str, Any]) -> list[str]:
    """The names of all test sets that the corpus has."""
    return [*parts(config)["test"], *split_test(dataset(config))]


def sources(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every file that the run reads, by its place in the configuration."""
    own = parts(config)
    pairs = {f"{split}.{i}": pair for split in ("train", "dev") for i, pair in enumerate(own[split])}
    pairs |= {f"test.{name}": pair for name, pair in own["test"].items()}
    return {f"{where}.{side}": file for where, pair in pairs.items() for side, file in pair.items()}


def downloads(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The files to download, by HOST/PATH: where they go below the downloads, and lie in a mirror."""
    return {place(file["url"]): file for file in sources(config).values() if "url" in file}


def place(url: str) -> str:
    """HOST/PATH of a URL, decoded but for braces, in which Snakemake would see a wildcard."""
    parts = urllib.parse.urlsplit(url)
    return parts.netloc + urllib.parse.unquote(parts.path).replace("{", "%7B").replace("}", "%7D")


def download_folder(store: str) -> str:
    """Where downloads lie: in the store, where there is one."""
    if "{" in store:
        raise ValueError(f"store = '{store}': Snakemake takes {{...}} for a wildcard; choose a folder without braces")
    return f"{store}/downloads" if store else "results/downloads"


def local(file: dict[str, Any], folder: str) -> str:
    """Where a file lies once it is downloaded to `folder`."""
    return f"{folder}/{place(file['url'])}" if "url" in file else file["path"]


def source_files(config: dict[str, Any], folder: str) -> list[str]:
    """Where the files of the corpus lie, each once."""
    return list(dict.fromkeys(local(file, folder) for file in sources(config).values()))


def corpus_flags(config: dict[str, Any], folder: str) -> str:
    """The run's files as corpus.py's flags; a side is PATH::MEMBER#COLUMN."""

    def sides(pair: dict[str, Any]) -> list[str]:
        return [shlex.quote(side(pair["source"], folder)), shlex.quote(side(pair["target"], folder))]

    own, split = parts(config), dataset(config).get("split", {})
    words = [word for pair in own["train"] for word in ("--train", *sides(pair))]
    words += [word for pair in own["dev"] for word in ("--dev", *sides(pair))]
    words += [word for name, pair in own["test"].items() for word in ("--test", name, *sides(pair))]
    words += ["--split", options.spell("", split).removeprefix(":")] if split else []
    return " ".join(words)


def side(file: dict[str, Any], folder: str) -> str:
    return files.spell_place(local(file, folder), file.get("member", ""), file.get("column", 0))


def check_data(config: dict[str, Any], folder: str, mirror: str) -> None:
    """The run's local files, and those of a mirror folder that are not in `folder` yet, exist and are right.

    Raises ValueError in one line that names the key, the file, and the checksum expected and found.
    """
    key, made = f"datasets.{config['dataset']}", "grammar" in dataset(config)
    given = {where: file for where, file in sources(config).items() if not (made and "path" in file)}
    check_files({f"{key}.{where}": file for where, file in given.items()}, folder, mirror)


def check_files(by_key: dict[str, dict[str, Any]], folder: str, mirror: str) -> None:
    """Files by their places in the configuration, as `check_data`."""
    from_folder = mirror and not mirror.startswith(("http://", "https://"))
    if from_folder and not Path(mirror).is_dir():
        raise ValueError(f"mirror = '{mirror}' does not exist; give a folder or a base URL laid out as HOST/PATH")
    for where, file in by_key.items():
        if "path" in file:
            check_file(Path(file["path"]), file.get("sha256"), f"{where}.path")
        elif "url" in file and from_folder and not Path(local(file, folder)).exists():
            check_file(Path(mirror, place(file["url"])), file.get("sha256"), f"{where}.url in mirror")


def check_file(path: Path, sha256: str | None, where: str) -> None:
    if not path.is_file():
        raise ValueError(f"{where}: no file '{path}'")
    if sha256 and (actual := files.sha256(path)) != sha256.lower():
        raise ValueError(f"{where}: wrong SHA-256 of '{path}': expected {sha256}, found {actual}")
