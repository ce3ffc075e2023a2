# What the rules share: the checked configuration, names of files, and functions of wildcards.
import os
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

from tzip.config import run as configuration
from tzip.config import DEV, datasets, dependencies, imports, students
from tzip.files import fingerprints, read_json
from tzip.options import flags
from tzip.report.paper import ONE_BIT

# Threads that wait for each other spin for some 0.1 ms, then sleep: fast alone, and fair to whoever shares the cores.
os.environ.setdefault("GOMP_SPINCOUNT", "50000")

# `python` in a rule is the one that runs Snakemake, unless a conda environment puts another before it.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

# A job is its command's process itself: who stops the one has stopped the other. Where Linux's setpriv is (util-linux),
# it gets SIGTERM when Snakemake is gone: even killed, that leaves no job behind which the next start would meet.
ENDING = "setpriv --pdeathsig TERM"
shell.prefix(f"set -euo pipefail; exec {ENDING if os.system(f'{ENDING} true 2> /dev/null') == 0 else ''} ")

# As seen from the working directory, so that nothing reruns when both move together.
SCRIPTS, CAPTIONS = (shlex.quote(os.path.relpath(REPOSITORY / name)) for name in ("workflow_scripts", "report"))
if "{" in str(REPOSITORY):
    raise WorkflowError(f"the repository lies in {REPOSITORY}: Snakemake takes {{...}} for a wildcard; move it")

STORE = config.get("store") or os.environ.get("TZIP_STORE", "")
MIRROR = config.get("mirror") or os.environ.get("TZIP_MIRROR", "")
try:
    DOWNLOADS = datasets.download_folder(STORE)
    config.update(configuration.check(config))
    students.check(config)
    datasets.check_data(config, DOWNLOADS, MIRROR)
    imports.check_data(config, DOWNLOADS, MIRROR)
except ValueError as error:
    raise WorkflowError(str(error)) from None

RUN = datasets.run_folder(config)
OF_SEED = f"{RUN}/seed-{{seed}}"
OF_VARIANT = f"{OF_SEED}/{{variant}}"
OF_STUDENT = f"{OF_SEED}/students/{{student}}"
OF_TEACHER = f"{RUN}/seed-{{teachers}}/teacher"  # of one seed's baseline, or of all
OF_PIECES = f"{RUN}/data/students/{{student}}"  # of a student that has pieces of its own
SEEDS, ROWS, TESTS = config["seeds"], config["rows"], config["tests"]
SOURCE, TARGET = datasets.dataset(config)["languages"]

# What the corpus is made of.
GENERATED = [f"{RUN}/generated/{split}.{side}" for split in ("train", "dev", "test") for side in (SOURCE, TARGET)]
SOURCES = datasets.source_files(config, DOWNLOADS)
IMPORTED = imports.inputs(config, DOWNLOADS)
TEST_SETS = datasets.test_sets(config)
URLS = datasets.downloads(config) | imports.downloads(config)
NETWORK = f"--mirror {shlex.quote(MIRROR)} {flags(config['download'])}".rstrip()
SPLITS = ["train", "dev", *(f"test/{name}" for name in datasets.held_out_tests(config))]
TEXTS = expand(f"{RUN}/data/{{split}}.{{language}}", split=SPLITS, language=[SOURCE, TARGET])
PIECES = list(dict.fromkeys(f"{students.texts(config, name)}/pieces.model" for name in ["", *students.used(config)]))
ORIGIN = [f"{RUN}/seed-{SEEDS[0]}/checkpoint/origin.json"] if IMPORTED else []
MAX_LENGTH = configuration.check_model(config["model"]).max_length

# What the tables and figures read: all results of the rows; of a grid's other variants, what the frontier needs.
OF_ROWS = [f"{RUN}/seed-{seed}/{row}" for seed in SEEDS for row in ROWS]
OF_ALL = [f"{RUN}/seed-{seed}/{row}" for seed in SEEDS for row in ROWS + config["made"]]
OF_TEST = expand("{test}.{file}", test=TESTS, file=["score.json", "stats.npz", "time.json"])
SCORED = expand("{row}/{file}", row=OF_ROWS, file=["size.json", "compress.json", *OF_TEST])
# What decides which variants are on the frontier: the development set, or each test set for itself.
CHOOSING = [DEV] if config["select"] == DEV else TESTS
DECIDING = expand("{row}/{file}", row=OF_ALL, file=["size.json", *(f"{name}.score.json" for name in CHOOSING)])
ATTENTION = expand("{row}/attention.json", row=OF_ROWS)
# What the claim about speed takes: binarized rows and the baseline, timed in turns.
IN_TURNS = [configuration.BASELINE, *(row for row in ROWS if row in ONE_BIT)]
ROUNDS = expand(f"{RUN}/seed-{{seed}}/rounds.json", seed=SEEDS) if len(IN_TURNS) > 1 else []
LAYERS = [f"attention-layers-{row}" for row in config["attention"]["rows"]]
DRAWN = ["frontier", "sharpness", *(["attention"] if LAYERS else []), *LAYERS]
DRAWN += ["weights", "cumulative"] if config["weights"] else []
FIGURES = expand(f"{RUN}/figures/{{figure}}.{{suffix}}", figure=DRAWN, suffix=["png", "svg"])

