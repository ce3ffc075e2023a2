"""The students of a configuration, checked before any job starts, and where their files lie."""

from typing import Any

from tzip.config import BASELINE, datasets, imports
from tzip.config.run import check_model, check_name, check_training

FORM = ("d_model", "d_ff", "heads", "mixer", "kernel", "norm", "tie", "activation", "positions", "epsilon")
FORM += ("decoder_mixer", "begin")
FOLDERS = ("checkpoint", "state", "students", "teacher")  # of a seed, beside those of its variants
ALL = "all"  # of `teachers`: the baselines of all seeds


def check(config: dict[str, Any]) -> None:
    """Every student and its uses, in a configuration that `config.check` has passed.

    Raises ValueError in one line that names the key, the value and the choices.
    """
    if share(config["training"]):
        raise ValueError(f"training.teacher = {config['training']['teacher']}: the baseline has no teacher")
    for name, student in config["students"].items():
        check_model(student["model"], f"students.{name}.model", ("max_length",))
        check_training(training(config, name), f"students.{name}.training")
        check_pieces(config, name)
        check_teachers(config, student, training(config, name), f"students.{name}")
        if student["start"] == "teacher" and not imports.given(config):  # else the job itself looks
            check_start(config, name)
    for name, variant in config["variants"].items():
        if name in FOLDERS:
            raise ValueError(f"variants: '{name}' is a folder of the run's own; choose another name")
        if "from" in variant:
            check_name(variant["from"], config["students"], f"variants.{name}.from")
        check_finetuning(config, name)
    if "from" in config["variants"][BASELINE]:
        raise ValueError(f"variants.{BASELINE}.from: the baseline starts from no student; it is their teacher")
    for row in config["attention"]["rows"]:
        student = config["variants"][row].get("from")
        model = config["students"][student]["model"] if student else config["model"]
        for key in ("mixer", "decoder_mixer"):
            if (mixer := model.get(key, "attention")) not in ("attention", "same"):
                raise ValueError(f"attention.rows = {row!r} has no maps to draw: its model's {key} is {mixer}")
        if student and own_pieces(config, student):
            raise ValueError(f"attention.rows = {row!r} has no maps like the others: its model has pieces of its own")


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


def own_pieces(config: dict[str, Any], student: str) -> bool:
    """Whether a student has a vocabulary of its own; the configuration may no longer have the student."""
    return bool(config["students"].get(student, {}).get("pieces"))


def pieces(config: dict[str, Any], student: str) -> dict[str, Any]:
    """The options of a student's own vocabulary: the baseline's, except those of its own."""
    return config["pieces"] | config["students"][student]["pieces"]


def check_pieces(config: dict[str, Any], name: str) -> None:
    """A student with pieces of its own cannot learn what the baseline says of others, nor have its embeddings."""
    where, student = f"students.{name}", config["students"][name]
    if not own_pieces(config, name):
        return
    if share(training(config, name)):
        said = f"{where}.training.teacher = {training(config, name)['teacher']}"
        raise ValueError(f"{said}: the baseline's soft targets are of its own pieces; leave it out, or {where}.pieces")
    if student["start"] == "teacher":
        raise ValueError(f"{where}.start = 'teacher': the baseline's embeddings are of its own pieces; choose random")


def check_teachers(config: dict[str, Any], entry: dict[str, Any], training: dict[str, Any], where: str) -> None:
    """The baselines of all seeds teach by their translations, or by soft targets that are computed once."""
    if entry.get("teachers") != ALL:
        return
    said = f"{where}.teachers = {ALL!r}"
    if imports.is_shared(config):
        raise ValueError(f"{said}: the baseline is imported, the same for every seed; choose own")
    if not share(training) and not translated(entry):
        raise ValueError(f"{said}: nothing is learned from a teacher; set the share teacher, with top")
    if share(training) and not top(training):
        raise ValueError(f"{said}: soft targets of several teachers are computed once; set top, such as 16")


def check_finetuning(config: dict[str, Any], name: str) -> None:
    """The teachers of a variant's fine-tuning; nothing is fine-tuned that is not compressed."""
    variant, given, where = config["variants"][name], finetuning(config, name), f"variants.{name}"
    if translated(variant) and not is_tuned(config, name):
        raise ValueError(f"{where}.data = {variant['data']!r}: nothing is fine-tuned; leave it out")
    check_teachers(config, variant, given, where)


