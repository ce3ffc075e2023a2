# What the rules of students.smk call; common.smk has what other rules call too.


def of_student(*files):
    """These files in the pieces of a student, its own or the baseline's."""
    return lambda wildcards: [f"{students.texts(config, wildcards.student)}/{file}" for file in files]


def seeds_of(teachers):
    """The seeds whose baselines teach."""
    return SEEDS if teachers == students.ALL else [teachers]


def of_teachers(*files):
    """These files of the checkpoints of those that teach: the baselines, or a student with pieces of its own."""

    def named(wildcards):
        who = f"students/{wildcards.student}/" if hasattr(wildcards, "student") else ""
        seeds = seeds_of(wildcards.teachers)
        return expand(f"{OF_SEED}/{who}checkpoint/{{file}}", seed=seeds, file=files)

    return named


def text_to_soften(wildcards):
    """The encoded pairs of which they say something, in their pieces."""
    student = getattr(wildcards, "student", "")
    prefix = students.encoded(config, student, wildcards.lesson, wildcards.teachers)
    return multiext(prefix, ".tokens.npy", ".offsets.npy")


def lesson_sources(wildcards):
    """Source files of the pairs to learn from, one per file of `lesson_targets`."""
    return [f"{RUN}/data/train.{SOURCE}"] * len(lesson_targets(wildcards))


def lesson_targets(wildcards):
    """The teachers' translations of the training text; after the references for `both`."""
    references = [f"{RUN}/data/train.{TARGET}"] if wildcards.targets == "both" else []
    return references + expand(f"{OF_SEED}/teacher/train.{TARGET}", seed=seeds_of(wildcards.teachers))


def student_model(wildcards):
    """The student's model as flags; the longest sentence is that of the encoded pairs."""
    return f"{flags(config['students'][wildcards.student]['model'])} --max-length {MAX_LENGTH}"


def student_training(wildcards):
    """How a student is trained, from which weights, and by which teacher, as flags."""
    given = flags(students.training(config, wildcards.student))
    if config["students"][wildcards.student]["start"] == "teacher":
        given += " --start teacher"
    if students.own_pieces(config, wildcards.student):
        given += f" --dev {students.texts(config, wildcards.student)}/dev"  # the last of a flag counts
    needed = [f"--teacher-checkpoint {Path(file).parent}" for file in teacher(wildcards)]
    return " ".join([given, *needed, *(f"--soft-targets {file}" for file in soft_targets(wildcards))])