# What is measured on one core: a folder of the variant, and the files of one setting in it.
SETTING = "{row}/{type}{short}.beam-{beam}"
SPEED = [SETTING.format(**entry, short="-shortlist" * entry["shortlist"]) for entry in config["speed"]]
SPEED_FLAG = f"--speed {' '.join(SPEED)}" if SPEED else ""
MEASURED = [
    f"{RUN}/seed-{SEEDS[0]}/{row}/inference/{TESTS[0]}.{setting}.{file}"
    for row, setting in (name.split("/") for name in SPEED)
    for file in ("time.json", "score.json")
]
SPEED_TABLE = [f"{RUN}/timings/inference.csv"] if SPEED else []

# What a reader sees; it is removed when a run starts that makes it, or what it follows from, again.
SHOWN = (f"{RUN}/tables/", f"{RUN}/timings/", f"{RUN}/figures/", f"{RUN}/report.html")

ALL_CORES = workflow.resource_settings.cores or 1  # Snakemake has no number where it submits jobs
CONTROL = f"--control {config['control']}" if config["control"] in ROWS else ""
NOTE_FLAG = configuration.note_flag(config)


wildcard_constraints:
    place=".+",
    split="train|dev",
    seed=r"\d+",
    variant="[A-Za-z0-9][A-Za-z0-9._-]*",  # no list: a grid's would be compared with every file of the run
    test="|".join(map(re.escape, dict.fromkeys([*TESTS, *CHOOSING]))),
    student="|".join(map(re.escape, students.used(config))) or "(?!)",
    targets="teacher|both",
    teachers=rf"\d+|{students.ALL}",
    lesson="train|teacher|both",
    top=r"\d+",
    origin=rf"{re.escape(RUN)}/seed-\d+(/students/[^/]+)?",
    type="float32|int16|int8",
    short="(-shortlist)?",
    beam=r"\d+",


def growing(megabytes):
    """Memory to ask for, more with each attempt: what runs have measured (timings/stages.md) with room to grow."""
    return lambda wildcards, attempt: megabytes * attempt


def made(files):
    """The files that rules make, as inputs. The user's own are none: `own` has their bytes, whatever name or time."""
    return [file for file in files if file in GENERATED or Path(file).is_relative_to(DOWNLOADS)]


def own(files):
    """The checksums of the user's own files behind a rule: other bytes rerun it."""
    by_rules = made(files)
    return fingerprints([file for file in files if file not in by_rules], Path(".snakemake", "inputs.json"))


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
    given = configuration.variant_flags(variant, config["finetune"])
    own = [f"--methods {shlex.quote(folder)}" for folder in configuration.method_folders(variant)]
    needed = [f"--statistics {file}" for file in statistics(wildcards)]
    needed += [f"--teacher-checkpoint {Path(file).parent}" for file in teacher(wildcards)]
    needed += [f"--soft-targets {file}" for file in soft_targets(wildcards)]
    needed += filter(None, [configuration.calibration_flags(variant, config["calibration"])])
    return " ".join([*student, given, *own, *needed])


def statistics(wildcards):
    """The second derivatives of the model that a variant starts from, if its first stage asks for them."""
    needed = configuration.needs_statistics(named(wildcards))
    folder = Path(students.checkpoint(config, wildcards.variant, wildcards.seed)).parent
    return [str(folder / "statistics.safetensors")] if needed else []


def teacher(wildcards):
    """The teacher's weights, where a student starts from them, or it or its variant is distilled."""
    by = students.needs_teacher if hasattr(wildcards, "student") else students.taught
    name = wildcards.student if hasattr(wildcards, "student") else wildcards.variant
    return [f"{RUN}/seed-{wildcards.seed}/checkpoint/model.safetensors"] if by(config, name) else []


def soft_targets(wildcards):
    """What the teachers say of the text to learn from, where `top` asks for it."""
    return students.soft_targets(config, wildcards.seed, **learner(wildcards))


def lessons(wildcards):
    """The encoded pairs that a student learns from, or that a variant is fine-tuned on."""
    return multiext(students.data(config, wildcards.seed, **learner(wildcards)), ".tokens.npy", ".offsets.npy")


def learner(wildcards):
    """The student or the variant that wildcards name, as `tzip.config.students` takes it."""
    return {key: value for key, value in vars(wildcards).items() if key in ("student", "variant")}


def text_of_origin(wildcards):
    """The encoded training text, in the pieces of the model whose statistics are measured."""
    student = re.search(r"(?:/students/(.+))?$", wildcards.origin)[1] or ""
    return multiext(f"{students.texts(config, student)}/train", ".tokens.npy", ".offsets.npy")


def shortlist(wildcards):
    """The target shortlist, in a variant's pieces, where its folder has one."""
    return f"{students.texts(config, named(wildcards).get('from', ''))}/shortlist.txt" if wildcards.short else []


