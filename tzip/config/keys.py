"""Every key of a configuration, declared once: type, bounds, choices, default and meaning.

A section that belongs to a part of the library is declared there, as options; a variant's keys are Variant's.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    TypeAdapter,
)
from pydantic import ValidationError, WrapValidator, model_validator
from pydantic.dataclasses import dataclass

from tzip import options
from tzip.compression.variant import Calibration, Variant
from tzip.config import BASELINE
from tzip.nmt.options import OF_PIECES, PRESETS, Config, Search, Training
from tzip.options import REQUIRED, option, same

LIBRARY = Path(__file__).parent.parent
HERE = "\0"  # in the message of a validator, which does not know the place of what it validates
# Which form of a value is meant, in the place of an error: one, one where a text is another form, list, text.
ONE, OTHER, MANY, TEXT = FORMS = ("<one>", "<other>", "<many>", "<text>")

# Patterns with what they stand for.
NAME, LANGUAGE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$", r"^[A-Za-z][A-Za-z0-9_-]*$"
URL, SHA256 = r"^https?://[^/?#]+/[^?#]+$", r"^[0-9a-fA-F]{64}$"
WORDS = {NAME: "a folder's name", LANGUAGE: "a language's short name",
         URL: "a URL of the form https://HOST/PATH", SHA256: "64 hexadecimal digits"}  # fmt: skip
TYPES = {"dataclass": "object", "dict": "object", "list": "array", "string": "string", "int": "integer",
         "float": "number", "bool": "boolean"}  # fmt: skip


def choose(name: str, choices: Iterable[str]) -> str:
    """What was probably meant by `name`, and what there is."""
    choices = list(choices)
    close = difflib.get_close_matches(str(name), choices, 1, 0.7)
    return (f"did you mean '{close[0]}'? " if close else "") + f"choose from {', '.join(choices) or 'none'}"


def check_keys(values: dict[str, Any], choices: list[str], where: str) -> None:
    for key in values:
        if key not in choices:
            raise ValueError(f"unknown key '{key}' in {where or 'the configuration'}; {choose(key, choices)}")


def fields(cls: type) -> list[str]:
    """The keys of a class, its own before those that it inherits."""
    every = {field.name: field.metadata.get("alias", field.name) for field in dataclasses.fields(cls)}
    return [every[name] for name in dict.fromkeys([*cls.__annotations__, *every]) if name in every]


def as_given(cls: type, value: Any, check: Any) -> dict[str, Any]:
    """What the library declares: checked, but kept without defaults, as the flags of a job have it."""
    if not isinstance(value, dict):
        raise ValueError(f"{HERE} = {value!r} is not of type object")
    check_keys(value, fields(cls), HERE)
    check(value)
    return value


def section(cls: type) -> Any:
    """The type of a section with these options."""
    return Annotated[
        cls, WrapValidator(lambda value, _: as_given(cls, value, partial(options.make, cls, name=HERE)))
    ]


def of(file: str, name: str = "Options") -> Any:
    """The type of a section whose options a file declares that takes longer to import."""
    return section(options.declared(LIBRARY / file, name))


def whole(value: Any) -> Any:
    """`--config seeds=[1,2]` gives texts."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def once(values: list[Any]) -> list[Any]:
    plain = [dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value for value in values]
    for value in plain:
        if plain.count(value) > 1:
            raise ValueError(f"{HERE} names {value!r} twice")
    return values


