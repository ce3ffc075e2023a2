"""The data set of a run: its files, where they lie, and whether they are right."""

import shlex
import urllib.parse
from pathlib import Path
from typing import Any

from tzip import files, options
from tzip.config.checks import choose

SACREBLEU = "sacrebleu:"  # what the name of a test set of sacreBLEU begins with, as sacrebleu:wmt17/en-de
SIDES = {"source": "src", "target": "ref"}  # of a pair, as sacreBLEU calls them


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


def with_test_sets(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the tests that sacreBLEU has, such as sacrebleu:wmt17/en-de, as a data set of test sets.

    Their names become those of files: wmt17.en-de. Raises ValueError in one line for what sacreBLEU does not have,
    and for other languages than the run's.
    """
    given = [test for test in config["tests"] if test.startswith(SACREBLEU)]
    if not given:
        return config
    from sacrebleu.dataset import DATASETS  # 0.3 s that others need not wait

    languages = config["datasets"].get(config["dataset"], {}).get("languages", [])
    names, lent = {}, {}
    for test in given:
        place = test.removeprefix(SACREBLEU)
        name, _, pair = (place, "", "") if place in DATASETS else place.rpartition("/")
        if name not in DATASETS:
            raise ValueError(f"tests: sacreBLEU has no test set '{name or place}'; {choose(name or place, DATASETS)}")
        if pair not in DATASETS[name].langpairs:
            raise ValueError(f"tests: {test}: '{pair}' is no pair of it; {choose(pair, DATASETS[name].langpairs)}")
        if languages and pair != "-".join(languages):
            raise ValueError(f"tests: {test} is {pair}, but the data set is {'-'.join(languages)}")
        names[test] = test_set_file(place)
        lent[names[test]] = {side: {"sacrebleu": f"{place}/{end}"} for side, end in SIDES.items()}
    if taken := [name for name in lent if name in config["tests"]]:
        raise ValueError(f"tests names {taken[0]!r} twice")
    data = config["datasets"].get("sacrebleu", {"note": "", "languages": languages, "test": {}})
    data = data | {"test": data["test"] | lent}
    tests = [names.get(test, test) for test in config["tests"]]
    return config | {"tests": tests, "datasets": config["datasets"] | {"sacrebleu": data}}


def test_sets(config: dict[str, Any]) -> dict[str, str]:
    """The run's test sets that sacreBLEU has, as wmt17/en-de, by the beginning of their files' names."""
    named = [file["sacrebleu"].rpartition("/")[0] for file in sources(config).values() if "sacrebleu" in file]
    return {test_set_file(name): name for name in named}


def test_set_file(name: str) -> str:
    """wmt17/en-de → wmt17.en-de, as sacreBLEU calls its own files."""
    test, _, languages = name.rpartition("/")
    return f"{test.replace('/', '_')}.{languages}"


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
    if "sacrebleu" in file:
        name, _, side = file["sacrebleu"].rpartition("/")
        return f"{folder}/sacrebleu/{test_set_file(name)}.{side}"
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
