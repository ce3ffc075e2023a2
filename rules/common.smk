# What the rules share: the checked configuration, names of files, and functions of wildcards.
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from tzip.config import run as configuration
from tzip.config import datasets, dependencies, imports, students
from tzip.options import flags

# Threads that wait for each other spin for some 0.1 ms, then sleep: fast alone, and fair to whoever shares the cores.
os.environ.setdefault("GOMP_SPINCOUNT", "50000")

# `python` in a rule is the one that runs Snakemake, unless a conda environment puts another before it.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

# A job is its command's process itself: who stops the one has stopped the other.
shell.prefix("set -euo pipefail; exec ")

SCRIPTS = shlex.quote(str(REPOSITORY / "workflow_scripts"))
CAPTIONS = REPOSITORY / "report"

STORE = config.get("store") or os.environ.get("TZIP_STORE", "")
DOWNLOADS = f"{STORE}/downloads" if STORE else "results/downloads"
MIRROR = config.get("mirror") or os.environ.get("TZIP_MIRROR", "")
try:
    config.update(configuration.check(config, REPOSITORY / "schemas/config.schema.yaml"))
    students.check(config)
    datasets.check_data(config, DOWNLOADS, MIRROR)
    imports.check_data(config, DOWNLOADS, MIRROR)
except ValueError as error:
    raise WorkflowError(str(error)) from None


def figures():
    """The names of the run's figures."""
    layers = [f"attention-layers-{row}" for row in config["attention"]["rows"]]
    attention = ["attention", *layers] if layers else []
    weights = ["weights", "cumulative"] if config["weights"] else []
    return ["frontier", "sharpness", *attention, *weights]


RUN = datasets.run_folder(config)
OF_SEED = f"{RUN}/seed-{{seed}}"
OF_VARIANT = f"{OF_SEED}/{{variant}}"
OF_STUDENT = f"{OF_SEED}/students/{{student}}"
OF_TEACHER = f"{OF_SEED}/teacher"
SEEDS = config["seeds"]
ROWS = config["rows"]
TESTS = config["tests"]
SOURCE, TARGET = datasets.dataset(config)["languages"]

# What the corpus is made of.
GENERATED = expand(
    f"{RUN}/generated/{{split}}.{{language}}",
    split=["train", "dev", "test"],
    language=[SOURCE, TARGET],
)
SOURCES = datasets.source_files(config, DOWNLOADS)
URLS = datasets.downloads(config) | imports.downloads(config)
STORE_FLAG = f"--store {shlex.quote(STORE)}" if STORE else ""
NETWORK = f"--mirror {shlex.quote(MIRROR)} {flags(config['download'])}".rstrip()
TEXTS = expand(
    f"{RUN}/data/{{split}}.{{language}}",
    split=[
        "train",
        "dev",
        *(f"test/{name}" for name in datasets.held_out_tests(config)),
    ],
    language=[SOURCE, TARGET],
)
IMPORTED = imports.inputs(config, DOWNLOADS)
IMPORT_FLAGS = imports.flags(config, DOWNLOADS) if IMPORTED else ""
ORIGIN = [f"{RUN}/seed-{SEEDS[0]}/checkpoint/origin.json"] if IMPORTED else []
ORIGIN_FLAG = f"--origin {ORIGIN[0]}" if ORIGIN else ""
MAX_LENGTH = configuration.check_model(config["model"]).max_length

# What the tables and figures read: of the rows everything, of what grids add what the frontier needs.
OF_ROWS = [f"{RUN}/seed-{seed}/{row}" for seed in SEEDS for row in ROWS]
SCORED = expand("{row}/{file}", row=OF_ROWS, file=["size.json", "compress.json"]) + expand(
    "{row}/{test}.{file}",
    row=OF_ROWS,
    test=TESTS,
    file=["score.json", "stats.npz", "time.json"],
)
ATTENTION = expand("{row}/attention.json", row=OF_ROWS)
OF_ALL = [f"{RUN}/seed-{seed}/{row}" for seed in SEEDS for row in ROWS + config["made"]]
FRONTIER = expand("{row}/{file}", row=OF_ALL, file=["size.json", "compress.json"]) + expand(
    "{row}/{test}.score.json", row=OF_ALL, test=TESTS
)
FIGURES = expand(
    f"{RUN}/figures/{{figure}}.{{suffix}}",
    figure=figures(),
    suffix=["png", "svg"],
)
RESAMPLING = {k: v for k, v in config["scores"].items() if k in ("samples", "seed")}

# What is measured on one core: a folder of the variant, and the files of one setting in it.
SPEED = [
    f"{entry['row']}/{entry['type']}{'-shortlist' * entry['shortlist']}.beam-{entry['beam']}"
    for entry in config["speed"]
]
SPEED_FLAG = f"--speed {' '.join(SPEED)}" if SPEED else ""
MEASURED = [
    f"{RUN}/seed-{SEEDS[0]}/{row}/inference/{TESTS[0]}.{setting}.{file}"
    for row, setting in (name.split("/") for name in SPEED)
    for file in ("time.json", "score.json")
]
SPEED_TABLE = [f"{RUN}/timings/inference.csv"] if SPEED else []

LENGTHS = flags({k: v for k, v in config["search"].items() if k in ("alpha", "max_ratio")})
ALL_CORES = workflow.resource_settings.cores or 1  # none are told where jobs are submitted
NOTE_FLAG = configuration.note_flag(config)


