"""What the jobs of students read: their own pieces and texts in them, and the baselines of one seed or of all."""

import re
from pathlib import Path

import pytest
import yaml

from tests.toys.workflow import RUN, copy_sources, mini, unasked

pytestmark = pytest.mark.xdist_group("students")

FORM = {"preset": "tiny", "encoder_layers": 2, "encoder_unique": 1, "decoder_layers": 1, "d_model": 32, "d_ff": 32}
ALL = {"teachers": "all", "model": FORM}
STUDENTS = {
    "own": {"model": FORM, "training": {"teacher": 0}, "pieces": {"size": 400}, "data": "both"},
    "by-sentences": ALL | {"data": "teacher", "pieces": {"size": 380}},
    "by-words": ALL | {"training": {"teacher": 0.5, "top": 8}, "data": "both"},
}
VARIANTS = {
    "own-gptq": {"from": "own", "quantize": {"method": "gptq", "bits": 3}, "data": "both"},
    "own-taught": {"from": "own", "quantize": {"method": "kmeans"}, "finetune": {"teacher": 0.5, "top": 4}},
    "own-taught-by-all": {
        "from": "own",
        "quantize": {"method": "kmeans"},
        "finetune": {"teacher": 0.5, "top": 4},
        "data": "both",
        "teachers": "all",
    },
    "own-read": {"from": "own", "quantize": {"method": "kmeans"}, "finetune": {"teacher": 0.5}},
    "by-sentences": {"from": "by-sentences"},
    "by-words": {"from": "by-words"},
    "written": {"quantize": {"method": "kmeans"}, "data": "teacher"},
    "taught": {"quantize": {"method": "kmeans"}, "finetune": {"teacher": 0.5, "top": 4}, "teachers": "all"},
}
ROWS = {
    "rows": ["baseline", *VARIANTS],
    "variants": VARIANTS,
    "students": STUDENTS,
    "seeds": [1, 2],
    "weights": "",
    "attention": {"rows": ["baseline"]},
    "speed": [{"row": "own-gptq", "type": "int8", "shortlist": True}],
}
DATA, OWN = f"{RUN}/data", f"{RUN}/data/students/own"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What Snakemake says of a run of students."""
    folder = copy_sources(tmp_path_factory.mktemp("students"))
    (folder / "students.yaml").write_text(yaml.safe_dump(ROWS))
    return mini(folder, "students.yaml", "-n", "-p")


@pytest.fixture(scope="module")
def commands(said: str) -> dict[str, str]:
    """The command of each job of a run of students, by its log without the folder."""
    lines = [line.partition("Shell command: ")[2] for line in said.splitlines() if "Shell command: " in line]
    return {Path(log[1]).name: line for line in lines if (log := re.search(r"2> (?:>\(tee -i )?(\S+\.log)", line))} | {
        Path(log[1]).name: line for line in lines if (log := re.search(r"> (\S+\.log) 2>&1", line))
    }


def given(command: str, flag: str) -> str:
    """What a flag has in the end: of one that comes twice, the last."""
    return re.findall(rf"{flag} ((?:(?!--|2?>)\S+ ?)+)", command)[-1].strip()


def test_a_student_learns_and_is_compressed_in_pieces_of_its_own(commands: dict[str, str]) -> None:
    learned = commands["student_pieces.own.log"]
    assert (given(learned, "--size"), given(learned, "--output")) == ("400", f"{OWN}/pieces.model")
    assert given(learned, "--text") == f"{DATA}/train.en {DATA}/train.de"
    for seed in (1, 2):
        lessons = commands[f"encode_hypotheses_for_student.own.seed-{seed}.both.log"]
        assert given(lessons, "--pieces") == f"{OWN}/pieces.model"
        assert given(lessons, "--target") == f"{DATA}/train.de {RUN}/seed-{seed}/teacher/train.de"
        training = commands[f"student.seed-{seed}.own.log"]
        assert given(training, "--train") == f"{OWN}/both.seed-{seed}"
        assert (given(training, "--dev"), given(training, "--dev-source")) == (f"{OWN}/dev", f"{DATA}/dev.en")
        assert given(training, "--pieces") == f"{OWN}/pieces.model"
        assert given(training, "--encoder-unique") == "1"
        compressing = commands[f"compress.seed-{seed}.own-gptq.log"]
        assert given(compressing, "--data") == f"{OWN}/both.seed-{seed}"
        assert given(compressing, "--statistics") == f"{RUN}/seed-{seed}/students/own/statistics.safetensors"
    assert given(commands["statistics.log"], "--data") == f"{OWN}/train"
    assert given(commands["shortlist_for_student.own.log"], "--data") == f"{OWN}/train"
    assert given(commands["export.seed-1.own-gptq.int8-shortlist.log"], "--shortlist") == f"{OWN}/shortlist.txt"
    assert "shortlist.log" not in commands


def test_the_baselines_of_all_seeds_teach(commands: dict[str, str]) -> None:
    translated = f"{RUN}/seed-1/teacher/train.de {RUN}/seed-2/teacher/train.de"
    both = commands["encode_hypotheses.seed-all.both.log"]
    assert given(both, "--target") == f"{DATA}/train.de {translated}"
    assert given(both, "--source") == " ".join([f"{DATA}/train.en"] * 3)
    assert given(commands["encode_hypotheses_for_student.by-sentences.seed-all.teacher.log"], "--target") == translated
    for lesson, top in (("both", 8), ("train", 4)):
        softened = commands[f"soften.seed-all.{lesson}.top-{top}.log"]
        assert f"--force {RUN}/seed-1/checkpoint {RUN}/seed-2/checkpoint {RUN}/seed-all/teacher/{lesson}" in softened
        assert given(softened, "--data") == (f"{RUN}/seed-all/teacher/both" if lesson == "both" else f"{DATA}/train")
    for seed in (1, 2):
        training = commands[f"student.seed-{seed}.by-words.log"]
        assert given(training, "--train") == f"{RUN}/seed-all/teacher/both"
        assert given(training, "--soft-targets") == f"{RUN}/seed-all/teacher/both.top-8.npy"
        assert given(training, "--dev") == f"{DATA}/dev"
        assert given(commands[f"compress.seed-{seed}.written.log"], "--data") == f"{RUN}/seed-{seed}/teacher/teacher"
        compressing = commands[f"compress.seed-{seed}.taught.log"]
        assert given(compressing, "--soft-targets") == f"{RUN}/seed-all/teacher/train.top-4.npy"
        assert "--teachers" not in compressing


def test_a_student_with_pieces_of_its_own_teaches_what_starts_from_it(commands: dict[str, str]) -> None:
    """That of the same seed, or those of all; the default of `tzip compress` is what it compresses."""
    folders = {seed: f"{RUN}/seed-{seed}/students/own" for seed in (1, 2, "all")}
    for by, lesson, data in ((2, "train", "train"), ("all", "both", "both.seed-all")):
        softened = commands[f"soften_by_student.own.seed-{by}.{lesson}.top-4.log"]
        checkpoints = " ".join(f"{folders[seed]}/checkpoint" for seed in ((1, 2) if by == "all" else (by,)))
        assert f"--force {checkpoints} {folders[by]}/{lesson}.top-4.npy " in softened
        assert given(softened, "--data") == f"{OWN}/{data}"
    for name, by, lesson in (("own-taught", 2, "train"), ("own-taught-by-all", "all", "both")):
        compressing = commands[f"compress.seed-2.{name}.log"]
        assert given(compressing, "--soft-targets") == f"{folders[by]}/{lesson}.top-4.npy"
        assert "--teacher-checkpoint" not in compressing
    compressing = commands["compress.seed-2.own-read.log"]
    assert given(compressing, "--teacher") == "0.5"
    assert "--teacher-checkpoint" not in compressing
    assert "--soft-targets" not in compressing


def test_every_job_of_students_has_a_file_that_the_run_asks_for(said: str) -> None:
    assert unasked(said, 100) == []