def entry(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError(f"{HERE} = {value!r} is not of type string or object")
    return value


def several(kind: Any, *more: Any, form: Any = None) -> Any:
    """One value or a list of them, of which `more` is asked; or a text, where that is another `form`."""
    one, many = OTHER if form else ONE, {list: MANY} | ({str: TEXT} if form else {})
    forms = Annotated[kind, Tag(one)] | Annotated[list[kind], *more, Tag(MANY)]
    forms = forms | Annotated[form, Tag(TEXT)] if form else forms
    return Annotated[forms, Discriminator(lambda value: many.get(type(value), one))]


Integer = Annotated[int, Strict(), BeforeValidator(whole)]
Names = Annotated[list[str], AfterValidator(once)]
Entry = Annotated[str | dict[str, Any], WrapValidator(lambda value, _: entry(value))]
LIST = (Field(min_length=1), AfterValidator(once))
Named = Annotated[str, Field(pattern=NAME)]
Language = Annotated[str, Field(pattern=LANGUAGE)]
key = partial(dataclass, frozen=True, kw_only=True, config=ConfigDict(extra="forbid", defer_build=True))


@key()
class Keys:
    """What refuses a key that it does not know, with the choices."""

    @model_validator(mode="before")
    @classmethod
    def known(cls, values: Any) -> Any:
        if isinstance(values, dict) and cls.__pydantic_config__["extra"] == "forbid":
            check_keys(values, fields(cls), HERE)
        return values


@key()
class File(Keys):
    """A file by URL or by path, line by line."""

    url: str | None = option(None, "where it is downloaded from, https://HOST/PATH", pattern=URL)
    path: str | None = option(None, "where it lies, relative to where snakemake runs")
    sha256: str | None = option(None, "its checksum; null records the first download's", pattern=SHA256)
    member: str | None = option(None, "a file inside a zip or tar archive")
    column: Annotated[Integer, Field(ge=1)] | None = option(None, "one column of TAB-separated text, from 1")


Place = several(File, form=str)


@key()
class Pair(Keys):
    """A source and a target file of equally many lines."""

    source: File = option(REQUIRED, "the text")
    target: File = option(REQUIRED, "its translation")


@key()
class Grammar(Keys):
    """Pairs that a grammar makes for each split."""

    train: Integer = option(REQUIRED, "pairs to train on", low=1)
    dev: Integer = option(REQUIRED, "pairs for development", low=1)
    test: Integer = option(REQUIRED, "pairs of the test set", low=1)
    seed: Integer = option(REQUIRED, "decides which pairs", low=0)


@key()
class Dataset(Keys):
    """Parallel text by URL or path, or the grammar that makes it."""

    note: str = option("", "what must be said wherever its scores appear")
    languages: Annotated[list[Language], Field(min_length=2, max_length=2), AfterValidator(once)] = option(
        REQUIRED, "suffixes of the source's and the target's files"
    )
    license: str | None = option(None, "the terms under which its publishers offer it")
    train: list[Pair] | None = option(None, "files to train on", min_length=1)
    dev: list[Pair] | None = option(None, "files of the development set")
    test: dict[str, Pair] | None = option(None, "files of each test set, by its name")
    split: of("data/corpus.py", "Split") | None = option(None, "pairs to hold out of train, without leaks")
    grammar: Grammar | None = option(None, "pairs made by tzip's grammar instead")

    def __post_init__(self) -> None:
        if self.train and self.grammar:
            raise ValueError("both train and grammar; choose one of them")
        if self.train and not (self.grammar or self.dev or (self.split or {}).get("dev")):
            raise ValueError("no development set; give dev, or split.dev to hold it out of train")
        pairs = [*(self.train or []), *(self.dev or []), *(self.test or {}).values()]
        for file in [file for pair in pairs for file in (pair.source, pair.target)]:
            if bool(file.url) == bool(file.path):
                named = {name: value for name, value in dataclasses.asdict(file).items() if value is not None}
                raise ValueError(f"a file is given by url or by path, found {named}")


@key()
class Import(Keys):
    """A model from elsewhere (docs/import.md)."""

    format: str = option(REQUIRED, "a file's name in tzip/exchange/importers")
    source: Place = option(REQUIRED, "the model: a file, a folder, or the list of a folder's files")
    pieces: Place | None = option(None, "SentencePiece model, where it is no part of the model")
    target_pieces: Place | None = option(None, "SentencePiece model of the target's text")
    prefix: str | None = option(None, "piece to put before every source, such as >>deu<<")
    mapping: Place | None = option(None, "YAML file that names the tensors")


@key()
class Baseline(Keys):
    """Where the baseline comes from."""

    import_: Import | None = option(None, "a model from elsewhere, instead of training one", alias="import")


@key(config=ConfigDict(extra="allow", defer_build=True))
class Method(Keys):
    """A method with its options (docs/methods.md)."""

    method: str = option(REQUIRED, "its name, which is its file's")


@key()
class Plan(Variant, Keys):
    """What is done to the baseline, or to a student; nothing at all is a variant too."""

    from_: str | None = option(None, "the student to start from instead of the baseline", alias="from")
    prune: Method | None = option(None, "pruner and schedule")
    quantize: Method | None = option(None, "quantizer of the weights")
    biases: Method | None = option(None, "quantizer of these layers' biases")
    finetune: dict[str, Any] = option({}, "options that differ from the section finetune")


@key()
class Grid(Plan):
    """Lists (or single values) that are crossed; a variant's other keys hold for each combination."""

    quantize: several(Entry, *LIST) = option("none", "quantizers by name, or with their options and a `name`")
    bits: several(Annotated[int, Strict()], *LIST) | None = option(None, "bits per weight")
    prune: several(Entry, *LIST) = option("magnitude", "pruners with their schedules, without `end`")
    sparsity: several(float, *LIST) = option(0, "shares of the weights that are pruned; 0 for none")
    scope: several(str, *LIST) = option("linear", "the layers to compress")
    name: str | None = option(None, "what the names of these variants begin with")


def kept(cls: type, **defaults: Any) -> Any:
    """The type of what is checked, but kept as it was given, with these defaults alone."""
    return Annotated[cls, WrapValidator(lambda value, check: defaults | as_given(cls, value, check))]


PRESET = option("base", "sizes from which the other keys differ", choices=tuple(PRESETS))
SIZES = [
    (name, cls, same(Config, name)) for name, cls in Config.__annotations__.items() if name not in OF_PIECES
]
Model = dataclasses.make_dataclass("Model", [("preset", str, PRESET), *SIZES])
Model.__doc__ = "Sizes and form of the Transformer."


@key()
class Student(Keys):
    """A smaller model with the baseline's pieces, trained with the baseline as its teacher."""

    model: dict[str, Any] = option({}, "a preset and what differs from it, as in the section model")
    training: dict[str, Any] = option({}, "options that differ from the section training")
    data: Literal["train", "teacher", "both"] = option(
        "train", "the targets it learns from: the references, the baseline's beam translations, or both"
    )
    start: Literal["random", "teacher"] = option(
        "random", "weights to start from: random ones, or evenly spaced layers of the baseline"
    )


@key()
class Speed(Keys):
    """A row as CTranslate2 runs it."""

    type: Literal["float32", "int16", "int8"] = option("float32", "type of the weights and products")
    beam: Integer = same(Search, "beam")
    shortlist: Annotated[bool, Strict()] = option(False, "choose among the pieces of a target shortlist")
    row: str = option(REQUIRED, "one of rows")


@key()
class Attention(Keys):
    """The figure of attention maps."""

    sentence: str = option("Gutach: Increased safety for pedestrians", "the source sentence")
    translation: str = option("", "its translation, for the decoder's maps; without one they are left out")
    sentences: Integer = option(200, "development sentences that sharpness is measured on", low=2)
    rows: Names = option([BASELINE], "variants whose maps are drawn, one row of maps each")


@key()
class Threads(Keys):
    """Threads of one job; they decide how sums are rounded."""

    train: Integer = option(2, "to train", low=1)
    compress: Integer = option(1, "to compress and fine-tune", low=1)
    translate: Integer = option(1, "to translate", low=1)


@key()
class Run(Keys):
    """A run's configuration."""

    name: Named = option(REQUIRED, "a folder's name; the results lie in results/NAME")
    dataset: str = option(REQUIRED, "one of datasets")
    tests: Names = option(
        REQUIRED, "its test sets to translate and score; Table 1 shows the first", min_length=1
    )
    seeds: Annotated[list[Annotated[Integer, Field(ge=0)]], AfterValidator(once)] = option(
        [1], "a baseline and every variant are made for each seed; tables aggregate over them", min_length=1
    )
    mirror: str = option("", "folder or base URL laid out as HOST/PATH to download from; empty: TZIP_MIRROR")
    store: str = option("", "folder in which runs share downloads and trained models; empty: TZIP_STORE")
    datasets: dict[str, Dataset] = option(REQUIRED, "data sets by name, as in config/datasets.yaml")
    download: of("fetch.py") = option({}, "patience with bad networks")
    corpus: of("data/corpus.py") = option({}, "what a training pair must be to stay")
    pieces: of("data/pieces.py") = option({}, "the SentencePiece vocabulary")
    model: Annotated[Model, WrapValidator(lambda value, _: as_given(Model, value, dict))] = option(
        {}, "a preset and what differs from it"
    )
    training: section(Training) = option({}, "how the baseline is trained")
    baseline: Baseline = option(
        Baseline(), "where the baseline comes from; it is trained unless it is imported"
    )
    finetune: section(Training) = option({}, "how variants are fine-tuned unless they say otherwise")
    calibration: section(Calibration) = option({}, "what second derivatives are measured on")
    methods: Names = option([], "folders with quantizers/ and pruners/ of your own")
    students: dict[Named, Student] = option({}, "smaller models that learn from the baseline, by name")
    teacher: section(Search) = option({}, "beam search of the translations that students learn from")
    search: section(Search) = option({}, "beam search")
    scores: of("report/score.py") = option({}, "how translations are scored")
    rows: Names = option(
        REQUIRED, "variants of the tables, in their order; baseline among them", min_length=1
    )
    variants: dict[Named, kept(Plan, finetune={})] = option(
        REQUIRED, "variants by name; only those among rows are made"
    )
    grid: several(kept(Grid)) = option([], "combinations that become variants, for the frontier")
    speed: Annotated[list[Speed], AfterValidator(once)] = option([], "rows to measure with CTranslate2")
    shortlist: of("exchange/shortlist.py") = option({}, "how a target shortlist is learned")
    attention: Attention = option(Attention(), "the figure of attention maps")
    weights: str = option("", "the quantized row whose weights are drawn before and after; empty: none")
    threads: Threads = option(Threads(), "threads of one job; they decide how sums are rounded")


RUN = TypeAdapter(Run)


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the defaults of the workflow's own keys; ValueError in one line for the first mistake."""
    try:
        checked = RUN.validate_python(config)
    except ValidationError as error:
        raise ValueError(line(error.errors()[0])) from None
    return RUN.dump_python(checked, by_alias=True, exclude_none=True, warnings=False)


def line(error: dict[str, Any]) -> str:
    """A mistake that pydantic found as a user should read it."""
    place = [str(part) for part in error["loc"] if part not in (*FORMS, "[key]")]
    where, value, context = ".".join(place), error["input"], error.get("ctx", {})
    match error["type"]:
        case "value_error":
            said = str(context["error"])
            said = said.replace(HERE, where or "the configuration") if HERE in said else f"{where}: {said}"
        case "missing":
            said = f"key '{place.pop()}' is missing in {'.'.join(place) or 'the configuration'}"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ")
            said = f"{where} = {value!r} is not one of {choices}"
        case "string_pattern_mismatch":
            said = f"{where} = {value!r} is not {WORDS[context['pattern']]}"
        case "greater_than_equal":
            said = f"{where}: {value} is less than the minimum of {context['ge']}"
        case "less_than_equal":
            said = f"{where}: {value} is more than the maximum of {context['le']}"
        case "too_short":
            said = f"{where}: {value!r} has fewer than {context['min_length']} entries"
        case kind if kind.endswith("_type") and kind.split("_")[0] in TYPES:
            said = f"{where} = {value!r} is not of type {TYPES[kind.split('_')[0]]}"
        case _:
            said = f"{where}: {value!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    if error["loc"][-1:] in ((ONE,), (OTHER,)) and " is not of type " in said:
        said = (
            said.replace(" of type ", " of type string or " if OTHER in error["loc"] else " of type ")
            + " or array"
        )
    return said