wildcard_constraints:
    place=".+",
    split="train|dev",
    seed=r"\d+",
    variant="[A-Za-z0-9][A-Za-z0-9._-]*",  # no list: a grid's would be compared with every file of the run
    test="|".join(map(re.escape, TESTS)),
    student="|".join(map(re.escape, students.used(config))) or "(?!)",
    targets="teacher|both",
    origin=rf"{re.escape(RUN)}/seed-\d+(/students/[^/]+)?",
    type="float32|int16|int8",
    short="(-shortlist)?",
    beam=r"\d+",


def growing(megabytes):
    """Memory to ask for, more with each attempt: what runs have measured (timings/stages.md) with room to grow."""
    return lambda wildcards, attempt: megabytes * attempt


def url(wildcards):
    return URLS[wildcards.place]["url"]


def sha256_flag(wildcards):
    """Without a known checksum, the first download records one and later ones verify it."""
    sha256 = URLS[wildcards.place].get("sha256")
    return f"--sha256 {sha256}" if sha256 else ""


def named(wildcards):
    """The variant of this name; the files of one that the configuration no longer has may still be there."""
    try:
        configuration.check_name(wildcards.variant, config["variants"], "variant")
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    return config["variants"][wildcards.variant]


def plan(wildcards):
    """A variant as flags of `tzip compress`: all that its name stands for."""
    variant = named(wildcards)
    student = [f"--student {variant['from']}"] if "from" in variant else []
    teacher = [f"--teacher-checkpoint {Path(file).parent}" for file in taught(wildcards)]
    given = configuration.variant_flags(variant, config["finetune"])
    own = [f"--methods {shlex.quote(folder)}" for folder in configuration.method_folders(variant)]
    needed = [f"--statistics {file}" for file in statistics(wildcards)]
    return " ".join([*student, *teacher, given, *own, *needed])


def statistics(wildcards):
    """The second derivatives of the model that a variant starts from, if a method of it asks for them."""
    needed = configuration.needs_statistics(named(wildcards))
    folder = Path(students.checkpoint(config, wildcards.variant, wildcards.seed)).parent
    return [str(folder / "statistics.safetensors")] if needed else []


def seed_of(wildcards):
    """The seed of the model in a folder of the run: the baseline's, or a student's."""
    return re.search(r"seed-(\d+)", wildcards.origin)[1]


def teacher_weights(wildcards):
    return [f"{RUN}/seed-{wildcards.seed}/checkpoint/model.safetensors"]


def taught(wildcards):
    """The teacher's weights, where it teaches a student's variant; a variant of the baseline has them."""
    teaches = students.taught(config, wildcards.variant)
    return teacher_weights(wildcards) if teaches else []


def start(wildcards):
    """The weights that a variant starts from: a student's, or the baseline's."""
    named(wildcards)
    return f"{students.checkpoint(config, wildcards.variant, wildcards.seed)}/model.safetensors"


def start_config(wildcards):
    """What belongs to these weights."""
    folder = students.checkpoint(config, wildcards.variant, wildcards.seed)
    return [f"{folder}/config.json", f"{folder}/pieces.model"]


def lessons(wildcards):
    """The encoded pairs that a student learns from."""
    prefix = students.data(config, wildcards.student, wildcards.seed)
    return f"{prefix}.tokens.npy"


def lesson_offsets(wildcards):
    return f"{students.data(config, wildcards.student, wildcards.seed)}.offsets.npy"


def lesson_sources(wildcards):
    """Source files of the pairs to learn from, one a file of `lesson_targets`."""
    return [f"{RUN}/data/train.{SOURCE}"] * len(lesson_targets(wildcards))


def lesson_targets(wildcards):
    """The teacher's translations of the training text; after the references, where both are wanted."""
    references = [f"{RUN}/data/train.{TARGET}"] if wildcards.targets == "both" else []
    return [*references, f"{OF_TEACHER}/train.{TARGET}".format(seed=wildcards.seed)]


def teacher_of_student(wildcards):
    """The teacher's weights, where a student starts from them or a share of its loss is the teacher's."""
    needed = students.needs_teacher(config, wildcards.student)
    return teacher_weights(wildcards) if needed else []


def student_model(wildcards):
    """Its form; the longest sentence is that of the encoded pairs."""
    return f"{flags(config['students'][wildcards.student]['model'])} --max-length {MAX_LENGTH}"


def student_training(wildcards):
    """How a student is trained, from which weights, and by whom where a share of its loss is a teacher's."""
    given = flags(students.training(config, wildcards.student))
    if config["students"][wildcards.student]["start"] == "teacher":
        given += " --start teacher"
    teacher = [f"--teacher-checkpoint {Path(file).parent}" for file in teacher_of_student(wildcards)]
    return " ".join([given, *teacher])


def method_code(wildcards):
    """A digest of a variant's methods with their base classes and helpers: an edit reruns who uses them."""
    files = configuration.method_files(named(wildcards))
    return dependencies.methods(*(REPOSITORY / file for file in files))


def shortlist_file(wildcards):
    return f"{RUN}/data/shortlist.txt" if wildcards.short else []


def shortlist_flag(wildcards, input):
    return f"--shortlist {input.shortlist}" if wildcards.short else ""


def use_shortlist_flag(wildcards):
    return "--shortlist true" if wildcards.short else ""


def code(step):
    """A digest of the code that a step's result follows from, computed from imports: an edit reruns the step.

    Only steps that take seconds have it. Text, training, translations and timings stay when code changes.
    """
    return dependencies.digest(step)


def of_run(rows):
    """Rows, tests and seeds, as every script that reads a run's results asks for them."""
    seeds = ",".join(map(str, SEEDS))
    return f"--rows {','.join(rows)} --tests {','.join(TESTS)} --seeds {seeds} {NOTE_FLAG}".rstrip()
