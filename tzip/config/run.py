"""A run's configuration, checked and completed before any job starts, without importing torch."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tzip import options
from tzip.compression import registry
from tzip.compression.variant import Pruning, Variant, measures, needs, stages, used
from tzip.config import BASELINE, DEV, MEAN, check_tokenizer, datasets, grid, imports
from tzip.config.checks import LIBRARY, check_keys, choose, fields
from tzip.config.keys import Model, complete
from tzip.nmt.options import PRESETS, Config, Training, configure

SYNTHETIC = "synthetic corpus, made by tzip/data/grammar.py: its scores say nothing about real text"
OPTIONAL = ("students", "teacher", "baseline")  # a run's record has them where they say something
LATER = {"teachers": "own"}  # likewise of a student: runs of before go on without a change
METHODS = {"prune": "pruners", "quantize": "quantizers", "biases": "quantizers"}

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}  # of BLEU, by target language; 13a for others


def check(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with defaults filled in, every key, value and name of it checked.

    Raises ValueError in one line that names the key, the value and the choices. Files are not looked at.
    """
    config = datasets.with_test_sets(complete(config))
    if imported := imports.given(config):
        imports.check(imported)
        if others := [key for key in config["model"] if key != "max_length"]:
            raise ValueError(f"model.{others[0]}: the baseline is imported as it is; only max_length can be chosen")
    check_model(config["model"])
    for folder in config["methods"]:
        registry.extend(folder)
    written = config["variants"]
    config = grid.expand(config)
    for name, variant in config["variants"].items():
        where = f"variants.{name}" if name in written else f"grid: {name}"
        check_variant(variant, where, config["finetune"])
    check_names(config)
    scores(config)
    return config


def check_training(values: dict[str, Any], where: str) -> None:
    """Options of a training that two places of the configuration give together."""
    check_keys(values, fields(Training), where)
    options.make(Training, values, where)


def check_model(model: dict[str, Any], where: str = "model", decided: Iterable[str] = ()) -> Config:
    """A preset and what differs from it; what the pieces or others have `decided` is no choice."""
    check_keys(model, [name for name in fields(Model) if name not in decided], where)
    preset = model.get("preset", "base")
    if preset not in list(PRESETS):
        raise ValueError(f"{where}.preset = {preset!r} is not one of {', '.join(PRESETS)}")
    return configure(model, where)


def check_variant(variant: dict[str, Any], where: str, finetune: dict[str, Any]) -> None:
    """The method, its options and the fine-tuning of one variant."""
    for step in METHODS:
        if step in variant:
            check_method(variant[step], step, f"{where}.{step}")
    check_training(finetune | variant["finetune"], f"{where}.finetune")
    options.make(Variant, plain(variant), where)


def check_method(method: dict[str, Any], step: str, where: str) -> None:
    """A method by its file's name, with that file's options (and, for a pruner, a schedule's)."""
    choices = registry.names(METHODS[step])
    if method["method"] not in choices:
        raise ValueError(f"{where}.method = {method['method']!r} is not one of {', '.join(choices)}")
    file = registry.path(METHODS[step], method["method"])
    classes = [options.declared(file), *([Pruning] if step == "prune" else [])]
    check_keys(method, ["method", *(name for cls in classes for name in fields(cls))], where)
    registry.split({key: value for key, value in method.items() if key != "method"}, where, *classes)


def plain(variant: dict[str, Any]) -> dict[str, Any]:
    """The keys of a variant that are Variant's, each method spelled as on the command line: kmeans:bits=4."""
    kept = {key: value for key, value in variant.items() if key not in ("finetune", "from", "data", "teachers")}
    for step in METHODS.keys() & kept.keys():
        given = dict(kept[step])
        kept[step] = options.spell(given.pop("method"), given)
    return kept


def method_files(variant: dict[str, Any]) -> list[Path]:
    """The files of the methods that a variant uses, each once."""
    return list(dict.fromkeys(registry.path(*method) for method in used(Variant(**plain(variant)))))