def start(wildcards):
    """The weights that a variant starts from: a student's, or the baseline's."""
    named(wildcards)
    return f"{students.checkpoint(config, wildcards.variant, wildcards.seed)}/model.safetensors"


def start_config(wildcards):
    """The other files of the checkpoint with these weights."""
    folder = students.checkpoint(config, wildcards.variant, wildcards.seed)
    return [f"{folder}/config.json", f"{folder}/pieces.model"]


def prefix(name):
    """The common prefix of the two files of encoded pairs."""
    return lambda wildcards, input: input.get(name)[0].removesuffix(".tokens.npy")


def method_code(wildcards):
    """A digest of a variant's methods with their base classes and helpers: an edit reruns who uses them."""
    return dependencies.methods(*configuration.method_files(named(wildcards)))


def text(language):
    """The side of a scored set, a test set or the development set, in this language."""

    def file(wildcards):
        name = DEV if wildcards.test == DEV == config["select"] else f"test/{wildcards.test}"
        return f"{RUN}/data/{name}.{language}"

    return file


def reported(wildcards):
    """The rows that the tests score: those of the tables, and of a grid what the development set chose."""
    if not config["made"] or config["select"] != DEV:
        return ROWS + config["made"]
    chosen = read_json(checkpoints.choose.get().output[0])["rows"]
    return ROWS + [row for row in config["made"] if row in chosen]


def of_reported(*files):
    """These files of every row that the tests score, seed by seed."""
    return lambda wildcards: expand(
        f"{RUN}/seed-{{seed}}/{{row}}/{{file}}", seed=SEEDS, row=reported(wildcards), file=files
    )


def code(step):
    """A digest of the code that a step's result follows from, computed from imports: an edit reruns the step.

    Only steps that take seconds have it. Text, training, translations and timings stay when code changes.
    """
    return dependencies.digest(step)


def of_run(rows, *more, tests=TESTS):
    """A run's folder, rows, tests and seeds, as every script that reads its results asks for them, and its own flags.

    Rules ask in a lambda: in a plain text Snakemake takes {name} for a wildcard, and notes and paths are the user's.
    """
    seeds = ",".join(map(str, SEEDS))
    words = [
        f"--results {RUN} --rows {','.join(rows)} --tests {','.join(tests)} --seeds {seeds}",
        CONTROL,
        NOTE_FLAG,
        *more,
    ]
    return " ".join(filter(None, words))


def behind():
    """Every file that the report follows from, directly or not: `rule all` asks for each.

    A failed job takes its files with it. Snakemake makes them again only where a target names them.
    """
    encoded = [f"{RUN}/data/train", *([] if IMPORTED else [f"{RUN}/data/dev"])]  # what a training needs
    files = [
        *made(SOURCES),
        *TEXTS,
        f"{RUN}/data/cleaning.json",
        *PIECES,
        f"{RUN}/config.json",
    ]
    files += [*SCORED, *ATTENTION, *MEASURED, *ROUNDS]
    files += expand(
        "{row}/{file}", row=OF_ALL, file=["model.tzip", "compress.json", *(f"{t}.hyp.txt" for t in CHOOSING)]
    )
    files += [*DECIDING, *expand("{row}/{test}.hyp.txt", row=OF_ROWS, test=TESTS)]
    files += [f"{RUN}/seed-{SEEDS[0]}/{row}/attention.npz" for row in config["attention"]["rows"]]
    files += [f"{RUN}/seed-{SEEDS[0]}/{config['weights']}/weights.npz"] if config["weights"] else []
    for row, setting in (name.split("/") for name in SPEED):
        folder = f"{RUN}/seed-{SEEDS[0]}/{row}"
        files += [
            f"{folder}/ctranslate2/{setting.partition('.')[0]}",
            f"{folder}/inference/{TESTS[0]}.{setting}.hyp.txt",
        ]
        files += [shortlist(SimpleNamespace(variant=row, short=True))] if "-shortlist." in setting else []
    used = students.used(config)
    learners = [config["students"][name] for name in used]
    learners += [config["variants"][name] for name in ROWS + config["made"]]
    translated = any(map(students.translated, learners))
    for seed in SEEDS:
        files.append(f"{RUN}/seed-{seed}/checkpoint/model.safetensors")
        files += [f"{RUN}/seed-{seed}/teacher/train.{TARGET}"] if translated else []
        for student in used:
            folder = students.texts(config, student)
            files.append(f"{RUN}/seed-{seed}/students/{student}/checkpoint/model.safetensors")
            encoded += [f"{folder}/train", f"{folder}/dev", students.data(config, seed, student=student)]
            files += soft_targets(SimpleNamespace(seed=seed, student=student))
        for variant in ROWS + config["made"]:
            encoded.append(students.data(config, seed, variant=variant))
            files += statistics(SimpleNamespace(seed=seed, variant=variant))
            files += soft_targets(SimpleNamespace(seed=seed, variant=variant))
    return sorted({*files, *(f"{prefix}.tokens.npy" for prefix in encoded)})
