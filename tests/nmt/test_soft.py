"""What teachers say of a text, kept in a file, against the teachers themselves."""

import numpy as np
import pytest
import torch

from tests.nmt.test_model import TOY
from tests.toys.data import toy_pairs
from tests.toys.training import fit, toy_teacher
from tzip.nmt.batches import Stream, batch
from tzip.nmt.loss import Objective
from tzip.nmt.soft import SoftTargets
from tzip.nmt.teacher import soften

WHOLE = TOY["vocabulary"]


def test_entries_are_the_teachers_most_likely_pieces_at_each_position(tmp_path):
    data, teacher = toy_pairs(tmp_path / "toy"), toy_teacher()
    soft = soften([teacher], data, 3)
    assert len(soft.entries) == data.lengths()[:, 1].sum() + len(data)
    for row in (0, 7, len(data) - 1):
        pair = batch(data, np.array([row]))
        best = teacher(pair.source, pair.target[:, :-1])[0].log_softmax(-1).topk(3)
        pieces, logs = soft.of(np.array([row]))
        assert torch.equal(pieces.long(), best.indices)
        torch.testing.assert_close(logs, best.values, rtol=1e-3, atol=1e-4)  # kept as float16


def test_several_teachers_are_the_mean_of_their_probabilities(tmp_path):
    data, teachers = toy_pairs(tmp_path / "toy"), [toy_teacher(2), toy_teacher(3)]
    soft = soften(teachers, data, WHOLE)
    pair = batch(data, np.array([4]))
    mean = sum(teacher(pair.source, pair.target[:, :-1])[0].softmax(-1) for teacher in teachers) / 2
    pieces, logs = soft.of(np.array([4]))
    torch.testing.assert_close(logs, mean.log().gather(1, pieces.long()), rtol=1e-3, atol=1e-4)


def test_with_all_pieces_the_loss_is_that_of_the_teacher_itself(tmp_path):
    data, teacher = toy_pairs(tmp_path / "toy"), toy_teacher()
    soft = soften([teacher], data, WHOLE)
    student = toy_teacher(5)
    exact, kept = Objective(student, 0.1, teacher, 0.7, 2.0), Objective(student, 0.1, None, 0.7, 2.0)
    plain, taught = next(Stream(data, 200, 1)()), next(Stream(data, 200, 1, soft=soft)())
    torch.testing.assert_close(kept(*taught), exact(*plain), rtol=1e-4, atol=0)


def test_a_file_gives_the_same_training_as_what_is_in_memory(tmp_path):
    def trained(name: str, soft: SoftTargets) -> bytes:
        fit(tmp_path / name, by=soft, updates=4, teacher=0.5, top=4, every=0, average=1)
        return (tmp_path / name / "checkpoint" / "model.safetensors").read_bytes()

    data = toy_pairs(tmp_path / "toy")
    soft = soften([toy_teacher()], data, 6)
    soft.save(tmp_path / "soft.npy")
    read = SoftTargets.load(tmp_path / "soft.npy", data, 4)
    assert trained("read", read) == trained("made", soften([toy_teacher()], data, 4))
    assert trained("read", read) != trained("other", soften([toy_teacher(3)], data, 4))


def test_what_does_not_belong_to_the_text_is_refused(tmp_path):
    data = toy_pairs(tmp_path / "toy")
    soft, path = soften([toy_teacher()], data, 2), tmp_path / "soft.npy"
    for entries, says in (
        (soft.entries, "top = 3, but soft targets of 2 pieces"),
        (np.concatenate([soft.entries] * 2, axis=1)[:-1], "the text has"),
        (np.zeros((len(soft.entries), 4)), "of float64: the text has"),
        (np.zeros(3, "<i4"), "the text has"),
    ):
        np.save(path, entries)
        with pytest.raises(ValueError, match=f"{path}.*{says}"):
            SoftTargets.load(path, data, 3)
    for wrong in (WHOLE, -1):  # of another vocabulary, or damaged
        other = soft.entries.copy()
        other["piece"][5, 1] = wrong
        with pytest.raises(ValueError, match=f"name piece {wrong}, of a vocabulary of {WHOLE}"):
            fit(tmp_path / "other", by=SoftTargets(other, data), updates=1, teacher=0.5, top=2, every=0, average=1)
    path.write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"soft\.npy"):
        SoftTargets.load(path, data, 3)
    with pytest.raises(ValueError, match=f"top = 99 is not from 1 to the vocabulary's {WHOLE} pieces"):
        soften([toy_teacher()], data, 99)
