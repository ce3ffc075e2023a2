"""Students in a configuration, and the script that translates what they learn from."""

import copy
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from tests.toys import small
from tests.toys.configuration import load, merged, refused
from tests.toys.run import script
from tzip.config import run, students
from tzip.format import model as model_file

STUDENTS = {
    "tiny": {"model": {"preset": "tiny"}, "training": {"updates": 7, "teacher": 0.5}, "data": "both"},
    "flat": {"model": {"preset": "tiny", "mixer": "convolution"}},
    "recurrent": {"model": {"preset": "tiny", "decoder_mixer": "ssru"}},
    "spare": {},
}
OWN_PIECES = {  # which leave no teacher by words, and no maps like the baseline's
    "students": {"tiny": {"pieces": {"size": 300}, "training": {"teacher": 0}}},
    "variants": {"student-4bit": {"finetune": {"teacher": 0}}},
    "attention": {"rows": []},
}
VARIANTS = {
    "student": {"from": "tiny"},
    "student-4bit": {"from": "tiny", "quantize": {"method": "kmeans", "bits": 4}, "finetune": {"teacher": "0.3"}},
    "convolutional": {"from": "flat"},
    "recurrent": {"from": "recurrent"},
}
DEEP = {"preset": "tiny", "encoder_layers": 2, "decoder_layers": 3, "norm": "pre"}
TAUGHT = merged(load(), {"students": STUDENTS, "variants": VARIANTS, "rows": ["baseline", *VARIANTS]})
TAUGHT |= {"weights": "", "attention": {"rows": ["baseline", "student"]}}


def checked(**over: object) -> dict:
    config = run.check(merged(copy.deepcopy(TAUGHT), over))
    students.check(config)
    return config


def test_what_rows_start_from_is_used_and_the_rest_has_its_defaults() -> None:
    config = checked()
    assert students.used(config) == ["tiny", "flat", "recurrent"]
    defaults = {"model": {}, "training": {}, "data": "train", "teachers": "own", "start": "random"}
    assert config["students"]["spare"] == defaults
    assert students.used(checked(rows=["baseline"], attention={"rows": []})) == []


def test_where_the_files_of_a_student_lie() -> None:
    config = checked()
    assert students.checkpoint(config, "student", "3") == "results/default/seed-3/students/tiny/checkpoint"
    assert students.checkpoint(config, "baseline", "3") == "results/default/seed-3/checkpoint"
    assert students.data(config, "3", student="tiny") == "results/default/seed-3/teacher/both"
    assert students.data(config, "3", student="flat") == "results/default/data/train"


def test_where_the_files_of_a_student_with_pieces_of_its_own_lie() -> None:
    for given, kinds, lessons in (
        ({}, "both", "results/default/data/students/tiny/both.seed-3"),
        ({"teachers": "all"}, "teacher", "results/default/data/students/tiny/teacher.seed-all"),
        ({}, "train", "results/default/data/students/tiny/train"),
    ):
        config = checked(**merged(OWN_PIECES, {"students": {"tiny": given | {"data": kinds}}}))
        assert students.data(config, "3", student="tiny") == lessons
        assert students.texts(config, "tiny") == "results/default/data/students/tiny"
        assert students.texts(config, "flat") == students.texts(config) == "results/default/data"
    assert students.pieces(config, "tiny") == config["pieces"] | {"size": 300}
    assert not students.own_pieces(checked(students={"tiny": {"pieces": {}}}), "tiny")


def test_where_the_lessons_of_several_teachers_lie() -> None:
    tiny, variant = {"teachers": "all", "training": {"top": 8}}, {"teachers": "all", "finetune": {"top": 4}}
    config = checked(students={"tiny": tiny}, variants={"student-4bit": variant})
    assert students.data(config, "3", student="tiny") == "results/default/seed-all/teacher/both"
    assert students.soft_targets(config, "3", student="tiny") == ["results/default/seed-all/teacher/both.top-8.npy"]
    found = students.soft_targets(config, "3", variant="student-4bit")
    assert found == ["results/default/seed-all/teacher/train.top-4.npy"]
    assert not students.needs_teacher(config, "tiny")
    swept = {"quantize": "kmeans", "bits": [2, 3], "teachers": "all", "finetune": {"teacher": 0.5, "top": 4}}
    config = checked(students={"tiny": tiny | {"teachers": "own"}}, grid=swept)
    assert [students.soft_targets(config, "3", variant=name) for name in config["made"]] == [found, found]
    assert students.soft_targets(config, "3", student="tiny") == ["results/default/seed-3/teacher/both.top-8.npy"]
    assert students.soft_targets(config, "3", student="flat") == []


