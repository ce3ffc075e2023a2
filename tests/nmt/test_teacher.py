"""What a student has of its teacher: layers to begin with, and a share in the loss."""

import pytest
import torch

from tests.nmt.test_model import TOY, ids, toy
from tests.toys.data import toy_pairs
from tzip.data.pieces import BEGIN
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Training
from tzip.nmt.teacher import inherit, spread
from tzip.nmt.train import train


def test_as_deep_as_its_teacher_a_student_starts_as_its_copy():
    torch.manual_seed(1)
    student, teacher = Transformer(Config(**TOY)).double().eval(), toy()
    inherit(student, teacher)
    source, target = ids([5, 6, 7, 3]), ids([BEGIN, 8, 9])
    assert torch.equal(student(source, target), teacher(source, target))


def test_a_shallow_student_has_layers_of_its_teacher():
    teacher = toy(encoder_layers=5, decoder_layers=3)
    student = toy(encoder_layers=3, decoder_layers=1)
    inherit(student, teacher)
    available, copied = teacher.state_dict(), student.state_dict()
    for own, source in (
        ("encoder.0", "encoder.0"),
        ("encoder.1", "encoder.2"),
        ("encoder.2", "encoder.4"),
        ("decoder.0", "decoder.0"),
    ):
        for name in ("feed_forward.inner.weight", "self_attention_norm.bias"):
            assert torch.equal(copied[f"{own}.{name}"], available[f"{source}.{name}"])
    assert torch.equal(copied["generator.weight"], available["generator.weight"])
    weight = "encoder.0.feed_forward.inner.weight"
    assert copied[weight].data_ptr() != available[weight].data_ptr()


@pytest.mark.parametrize(
    ("count", "available", "numbers"), [(1, 6, [0]), (2, 6, [0, 5]), (3, 5, [0, 2, 4]), (3, 3, [0, 1, 2])]
)
def test_layers_are_spread_from_the_first_to_the_last(count, available, numbers):
    assert spread(count, available) == numbers


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"encoder_layers": 3}, "3 encoder layers cannot start from a teacher of 2"),
        ({"d_ff": 16}, "encoder.0.feed_forward.inner.weight is .16, 16., and the teacher has .32, 16."),
        ({"mixer": "convolution"}, "and the teacher has nothing"),
        ({"decoder_mixer": "ssru"}, "and the teacher has nothing"),
        ({"begin": "zeros"}, "begin = 'zeros', and the teacher's is 'embedded'"),
        ({"activation": "silu"}, "activation = 'silu', and the teacher's is 'relu'"),
        ({"positions": "halves"}, "positions = 'halves', and the teacher's is 'interleaved'"),
        ({"epsilon": 1e-6}, "epsilon = 1e-06, and the teacher's is 1e-05"),
        ({"heads": 4}, "heads = 4, and the teacher's is 2"),
    ],
)
def test_a_student_of_another_form_cannot_start_from_its_teacher(form, says):
    with pytest.raises(ValueError, match=says):
        inherit(toy(**form), toy())


def test_a_share_without_a_teacher_is_refused(tmp_path):
    data, student = toy_pairs(tmp_path / "toy"), Transformer(Config(**TOY))
    for teacher, says in (
        (None, "none is given; set it to 0"),
        (Transformer(Config(**TOY | {"vocabulary": 60})), "vocabulary has 60 pieces, 50 expected"),
    ):
        with pytest.raises(ValueError, match=says):
            train(student, data, Training(teacher=0.5), seed=1, folder=tmp_path, log=tmp_path, teacher=teacher)
