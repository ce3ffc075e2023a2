"""A run's configuration, checked and completed before any job starts, without importing torch."""

from __future__ import annotations

import ast
import difflib
import functools
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError

from tzip import options
from tzip.compression import registry
from tzip.config import datasets, grid, imports

BASELINE = "baseline"
SYNTHETIC = "synthetic corpus, made by tzip/data/grammar.py: its scores say nothing about real text"
OPTIONAL = ("students", "teacher", "goals", "baseline")  # a run's record has them where they say something
METHODS = {"prune": "pruners", "quantize": "quantizers", "biases": "quantizers"}
SECTIONS = {
    "download": ("data/download.py", "Options"),
    "corpus": ("data/corpus.py", "Options"),
    "pieces": ("data/pieces.py", "Options"),
    "training": ("nmt/options.py", "Training"),
    "finetune": ("nmt/options.py", "Training"),
    "calibration": ("compression/variant.py", "Calibration"),
    "search": ("nmt/options.py", "Search"),
    "teacher": ("nmt/options.py", "Search"),
    "scores": ("report/score.py", "Options"),
    "shortlist": ("exchange/shortlist.py", "Options"),
}
LIBRARY = Path(__file__).parent.parent


def check(config: dict[str, Any], schema: str | Path) -> dict[str, Any]:
    """`config` with recipe and defaults filled in, every key, value and name of it checked.

    Raises ValueError in one line that names the key, the value and the choices. Files are not looked at.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    recipe, form = config.get("recipe"), config.get("model", {})
    config = filled(recipe | config if isinstance(recipe, dict) else config, rules, rules)
    check_schema(config, rules)
    if found := imports.given(config):
        imports.check(found)
        config["model"] = imported_model(form)
    check_model(config["model"])
    for folder in config["methods"]:
        registry.extend(folder)
    for section, (file, name) in SECTIONS.items():
        check_options(config[section], LIBRARY / file, section, name)
    for name, dataset in config["datasets"].items():
        check_dataset(dataset, f"datasets.{name}")
    written = config["variants"]
    config = grid.expand(config, rules["$defs"]["variant"]["properties"])
    for name, variant in config["variants"].items():
        where = f"variants.{name}" if name in written else f"grid: {name}"
        check_variant(variant, where, config["finetune"])
    check_names(config)
    return config


def filled(value: Any, rule: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A copy of `value` with the defaults of its `rule` wherever a key is absent, at any depth."""
    rule = schema["$defs"][rule["$ref"].removeprefix("#/$defs/")] if "$ref" in rule else rule
    if isinstance(value, list):
        return [filled(item, rule.get("items", {}), schema) for item in value]
    if not isinstance(value, dict):  # `--config seeds=[1,2]` gives texts
        number = rule.get("type") == "integer" and isinstance(value, str) and value.isdecimal()
        return int(value) if number else value
    properties, others = rule.get("properties", {}), rule.get("additionalProperties")
    others = others if isinstance(others, dict) else {}
    complete = {key: inner["default"] for key, inner in properties.items() if "default" in inner} | value
    return {key: filled(item, properties.get(key, others), schema) for key, item in complete.items()}


def check_schema(config: dict[str, Any], schema: dict[str, Any]) -> None:
    """The first violation of `schema`, in the order of the configuration, as one line."""
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: [str(p) for p in e.path])
    if errors:
        raise ValueError(told(errors[0]))


def told(error: ValidationError) -> str:
    """A schema violation as a user should read it."""
    where = ".".join(map(str, error.absolute_path))
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            return unknown(next(key for key in error.instance if key not in known), known, where)
        case "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return f"key '{missing}' is missing in {where or 'the configuration'}"
        case "enum":
            return f"{where} = {error.instance!r} is not one of {', '.join(map(str, error.validator_value))}"
        case "type":
            kinds = error.validator_value
            kinds = kinds if isinstance(kinds, str) else " or ".join(kinds)
            return f"{where} = {error.instance!r} is not of type {kinds}"
        case "pattern":
            return f"{where} = {error.instance!r} is not {error.schema['description']}"
        case "uniqueItems":
            twice = next(item for item in error.instance if error.instance.count(item) > 1)
            return f"{where} names {twice!r} twice"
    return f"{where}: {error.message}"


def unknown(key: str, choices: Iterable[str], where: str) -> str:
    return f"unknown key '{key}' in {where or 'the configuration'}; {choose(key, choices)}"


