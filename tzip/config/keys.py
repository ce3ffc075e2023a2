"""Every key of a configuration, declared once: type, bounds, choices, default and meaning.

A section that belongs to a part of the library is declared there, as options; a variant's keys are Variant's.
"""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from tzip.compression.variant import Calibration, Variant
from tzip.config import BASELINE
from tzip.config.checks import (
    LIST,
    SHA256,
    URL,
    Entry,
    Integer,
    Keys,
    Language,
    Named,
    Names,
    kept,
    key,
    line,
    of,
    once,
    section,
    several,
)
from tzip.nmt.options import OF_PIECES, PRESETS, Config, Search, Training
from tzip.options import REQUIRED, option, same


@key()
class File(Keys):
    """A file by URL or by path, or a side of a test set of sacreBLEU, line by line."""

    url: str | None = option(None, "address to download it from, https://HOST/PATH", pattern=URL)
    path: str | None = option(None, "path, relative to the folder in which snakemake runs")
    sha256: str | None = option(None, "checksum (SHA-256); null records that of the first download", pattern=SHA256)
    sacrebleu: str | None = option(None, "a side of a test set, as wmt17/en-de/src (or ref); `tests` fills it in")
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
    seed: Integer = option(REQUIRED, "seed of the grammar", low=0)


@key()
class Dataset(Keys):
    """Parallel text by URL or path, or the grammar that makes it."""

    note: str = option("", "note that is shown with every score of the data set")
    languages: Annotated[list[Language], Field(min_length=2, max_length=2), AfterValidator(once)] = option(
        REQUIRED, "suffixes of the source's and the target's files"
    )
    license: str | None = option(None, "license under which its publishers offer it")
    train: list[Pair] | None = option(None, "files to train on", min_length=1)
    dev: list[Pair] | None = option(None, "files of the development set")
    test: dict[str, Pair] | None = option(None, "files of each test set, by the name of the test set")
    split: of("data/corpus.py", "Split") | None = option(None, "pairs to hold out of train, without leaks")
    grammar: Grammar | None = option(None, "pairs made by tzip's grammar instead")

    def __post_init__(self) -> None:
        if self.train and self.grammar:
            raise ValueError("both train and grammar; choose one of them")
        if self.train and not (self.grammar or self.dev or (self.split or {}).get("dev")):
            raise ValueError("no development set; give dev, or split.dev to hold it out of train")
        pairs = [*(self.train or []), *(self.dev or []), *(self.test or {}).values()]
        for file in [file for pair in pairs for file in (pair.source, pair.target)]:
            if [bool(file.url), bool(file.path), bool(file.sacrebleu)].count(True) != 1:
                named = {name: value for name, value in dataclasses.asdict(file).items() if value is not None}
                raise ValueError(f"a file is given by url or by path, found {named}")


@key()
class Import(Keys):
    """A model from elsewhere (docs/import.md)."""

    format: str = option(REQUIRED, "a file's name in tzip/exchange/importers")
    source: Place = option(REQUIRED, "the model: a file, a folder, or the list of a folder's files")
    pieces: Place | None = option(None, "SentencePiece model, unless the model contains it")
    target_pieces: Place | None = option(None, "SentencePiece model of the target's text")
    prefix: str | None = option(None, "piece to put before every source, such as >>deu<<")
    source_language: str | None = option(None, "language of the sources as the model calls it, such as en")
    target_language: str | None = option(None, "language of the translations, such as de")
    mapping: Place | None = option(None, "YAML file that names the tensors")


@key()
class Baseline(Keys):
    """Where the baseline comes from."""

    import_: Import | None = option(None, "a model from elsewhere, instead of training one", alias="import")


@key(config=ConfigDict(extra="allow", defer_build=True))
class Method(Keys):
    """A method with its options (docs/methods.md)."""

    method: str = option(REQUIRED, "name of the method, which is the name of its file")


Teachers = Literal["own", "all"]
Lessons = Literal["train", "teacher", "both"]


@key()
class Plan(Variant, Keys):
    """What is done to the baseline, or to a student; nothing at all is a variant too."""

    from_: str | None = option(None, "the student to start from instead of the baseline", alias="from")
    prune: Method | None = option(None, "pruner and schedule")
    quantize: Method | None = option(None, "quantizer of the weights")
    biases: Method | None = option(None, "quantizer of the biases of these layers")
    finetune: dict[str, Any] = option({}, "options that differ from the section finetune")
    data: Lessons = option(
        "train", "the targets of fine-tuning: the references, the baseline's beam translations, or both"
    )
    teachers: Teachers = option(
        "own",
        "fine-tuning's teachers, by translations or with top: the seed's baseline, or those of all seeds; with top, a "
        "student with pieces of its own teaches in their place",
    )