def test_a_variant_is_fine_tuned_on_the_references_or_on_what_teachers_write() -> None:
    learned = {"data": "both", "teachers": "all"}
    config = checked(variants={"student-4bit": learned | {"finetune": {"teacher": 0.5, "top": 4}}})
    assert students.data(config, "3", variant="student-4bit") == "results/default/seed-all/teacher/both"
    found = students.soft_targets(config, "3", variant="student-4bit")
    assert found == ["results/default/seed-all/teacher/both.top-4.npy"]
    own = merged(OWN_PIECES, {"variants": {"student-4bit": {"data": "teacher"}}})
    lessons = "results/default/data/students/tiny/teacher.seed-3"
    assert students.data(checked(**own), "3", variant="student-4bit") == lessons
    assert students.data(checked(), "3", variant="student-4bit") == "results/default/data/train"
    assert students.data(checked(), "3", variant="baseline") == "results/default/data/train"
    with refused("variants.student.data = 'both': nothing is fine-tuned; leave it out"):
        checked(variants={"student": {"data": "both"}})


def test_what_is_not_fine_tuned_has_no_teacher() -> None:
    """Whatever the section finetune says for all variants."""
    swept = [
        {"quantize": "kmeans", "bits": 2, "finetune": {"updates": updates}, "name": f"u{updates}"} for updates in (0, 1)
    ]
    config = checked(finetune={"teacher": 0.5, "top": 8}, grid=swept)
    for name in ("baseline", "convolutional", "u0-kmeans-b2-linear"):
        assert students.soft_targets(config, "1", variant=name) == []
    assert students.soft_targets(config, "1", variant="u1-kmeans-b2-linear") != []


def test_a_student_with_pieces_of_its_own_teaches_its_variants() -> None:
    for given, where in (
        ({}, "seed-3/students/tiny/train.top-8.npy"),
        ({"data": "both"}, "seed-3/students/tiny/both.top-8.npy"),
        ({"data": "both", "teachers": "all"}, "seed-all/students/tiny/both.top-8.npy"),
    ):
        variant = given | {"finetune": {"teacher": 0.5, "top": 8}}
        config = checked(**merged(OWN_PIECES, {"variants": {"student-4bit": variant}}))
        assert students.soft_targets(config, "3", variant="student-4bit") == [f"results/default/{where}"]
        assert students.soft_targets(config, "3", variant="student") == []
    config = checked(**merged(OWN_PIECES, {"variants": {"student-4bit": {"finetune": {"teacher": 0.5}}}}))
    assert not students.taught(config, "student-4bit"), "read in every update, it is what is compressed"


def test_a_share_of_a_teacher_says_nothing_where_a_student_is_not_fine_tuned() -> None:
    config = checked(**OWN_PIECES, finetune={"teacher": 0.5, "top": 8})
    assert students.soft_targets(config, "1", variant="student") == []
    assert not students.taught(config, "student")


def test_who_is_taught() -> None:
    config = checked()
    assert students.training(config, "tiny")["updates"] == 7
    assert students.training(config, "tiny")["schedule"] == config["training"]["schedule"]
    assert [students.share(students.training(config, name)) for name in ("tiny", "flat")] == [0.5, 0]
    assert [students.taught(config, name) for name in VARIANTS] == [False, True, False, False]