def choose(name: str, choices: Iterable[str]) -> str:
    """What was probably meant by `name`, and what there is."""
    choices = list(choices)
    close = difflib.get_close_matches(str(name), choices, 1, 0.7)
    return (f"did you mean '{close[0]}'? " if close else "") + f"choose from {', '.join(choices) or 'none'}"


@functools.cache
def declared(path: Path, name: str = "Options") -> type:
    """`options.declared`, once a class."""
    return options.declared(path, name)


def check_options(given: dict[str, Any], path: Path, where: str, name: str = "Options") -> Any:
    """`given` as the options dataclass of a Python file, read without importing it."""
    cls = declared(path, name)
    check_keys(given, fields(cls), where)
    return options.make(cls, given, where)


def check_keys(given: dict[str, Any], choices: list[str], where: str) -> None:
    for key in given:
        if key not in choices:
            raise ValueError(unknown(key, choices, where))


def fields(cls: type) -> list[str]:
    return list(cls.__dataclass_fields__)


def check_model(model: dict[str, Any], where: str = "model", decided: Iterable[str] = ()) -> Any:
    """A preset and what differs from it; what the pieces or others have `decided` is no choice."""
    presets = literal(LIBRARY / "nmt/options.py", "PRESETS")
    decided = [*decided, *literal(LIBRARY / "nmt/options.py", "OF_PIECES")]
    config = declared(LIBRARY / "nmt/options.py", "Config")
    check_keys(model, ["preset", *(name for name in fields(config) if name not in decided)], where)
    preset = model.get("preset")
    if preset is not None and preset not in list(presets):
        raise ValueError(f"{where}.preset = {preset!r} is not one of {', '.join(presets)}")
    given = {key: value for key, value in model.items() if key != "preset"}
    return options.make(config, presets.get(preset, {}) | given, where)


def imported_model(given: dict[str, Any]) -> dict[str, Any]:
    """The section model, which a model from elsewhere leaves little to say."""
    for key in given:
        if key != "max_length":
            raise ValueError(f"model.{key}: the baseline is imported as it is; only max_length can be chosen")
    return given


