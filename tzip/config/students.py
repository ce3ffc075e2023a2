"""The students of a configuration, checked before any job starts, and where their files lie."""

from typing import Any

from tzip.config import BASELINE, datasets, imports
from tzip.config.run import check_model, check_name, check_training

FORM = ("d_model", "d_ff", "heads", "mixer", "kernel", "norm", "tie", "activation", "positions", "epsilon")
FOLDERS = ("checkpoint", "state", "students", "teacher")  # of a seed, beside those of its variants


def check(config: dict[str, Any]) -> None:
    """Every student and its uses, in a configuration that `config.check` has passed.

    Raises ValueError in one line that names the key, the value and the choices.
    """
    if share(config["training"]):
        raise ValueError(f"training.teacher = {config['training']['teacher']}: the baseline has no teacher")
    for name, student in config["students"].items():
        check_model(student["model"], f"students.{name}.model", ("max_length",))
        check_training(training(config, name), f"students.{name}.training")
        if student["start"] == "teacher" and not imports.given(config):  # else the job itself looks
            check_start(config, name)
    for name, variant in config["variants"].items():
        if name in FOLDERS:
            raise ValueError(f"variants: '{name}' is a folder of the run's own; choose another name")
        if "from" in variant:
            check_name(variant["from"], config["students"], f"variants.{name}.from")
    if "from" in config["variants"][BASELINE]:
        raise ValueError(f"variants.{BASELINE}.from: the baseline starts from no student; it is their teacher")
    for row in config["attention"]["rows"]:
        student = config["variants"][row].get("from")
        model = config["students"][student]["model"] if student else config["model"]
        if model.get("mixer") == "convolution":
            raise ValueError(f"attention.rows = {row!r} has no maps to draw: its model's mixer is convolution")


def used(config: dict[str, Any]) -> list[str]:
    """The students that the run's rows and grids start from, each once."""
    names = [config["variants"][row].get("from") for row in [*config["rows"], *config["made"]]]
    return list(dict.fromkeys(filter(None, names)))


def training(config: dict[str, Any], student: str) -> dict[str, Any]:
    """The options of a student's training: the baseline's, except those of its own."""
    return config["training"] | config["students"][student]["training"]


def top(training: dict[str, Any]) -> int:
    """How many of the teacher's most likely pieces are computed once for the text; 0: none, or no teacher."""
    return int(training.get("top", 0)) if share(training) > 0 else 0


def share(training: dict[str, Any]) -> float:
    """The teacher's share of the loss in these options; numbers of a command line are texts."""
    return float(training.get("teacher", 0))


def needs_teacher(config: dict[str, Any], student: str) -> bool:
    """Whether a student's training reads the baseline's weights."""
    given = training(config, student)
    return (share(given) > 0 and not top(given)) or config["students"][student]["start"] == "teacher"


def check_start(config: dict[str, Any], name: str) -> None:
    """A student that starts from the baseline's layers has its form, and is no deeper."""
    baseline, where = vars(check_model(config["model"])), f"students.{name}.model"
    model = vars(check_model(config["students"][name]["model"], where, ("max_length",)))
    for key in FORM:
        if model[key] != baseline[key]:
            said = f"{where}.{key} = {model[key]!r}"
            raise ValueError(f"{said}: to start from the baseline's layers it must be {baseline[key]!r}")
    for key in ("encoder_layers", "decoder_layers"):
        if model[key] > baseline[key]:
            said = f"{where}.{key} = {model[key]}: the baseline, whose layers it starts from, has {baseline[key]}"
            raise ValueError(said)


def data(config: dict[str, Any], student: str, seed: str) -> str:
    """The prefix of the encoded pairs that a student learns from."""
    run, kind = datasets.run_folder(config), config["students"][student]["data"]
    return f"{run}/data/train" if kind == "train" else f"{run}/seed-{seed}/teacher/{kind}"


def checkpoint(config: dict[str, Any], variant: str, seed: str) -> str:
    """The folder of the checkpoint that a variant starts from: a student's, or the baseline's."""
    student = config["variants"][variant].get("from")
    folder = f"{datasets.run_folder(config)}/seed-{seed}"
    return f"{folder}/students/{student}/checkpoint" if student else f"{folder}/checkpoint"


def taught(config: dict[str, Any], variant: str) -> bool:
    """Whether the fine-tuning of a student's variant reads the baseline's weights."""
    given = finetuning(config, variant)
    return "from" in config["variants"][variant] and share(given) > 0 and not top(given)


def finetuning(config: dict[str, Any], variant: str) -> dict[str, Any]:
    """The options of a variant's fine-tuning."""
    return config["finetune"] | config["variants"][variant]["finetune"]


def soft_targets(config: dict[str, Any], training: dict[str, Any], kind: str, seed: str) -> list[str]:
    """The file of what the baseline says of a text (train, teacher or both), if the training asks for it."""
    pieces, run = top(training), datasets.run_folder(config)
    return [f"{run}/seed-{seed}/teacher/{kind}.top-{pieces}.npy"] if pieces else []
