# What the rules share: the checked configuration, names of files, and functions of wildcards.
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from tzip import config as configuration
from tzip.options import flags

# Threads that wait do not spin: several jobs share the cores, and other people the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# `python` in a rule is the one that runs Snakemake, unless a conda environment puts another before it.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

DOWNLOADS = "results/downloads"
MIRROR = config.get("mirror") or os.environ.get("TZIP_MIRROR", "")
try:
    config.update(configuration.check(config, Path(workflow.basedir, "schemas/config.schema.yaml")))
    configuration.check_data(config, DOWNLOADS, MIRROR)
except ValueError as error:
    raise WorkflowError(str(error)) from None


def figures():
    """The names of the run's figures."""
    layers = [f"attention-layers-{row}" for row in config["attention"]["rows"]]
    attention = ["attention", *layers] if layers else []
    weights = ["weights", "cumulative"] if config["weights"] else []
    return ["bleu-bytes", "sharpness", *attention, *weights]


RUN = configuration.run_folder(config)
OF_SEED = f"{RUN}/seed-{{seed}}"
OF_VARIANT = f"{OF_SEED}/{{variant}}"
SEEDS = config["seeds"]
ROWS = config["rows"]
TESTS = config["tests"]
SOURCE, TARGET = configuration.dataset(config)["languages"]

# What the corpus is made of.
GENERATED = expand(
    f"{RUN}/generated/{{split}}.{{language}}",
    split=["train", "dev", "test"],
    language=[SOURCE, TARGET],
)
SOURCES = configuration.source_files(config, DOWNLOADS)
URLS = configuration.downloads(config)
NETWORK = f"--mirror {shlex.quote(MIRROR)} {flags(config['download'])}".rstrip()
TEXTS = expand(
    f"{RUN}/data/{{split}}.{{language}}",
    split=[
        "train",
        "dev",
        *(f"test/{name}" for name in configuration.held_out_tests(config)),
    ],
    language=[SOURCE, TARGET],
)
MAX_LENGTH = configuration.check_model(config["model"]).max_length

# What the tables and figures read.
OF_ROWS = [f"{RUN}/seed-{seed}/{row}" for seed in SEEDS for row in ROWS]
SCORED = expand("{row}/{file}", row=OF_ROWS, file=["size.json", "compress.json"]) + expand(
    "{row}/{test}.{file}",
    row=OF_ROWS,
    test=TESTS,
    file=["score.json", "stats.npz", "time.json"],
)
ATTENTION = expand("{row}/attention.json", row=OF_ROWS)
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
ALL_CORES = workflow.cores or 1
NOTE_FLAG = configuration.note_flag(config)


wildcard_constraints:
    place=".+",
    split="train|dev",
    seed=r"\d+",
    variant="|".join(map(re.escape, config["variants"])),
    test="|".join(map(re.escape, TESTS)),
    type="float32|int16|int8",
    short="(-shortlist)?",
    beam=r"\d+",


def url(wildcards):
    return URLS[wildcards.place]["url"]


def sha256_flag(wildcards):
    """Without a known checksum, the first download records one and later ones verify it."""
    sha256 = URLS[wildcards.place].get("sha256")
    return f"--sha256 {sha256}" if sha256 else ""


def plan(wildcards):
    """A variant as compress.py's flags: all that its name stands for."""
    variant = config["variants"][wildcards.variant]
    return configuration.variant_flags(variant, config["finetune"])


def method_files(wildcards):
    """The files of the methods a variant uses: an edit of one reruns the variants that use it."""
    return configuration.method_files(config["variants"][wildcards.variant])


def shortlist_file(wildcards):
    return f"{RUN}/data/shortlist.txt" if wildcards.short else []


def shortlist_flag(wildcards, input):
    return f"--shortlist {input.shortlist}" if wildcards.short else ""


def use_shortlist_flag(wildcards):
    return "--shortlist true" if wildcards.short else ""


def of_run(rows):
    """Rows, tests and seeds, as every script that reads a run's results asks for them."""
    seeds = ",".join(map(str, SEEDS))
    return f"--rows {','.join(rows)} --tests {','.join(TESTS)} --seeds {seeds} {NOTE_FLAG}".rstrip()