@key()
class Grid(Plan):
    """Lists (or single values) that are crossed; a variant's other keys hold for each combination."""

    quantize: several(Entry, *LIST) = option("none", "quantizers by name, or with their options and a `name`")
    bits: several(Annotated[int, Strict()], *LIST) | None = option(None, "bits per weight")
    prune: several(Entry, *LIST) = option("magnitude", "pruners with their schedules, without `end`")
    sparsity: several(float, *LIST) = option(0, "shares of the weights that are pruned; 0 for none")
    scope: several(str, *LIST) = option("linear", "the layers to compress")
    name: str | None = option(None, "what the names of these variants begin with")


PRESET = option("base", "sizes from which the other keys differ", choices=tuple(PRESETS))
SIZES = [(name, cls, same(Config, name)) for name, cls in Config.__annotations__.items() if name not in OF_PIECES]
Model = dataclasses.make_dataclass("Model", [("preset", str, PRESET), *SIZES])
Model.__doc__ = "Sizes and form of the Transformer."


@key()
class Student(Keys):
    """A smaller model, trained with the baseline as its teacher."""

    model: dict[str, Any] = option({}, "a preset and what differs from it, as in the section model")
    training: dict[str, Any] = option({}, "options that differ from the section training")
    pieces: of("data/pieces.py") | None = option(
        None, "a vocabulary of its own: options that differ from the section pieces; without, the baseline's"
    )
    data: Lessons = option(
        "train", "the targets it learns from: the references, the baseline's beam translations, or both"
    )
    teachers: Teachers = option(
        "own", "whose translations, and soft targets (with top): those of the seed's baseline, or of all seeds'"
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
    translation: str = option("", "translation of the sentence; without one, the maps of the decoder are left out")
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
        REQUIRED,
        "test sets to translate and score, by name or as sacrebleu:wmt17/en-de; the first is Table 1's",
        min_length=1,
    )
    select: Literal["dev", "test"] = option(
        "dev", "what the frontier and the ranking go by; dev: of a grid, only what it chose is translated on tests"
    )
    changes_after_test: Annotated[Integer, Field(ge=0)] | None = option(
        None, "how often this configuration was changed after a score of it on a test set was seen; tables say it"
    )
    seeds: Annotated[list[Annotated[Integer, Field(ge=0)]], AfterValidator(once)] = option(
        [1], "a baseline and every variant are made for each seed; tables aggregate over them", min_length=1
    )
    mirror: str = option("", "folder or base URL laid out as HOST/PATH to download from; empty: TZIP_MIRROR")
    store: str = option("", "folder in which runs share downloads and trained models; empty: TZIP_STORE")
    datasets: dict[str, Dataset] = option(REQUIRED, "data sets by name, as in config/datasets.yaml")
    download: of("data/download.py") = option({}, "retries and time limits of downloads")
    corpus: of("data/corpus.py") = option({}, "filters of the training pairs")
    pieces: of("data/pieces.py") = option({}, "the SentencePiece vocabulary")
    model: section(Model, check=dict) = option({}, "a preset and what differs from it")
    training: section(Training) = option({}, "how the baseline is trained")
    baseline: Baseline = option(Baseline(), "where the baseline comes from; it is trained unless it is imported")
    finetune: section(Training) = option({}, "how variants are fine-tuned unless they say otherwise")
    calibration: section(Calibration) = option({}, "what second derivatives are measured on")
    methods: Names = option([], "folders with quantizers/ and pruners/ of your own")
    students: dict[Named, Student] = option({}, "smaller models that learn from the baseline, by name")
    teacher: section(Search) = option({}, "beam search of the translations that students learn from")
    search: section(Search) = option({}, "beam search")
    scores: of("report/score.py") = option({}, "how translations are scored")
    rows: Names = option(REQUIRED, "variants of the tables, in their order; baseline among them", min_length=1)
    control: str = option("", "row that is fine-tuned without being compressed: percents are given of it as well")
    variants: dict[Named, kept(Plan, finetune={})] = option(REQUIRED, "variants by name; only those in rows are made")
    grid: several(kept(Grid)) = option([], "combinations that become variants, for the frontier")
    speed: Annotated[list[Speed], AfterValidator(once)] = option([], "rows to measure with CTranslate2")
    shortlist: of("exchange/shortlist.py") = option({}, "how a target shortlist is learned")
    rounds: Integer = option(
        8,
        "timings of each binarized row beside the baseline, for the claim about speed; below 7 it is undecided",
        low=1,
    )
    attention: Attention = option(Attention(), "the figure of attention maps")
    weights: str = option("", "the row of kmeans whose weights are drawn before and after; empty: none")
    threads: Threads = option(Threads(), "threads of one job; they decide how sums are rounded")


RUN = TypeAdapter(Run)


def complete(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the defaults of the workflow's own keys; ValueError in one line for the first mistake."""
    try:
        checked = RUN.validate_python(config)
    except ValidationError as error:
        raise ValueError(line(error.errors()[0])) from None
    return RUN.dump_python(checked, by_alias=True, exclude_none=True, warnings=False)