def method_folders(variant: dict[str, Any]) -> list[str]:
    """The folders of one's own, beside tzip's, that hold methods of the variant."""
    folders = dict.fromkeys(file.parent.parent for file in method_files(variant))
    return [str(folder) for folder in folders if folder != LIBRARY]


def needs_statistics(variant: dict[str, Any]) -> bool:
    """Whether the first stage of a variant asks for statistics of the model that it starts from."""
    return bool(needs(stages(Variant(**plain(variant)))[0]))


def calibration_flags(variant: dict[str, Any], calibration: dict[str, Any]) -> str:
    """What the statistics of a later stage are measured on, as flags; empty if there are none."""
    return options.flags(calibration) if measures(Variant(**plain(variant)), given=True) else ""


def variant_flags(variant: dict[str, Any], finetune: dict[str, Any]) -> str:
    """A variant as the command line takes it; how it is fine-tuned is left out where it is not."""
    own, tuning = plain(variant), finetune | variant["finetune"]
    if used(Variant(**own)):
        own.setdefault("scope", Variant.scope)  # the command line's default is another
    if "prune" not in variant and "quantize" not in variant:
        tuning = {}
    return options.flags(own | ({"updates": 0} if tuning.get("updates") == 0 else tuning))


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
    if config["control"]:
        check_name(config["control"], config["variants"], "control")
    if config["weights"]:
        clustered = [row for row in rows if config["variants"][row].get("quantize", {}).get("method") == "kmeans"]
        # Other codebooks are in units of a scale, or follow the weights.
        check_name(config["weights"], clustered, "weights", "is not a row of kmeans")
    for entry in config["speed"]:
        check_name(entry["row"], config["rows"], "speed.row")
    for test in config["tests"]:
        check_name(test, datasets.known_tests(config), "tests")
        if test == MEAN or test == DEV == config["select"]:
            whose = "mean of the test sets" if test == MEAN else "development set"
            raise ValueError(f"tests = {test!r} is the name of the {whose}; call the test set otherwise")


def check_name(name: str, choices: Iterable[str], where: str, otherwise: str = "is not defined") -> None:
    if name not in choices:
        raise ValueError(f"{where} = {name!r} {otherwise}; {choose(name, choices)}")


def scores(config: dict[str, Any]) -> dict[str, Any]:
    """How translations are scored: as the configuration says, by default with the target language's tokenizer."""
    target = datasets.dataset(config)["languages"][1]
    options = ({"tokenize": TOKENIZERS[target]} if target in TOKENIZERS else {}) | config["scores"]
    check_tokenizer(options.get("tokenize", "13a"))
    return options


def attention_flags(config: dict[str, Any]) -> str:
    """The sentence whose maps are drawn and the number of sentences that are measured, as flags."""
    given = {key: str(config["attention"][key]) for key in ("sentence", "translation", "sentences")}
    return options.flags({key: shlex.quote(value) for key, value in given.items() if value})


def note_flag(config: dict[str, Any]) -> str:
    """The note that is shown with every score of the run, as a flag."""
    data = datasets.dataset(config)
    notes = [data["note"] or (SYNTHETIC if "grammar" in data else ""), imports.note(config)]
    note = "; ".join(filter(None, notes))
    return f"--note {shlex.quote(note)}" if note else ""


def recorded(config: dict[str, Any]) -> str:
    """All that the run's results depend on, as JSON, without where data is fetched and what is not made.

    Grids stand for their variants, and the keys keep their order: a run of this record has nothing to do.
    """
    left_out = ("mirror", "store", "download", "made")
    kept = {key: value for key, value in config.items() if key not in left_out}
    named = [config["dataset"], *(["sacrebleu"] if datasets.test_sets(config) else [])]
    kept["datasets"] = {name: config["datasets"][name] for name in named}
    kept["variants"] = {row: config["variants"][row] for row in config["rows"]}
    started = [config["variants"][row].get("from") for row in [*config["rows"], *config["made"]]]
    kept["students"] = {
        name: {key: value for key, value in student.items() if LATER.get(key) != value}
        for name, student in config["students"].items()
        if name in started
    }
    kept = {key: value for key, value in kept.items() if value or key not in OPTIONAL}
    return json.dumps(kept, ensure_ascii=False)