def literal(path: Path, name: str) -> Any:
    """The value of a module's constant, without importing what else the module imports."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and name in (ast.unparse(target) for target in node.targets):
            return ast.literal_eval(node.value)
    raise ValueError(f"{path}: no constant {name}")


def check_variant(variant: dict[str, Any], where: str, finetune: dict[str, Any]) -> None:
    """The method, its options and the fine-tuning of one variant."""
    for step in METHODS:
        if step in variant:
            check_method(variant[step], step, f"{where}.{step}")
    check_options(finetune | variant["finetune"], LIBRARY / "nmt/options.py", f"{where}.finetune", "Training")
    plain = {key: spelled(value) if key in METHODS else value for key, value in variant.items()}
    for key in ("finetune", "from"):
        plain.pop(key, None)
    options.make(declared(LIBRARY / "compression/variant.py", "Variant"), plain, where)


def check_method(given: dict[str, Any], step: str, where: str) -> None:
    """A method by its file's name, with that file's options (and, for a pruner, a schedule's)."""
    choices = registry.names(METHODS[step])
    if given["method"] not in choices:
        raise ValueError(f"{where}.method = {given['method']!r} is not one of {', '.join(choices)}")
    classes = [declared(method_file(step, given["method"]))]
    if step == "prune":
        classes.append(declared(LIBRARY / "compression/variant.py", "Pruning"))
    check_keys(given, ["method", *(name for cls in classes for name in fields(cls))], where)
    registry.split({key: value for key, value in given.items() if key != "method"}, where, *classes)


def method_file(step: str, method: str) -> Path:
    return registry.path(METHODS[step], method)


def method_files(variant: dict[str, Any]) -> list[str]:
    """The files of the methods that a variant uses, each once; tzip's own relative to the repository."""
    used = dict.fromkeys(method_file(step, variant[step]["method"]) for step in METHODS if step in variant)
    here = LIBRARY.parent
    return [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in used]


def method_folders(variant: dict[str, Any]) -> list[str]:
    """The folders of one's own, beside tzip's, that hold methods of the variant."""
    used = [method_file(step, variant[step]["method"]).parent.parent for step in METHODS if step in variant]
    return list(dict.fromkeys(str(folder) for folder in used if folder != LIBRARY))


def needs_statistics(variant: dict[str, Any]) -> bool:
    """Whether a method of the variant asks for statistics of the baseline."""
    asked = [registry.needs(METHODS[step], variant[step]["method"]) for step in METHODS if step in variant]
    return any(asked) or "budget" in variant


def spelled(method: dict[str, Any]) -> str:
    """{method: kmeans, bits: 4} → kmeans:bits=4"""
    return options.spell(method["method"], {key: value for key, value in method.items() if key != "method"})


def spelled_goal(goal: dict[str, Any]) -> str:
    """{at: 8, keep: 99} → at=8,keep=99"""
    return options.spell("", goal).removeprefix(":")


def variant_flags(variant: dict[str, Any], finetune: dict[str, Any]) -> str:
    """A variant as the command line takes it; how it is fine-tuned is left out where it is not."""
    plan = {key: spelled(value) if key in METHODS else value for key, value in variant.items()}
    plan.pop("from", None)
    tuning = finetune | plan.pop("finetune")
    if "prune" not in variant and "quantize" not in variant:
        tuning = {}
    return options.flags(plan | ({"updates": 0} if tuning.get("updates") == 0 else tuning))


def check_names(config: dict[str, Any]) -> None:
    """Every name that one part of the configuration uses must be defined in another."""
    check_name(config["dataset"], datasets.trainable(config), "dataset")
    for row in config["rows"]:
        check_name(row, config["variants"], "rows")
    if BASELINE not in config["rows"]:
        raise ValueError(f"rows: '{BASELINE}' is missing; every other row is compared with it")
    rows = config["rows"] + config["made"]
    for row in config["attention"]["rows"]:
        check_name(row, rows, "attention.rows")
    if config["weights"]:
        quantized = [row for row in rows if "quantize" in config["variants"][row]]
        check_name(config["weights"], quantized, "weights")
    for entry in config["speed"]:
        check_name(entry["row"], config["rows"], "speed.row")
    for number, goal in enumerate(config["goals"]):
        if check_options(goal, LIBRARY / "report/goals.py", f"goals.{number}", "Goal").row:
            check_name(goal["row"], rows, f"goals.{number}.row")
    for test in config["tests"]:
        check_name(test, datasets.known_tests(config), "tests")


def check_name(name: str, choices: Iterable[str], where: str) -> None:
    if name not in choices:
        raise ValueError(f"{where} = {name!r} is not defined; {choose(name, choices)}")


def attention_flags(config: dict[str, Any]) -> str:
    """The sentence that is looked at, and on how many the maps are measured."""
    given = {key: config["attention"][key] for key in ("sentence", "translation", "sentences")}
    return options.flags({key: shlex.quote(str(value)) for key, value in given.items() if value != ""})


def note_flag(config: dict[str, Any]) -> str:
    """What must be said wherever a score of this data set appears."""
    found = datasets.dataset(config)
    notes = [found["note"] or (SYNTHETIC if "grammar" in found else ""), imports.note(config)]
    note = "; ".join(filter(None, notes))
    return f"--note {shlex.quote(note)}" if note else ""


def recorded(config: dict[str, Any]) -> str:
    """What the run's results depend on, as JSON: not where its data is fetched, nor what it does not make.

    Grids stand for their variants, and keys in their order: with it Snakemake finds nothing to do again.
    """
    left_out = ("mirror", "store", "download", "recipe", "made")
    kept = {key: value for key, value in config.items() if key not in left_out}
    kept["datasets"] = {config["dataset"]: datasets.dataset(config)}
    kept["variants"] = {row: config["variants"][row] for row in config["rows"]}
    used = [config["variants"][row].get("from") for row in [*config["rows"], *config["made"]]]
    kept["students"] = {name: found for name, found in config["students"].items() if name in used}
    kept = {key: value for key, value in kept.items() if value or key not in OPTIONAL}
    return json.dumps(kept, ensure_ascii=False)


def check_dataset(found: dict[str, Any], where: str) -> None:
    """What a schema cannot say of a data set."""
    if "train" in found and "grammar" in found:
        raise ValueError(f"{where}: both train and grammar; choose one of them")
    if "split" in found:
        check_options(found["split"], LIBRARY / "data/corpus.py", f"{where}.split", "Split")
    held = "grammar" in found or found.get("dev") or found.get("split", {}).get("dev")
    if "train" in found and not held:
        raise ValueError(f"{where}: no development set; give dev, or split.dev to hold it out of train")
    pairs = [*found.get("train", []), *found.get("dev", []), *found.get("test", {}).values()]
    for file in [file for pair in pairs for file in pair.values()]:
        if ("url" in file) == ("path" in file):
            raise ValueError(f"{where}: a file is given by url or by path, found {file}")