def check_start(config: dict[str, Any], name: str) -> None:
    """A student that starts from the baseline's layers has its form, and is no deeper."""
    baseline, where = vars(check_model(config["model"])), f"students.{name}.model"
    model = vars(check_model(config["students"][name]["model"], where, ("max_length",)))
    for key in FORM:
        if model[key] != baseline[key]:
            said = f"{where}.{key} = {model[key]!r}"
            raise ValueError(f"{said}: to start from the baseline's layers it must be {baseline[key]!r}")
    for stack in ("encoder", "decoder"):
        key, available = f"{stack}_layers", baseline[f"{stack}_layers"]
        if (model[f"{stack}_unique"] or model[key]) > available:
            said = f"{where}.{key} = {model[key]}: the baseline, whose layers it starts from, has {available}"
            raise ValueError(said)


def texts(config: dict[str, Any], student: str = "") -> str:
    """The folder of the pieces of a student, or of the baseline, and of the text that is encoded with them."""
    folder = f"{datasets.run_folder(config)}/data"
    return f"{folder}/students/{student}" if own_pieces(config, student) else folder


def translated(entry: dict[str, Any]) -> bool:
    """Whether a student or a variant learns from what teachers write."""
    return entry.get("data", "train") != "train"


def lesson(entry: dict[str, Any], seed: str) -> tuple[str, str]:
    """Which targets a student or a variant learns from, and whose: one seed's baseline, or those of `all`."""
    return entry.get("data", "train"), ALL if entry.get("teachers") == ALL else seed


def data(config: dict[str, Any], seed: str, *, student: str = "", variant: str = "") -> str:
    """The prefix of the encoded pairs that a student or a variant learns from, in its own pieces."""
    entry = config["students"][student] if student else config["variants"][variant]
    student = student or entry.get("from", "")
    return encoded(config, student, *lesson(entry, seed))


def encoded(config: dict[str, Any], student: str, kind: str, by: str) -> str:
    """The prefix of encoded pairs: the references, or what the baselines of `by` write, in the pieces of a student."""
    if kind == "train":
        return f"{texts(config, student)}/train"
    if own_pieces(config, student):
        return f"{texts(config, student)}/{kind}.seed-{by}"
    return f"{datasets.run_folder(config)}/seed-{by}/teacher/{kind}"


def checkpoint(config: dict[str, Any], variant: str, seed: str) -> str:
    """The folder of the checkpoint that a variant starts from: a student's, or the baseline's."""
    student = config["variants"][variant].get("from")
    folder = f"{datasets.run_folder(config)}/seed-{seed}"
    return f"{folder}/students/{student}/checkpoint" if student else f"{folder}/checkpoint"


def taught(config: dict[str, Any], variant: str) -> bool:
    """Whether the fine-tuning of a student's variant reads the baseline's weights; else the student itself teaches."""
    given, student = finetuning(config, variant), config["variants"][variant].get("from", "")
    return bool(student) and not own_pieces(config, student) and share(given) > 0 and not top(given)


def finetuning(config: dict[str, Any], variant: str) -> dict[str, Any]:
    """The options of a variant's fine-tuning; one that is not fine-tuned has no teacher."""
    given = config["finetune"] | config["variants"][variant]["finetune"]
    return given if is_tuned(config, variant) else given | {"teacher": 0}


def is_tuned(config: dict[str, Any], variant: str) -> bool:
    """Whether a variant is fine-tuned: only what is compressed is."""
    plan = config["variants"][variant]
    updates = (config["finetune"] | plan["finetune"]).get("updates")
    return ("prune" in plan or "quantize" in plan) and str(updates) != "0"


def soft_targets(config: dict[str, Any], seed: str, *, student: str = "", variant: str = "") -> list[str]:
    """The file of what teachers say of the text that a student or a variant learns from, if it asks for it.

    The baselines teach, or for a variant of a student with pieces of its own, this student.
    """
    who = "teacher"
    if student:
        entry, given = config["students"][student], training(config, student)
    else:
        entry, given = config["variants"][variant], finetuning(config, variant)
        if own_pieces(config, entry.get("from", "")):
            who = f"students/{entry['from']}"
    kind, by = lesson(entry, seed)
    return [f"{datasets.run_folder(config)}/seed-{by}/{who}/{kind}.top-{top(given)}.npy"] if top(given) else []