@pytest.mark.parametrize(
    ("over", "says"),
    [
        (
            {"variants": {"student": {"from": "tny"}}},
            "variants.student.from = 'tny' is not defined; did you mean 'tiny'? choose from tiny, flat, "
            "recurrent, spare",
        ),
        ({"variants": {"baseline": {"from": "tiny"}}}, "variants.baseline.from: the baseline starts from no"),
        ({"variants": {"students": {}}}, "variants: 'students' is a folder of the run's own; choose another"),
        ({"training": {"teacher": 0.5}}, "training.teacher = 0.5: the baseline has no teacher"),
        (
            {"students": {"tiny": {"model": {"preset": "giant"}}}},
            "students.tiny.model.preset = 'giant' is not one of tiny, small, base",
        ),
        ({"students": {"tiny": {"model": {"mixer": "mlp"}}}}, "students.tiny.model: mixer = 'mlp' is not"),
        ({"students": {"tiny": {"model": {"max_length": 9}}}}, "unknown key 'max_length' in students.tiny."),
        ({"students": {"tiny": {"model": {"vocabulary": 9}}}}, "unknown key 'vocabulary' in students.tiny."),
        (
            {"students": {"tiny": {"training": {"teacher": 2}}}},
            "students.tiny.training: teacher = 2 is not a number at least 0.0 and at most 1.0",
        ),
        (
            {"students": {"tiny": {"training": {"temprature": 2}}}},
            "unknown key 'temprature' in students.tiny.training; did you mean 'temperature'?",
        ),
        (
            {"students": {"tiny": {"start": "teacher"}}},
            "students.tiny.model.norm = 'post': to start from the baseline's layers it must be 'pre'",
        ),
        (
            {"students": {"deep": {"start": "teacher", "model": DEEP}}},
            "students.deep.model.decoder_layers = 3: the baseline, whose layers it starts from, has 2",
        ),
        (
            {"students": {"tiny": {"pieces": {"size": 300}}}},
            "students.tiny.training.teacher = 0.5: the baseline's soft targets are of its own pieces",
        ),
        (
            {"students": {"deep": {"start": "teacher", "pieces": {"size": 300}}}},
            "students.deep.start = 'teacher': the baseline's embeddings are of its own pieces; choose random",
        ),
        ({"students": {"flat": {"pieces": {"sise": 9}}}}, "unknown key 'sise' in students.flat.pieces; did you"),
        ({"students": {"flat": {"pieces": {"size": 9}}}}, "students.flat.pieces: size = 9 is not an integer at least"),
        (
            {"students": {"flat": {"pieces": {"size": 300}}}, "attention": {"rows": ["convolutional"]}},
            "attention.rows = 'convolutional' has no maps",
        ),
        (
            OWN_PIECES | {"attention": {"rows": ["student"]}},
            "attention.rows = 'student' has no maps like the others: its model has pieces of its own",
        ),
        ({"students": {"tiny": {"teachers": "both"}}}, "students.tiny.teachers = 'both' is not one of own, all"),
        (
            {"students": {"tiny": {"teachers": "all"}}},
            "students.tiny.teachers = 'all': soft targets of several teachers are computed once; set top, such as 16",
        ),
        ({"students": {"spare": {"teachers": "all"}}}, "students.spare.teachers = 'all': nothing is learned from a"),
        (
            {"variants": {"student-4bit": {"teachers": "all"}}},
            "variants.student-4bit.teachers = 'all': soft targets of several teachers are computed once; set top",
        ),
        ({"variants": {"student": {"teachers": "all"}}}, "variants.student.teachers = 'all': nothing is learned"),
        (
            {"students": {"tiny": {"model": {"encoder_layers": 2, "encoder_unique": 3}}}},
            "students.tiny.model: encoder_unique = 3 is more than encoder_layers = 2",
        ),
        (
            {"attention": {"rows": ["baseline", "convolutional"]}},
            "attention.rows = 'convolutional' has no maps to draw: its model's mixer is convolution",
        ),
        (
            {"attention": {"rows": ["baseline", "recurrent"]}},
            "attention.rows = 'recurrent' has no maps to draw: its model's decoder_mixer is ssru",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_the_choices(over: dict, says: str) -> None:
    with refused(says):
        checked(**over)


def test_without_students_a_variant_cannot_start_from_one() -> None:
    given = merged(load(), {"variants": {"mine": {"from": "tiny"}}})
    with pytest.raises(ValueError, match="'tiny' is not defined; choose from none"):
        students.check(run.check(given))


# ── the teacher's translations ────────────────────────────────────────────────────────────────────


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A folder with an untrained model.tzip and a text to translate."""
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(["a", "small", "house", "by", "the", "lake"], 5)) for _ in range(40)]
    small.write(tmp_path / "model.tzip", small.vocabulary(tmp_path, "\n".join(lines) + "\n", size=274))
    return tmp_path


def translate(folder: Path, output: str, *more: str) -> tuple[int, str]:
    files = ["--model", folder / "model.tzip", "--source", folder / "text", "--state", folder / "state"]
    settings = ["--beam", "2", "--max-ratio", "1", "--block", "16"]
    return script("hypotheses", *files, *settings, "--output", folder / output, *more)


def test_translating_goes_on_where_it_was_stopped(teacher: Path) -> None:
    assert translate(teacher, "whole") == (0, "block 1 of 3\nblock 2 of 3\nblock 3 of 3\n")
    assert not (teacher / "state").exists()
    whole = (teacher / "whole").read_text()
    assert len(whole.splitlines()) == 40

    real, calls = model_file.translate, []

    def stopping(*arguments):
        calls.append(len(arguments[2]))
        if len(calls) == 2:
            raise ValueError("stopped")
        return real(*arguments)

    with mock.patch.object(model_file, "translate", stopping):
        assert translate(teacher, "resumed") == (1, "block 1 of 3\nerror: stopped\n")
        assert not (teacher / "resumed").exists()
        assert translate(teacher, "resumed") == (0, "block 2 of 3\nblock 3 of 3\n")
    assert calls == [16, 16, 16, 8]
    assert (teacher / "resumed").read_text() == whole


def test_in_bf16_one_copy_of_the_teacher_translates_every_block(teacher: Path) -> None:
    with mock.patch.object(model_file, "translate", wraps=model_file.translate) as calls:
        assert translate(teacher, "whole", "--precision", "bf16")[0] == 0
    (model,) = {call.args[0] for call in calls.call_args_list}
    assert calls.call_count == 3
    assert model.generator.weight.dtype == torch.bfloat16
