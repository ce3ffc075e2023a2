"""The imported baseline of a configuration: its options and its files; no torch."""

import json
import posixpath
import shlex
from pathlib import Path
from typing import Any

from tzip import options
from tzip.config import datasets
from tzip.files import spell_place

FOLDER = Path(__file__).parent.parent / "exchange" / "importers"
SEED = "{seed}"  # in a file's name: each seed has a baseline of its own
FILES = ("source", "pieces", "target_pieces", "mapping")  # what may be a file by url


def given(config: dict[str, Any], seed: Any = SEED) -> dict[str, Any] | None:
    """The section baseline.import, with a seed in the place of {seed}; None where the baseline is trained."""
    section = config["baseline"].get("import")
    return section and of_seed(section, seed)


def of_seed(section: Any, seed: Any) -> Any:
    """A part of the configuration with a seed in the place of {seed}."""
    return json.loads(json.dumps(section).replace(SEED, str(seed)))


def is_shared(config: dict[str, Any]) -> bool:
    """Whether one imported model is the baseline of every seed."""
    return given(config) is not None and given(config, "one") == given(config, "other")


def formats() -> list[str]:
    """The names of what can be imported: the files of the folder."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def uses(name: str) -> tuple[str, ...]:
    """The options of a format: its constant USES."""
    return options.constant(FOLDER / f"{name}.py", "USES")


def needs(name: str) -> tuple[str, ...]:
    """Those of them that must be given: its constant NEEDS."""
    return options.constant(FOLDER / f"{name}.py", "NEEDS")


def check(section: dict[str, Any], where: str = "baseline.import") -> None:
    """ValueError in one line that names the key, unless format, options and files go together."""
    name = section["format"]
    if name not in formats():
        raise ValueError(f"{where}.format = {name!r} is not one of {', '.join(formats())}")
    choices = ("source", *uses(name))
    for key in section:
        if key not in ("format", *choices):
            said = f"the format {name} has no such option; choose from {', '.join(choices)}"
            raise ValueError(f"{where}.{key}: {said}")
    for key in needs(name):
        if key not in section:
            raise ValueError(f"{where}.{key}: the format {name} needs it; give a file")
    for key in FILES:
        for file in parts(section.get(key, [])):
            if ("url" in file) == ("path" in file) or "column" in file:
                raise ValueError(f"{where}.{key}: a file is given by url or by path, found {file}")
    source = parts(section["source"])
    several = len(source) > 1 and any("member" in file for file in source)
    if several or len({posixpath.dirname(place(file)) for file in source}) > 1:
        raise ValueError(f"{where}.source: several files must lie in one folder, which is the model")


def parts(file: Any) -> list[dict[str, Any]]:
    """A file, or the list of a folder's files, as dictionaries; a text is a path."""
    files = file if isinstance(file, list) else [file]
    return [{"path": file} if isinstance(file, str) else file for file in files]


def place(file: dict[str, Any]) -> str:
    return datasets.place(file["url"]) if "url" in file else file["path"]


def files(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every file that the import names, by its place in the configuration; those of each seed."""
    section, result = given(config) or {}, {}
    for key in FILES:
        several = parts(section.get(key, []))
        for i, file in enumerate(several):
            where = f"baseline.import.{key}.{i}" if len(several) > 1 else f"baseline.import.{key}"
            for seed in config["seeds"]:
                own = of_seed(file, seed)
                result[where if own == file else f"{where} of seed {seed}"] = own
    return result


def downloads(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The files to download, by HOST/PATH, as `datasets.downloads`."""
    return {datasets.place(file["url"]): file for file in files(config).values() if "url" in file}


def inputs(config: dict[str, Any], folder: str) -> list[str]:
    """Where the files lie once they are downloaded to `folder`, each once; of a local folder all but pages (.md)."""
    paths = []
    for file in files(config).values():
        path = Path(datasets.local(file, folder))
        if path.is_dir():
            paths += sorted(inner for inner in path.iterdir() if inner.is_file() and inner.suffix != ".md")
        else:
            paths.append(path)
    return list(dict.fromkeys(map(str, paths)))


def check_data(config: dict[str, Any], folder: str, mirror: str) -> None:
    """As `datasets.check_data`; a local model may be a folder, whose files are looked at when it is read."""
    named = files(config).items()
    single = {key: file for key, file in named if "url" in file or not Path(file["path"]).is_dir()}
    datasets.check_files(single, folder, mirror)


def flags(config: dict[str, Any], folder: str, seed: Any) -> str:
    """A seed's import as the arguments of `tzip import`."""
    section = given(config, seed)
    words = [source(section["source"], folder), "--format", section["format"]]
    for key in uses(section["format"]):
        if key in section:
            words += [options.flag(key), source(section[key], folder) if key in FILES else section[key]]
    return " ".join(map(shlex.quote, words))


def source(file: Any, folder: str) -> str:
    """A file or folder as the command line takes it: PATH, or ARCHIVE::MEMBER."""
    first, *more = parts(file)
    if more:
        return spell_place(posixpath.dirname(datasets.local(first, folder)))
    return datasets.side(first, folder)


def note(config: dict[str, Any]) -> str:
    """The note that is shown with every score of the run; empty where the baseline was trained."""
    section = given(config, "*")
    if not section:
        return ""
    file = parts(section["source"])[0]
    name = file.get("member") or posixpath.basename(place(file).rstrip("/"))
    return f"the baseline is imported, not trained here: {section['format']}, {posixpath.basename(name)}"
