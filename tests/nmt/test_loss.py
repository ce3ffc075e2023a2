"""The chunked loss, with and without a teacher, against torch's own functions and autograd."""

import pytest
import torch
from torch.nn import functional as F

from tests.nmt.test_model import toy
from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.batches import Batch
from tzip.nmt.loss import ROWS, Distillation, Objective, smoothed_cross_entropy

SIZE = ROWS["cpu"] + 37  # more than one chunk, the last one short


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_equal_torch(smoothing):
    torch.manual_seed(0)
    layer = torch.nn.Linear(12, 31)
    hidden = torch.randn(SIZE, 12, requires_grad=True)
    target = torch.randint(31, (SIZE,))

    loss = smoothed_cross_entropy(hidden, layer, target, smoothing)
    (loss / SIZE).backward()
    gradients = [hidden.grad.clone(), layer.weight.grad.clone(), layer.bias.grad.clone()]

    for x in (hidden, layer.weight, layer.bias):
        x.grad = None
    expected = F.cross_entropy(layer(hidden), target, label_smoothing=smoothing)
    expected.backward()
    torch.testing.assert_close(loss / SIZE, expected)
    for gradient, reference in zip(gradients, [hidden.grad, layer.weight.grad, layer.bias.grad], strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize(("share", "temperature"), [(0.3, 2.0), (0.5, 1.0), (1.0, 4.0), (0.9, 0.5)])
def test_a_teachers_share_equals_its_formula_and_autograd(share, temperature):
    """Hinton et al. 2015: (1-w) · hard loss + w · T² · KL of the softened distributions, in float64."""
    torch.manual_seed(1)
    student, teacher = torch.nn.Linear(12, 31).double(), torch.nn.Linear(20, 31).double()
    hidden = torch.randn(SIZE, 12, dtype=torch.float64, requires_grad=True)
    states = 3 * torch.randn(SIZE, 20, dtype=torch.float64)
    target = torch.randint(31, (SIZE,))
    learning = [hidden, student.weight, student.bias]

    taught = Distillation((states, teacher.weight, teacher.bias), share, temperature)
    loss = smoothed_cross_entropy(hidden, student, target, 0.1, taught)
    gradients = torch.autograd.grad(loss, learning)

    wanted = (teacher(states).detach() / temperature).softmax(-1)
    log_p = (student(hidden) / temperature).log_softmax(-1)
    soft = temperature**2 * (wanted * (wanted.log() - log_p)).sum()
    hard = F.cross_entropy(student(hidden), target, label_smoothing=0.1, reduction="sum")
    expected = (1 - share) * hard + share * soft
    torch.testing.assert_close(loss, expected)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, learning), strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_most_likely_pieces_of_a_teacher_count_as_if_they_were_all(temperature):
    """Their probabilities, softened, have the sum 1 (Tan et al. 2019); the others have none."""
    torch.manual_seed(3)
    student, hidden = torch.nn.Linear(12, 31).double(), torch.randn(SIZE, 12, dtype=torch.float64, requires_grad=True)
    best = (3 * torch.randn(SIZE, 31, dtype=torch.float64)).log_softmax(-1).topk(5)
    target = torch.randint(31, (SIZE,))
    learning = [hidden, student.weight, student.bias]

    taught = Distillation((best.indices.int(), best.values), 0.4, temperature)
    loss = smoothed_cross_entropy(hidden, student, target, 0.1, taught)
    gradients = torch.autograd.grad(loss, learning)

    wanted = torch.zeros(SIZE, 31, dtype=torch.float64)
    wanted.scatter_(1, best.indices, (best.values / temperature).softmax(-1))
    log_p = (student(hidden) / temperature).log_softmax(-1)
    soft = temperature**2 * torch.special.xlogy(wanted, wanted).sub(wanted * log_p).sum()
    hard = F.cross_entropy(student(hidden), target, label_smoothing=0.1, reduction="sum")
    expected = 0.6 * hard + 0.4 * soft
    torch.testing.assert_close(loss, expected)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, learning), strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(temperature):
    student, teacher = toy(), toy()
    source, target = torch.tensor([[5, 6, END], [7, END, PAD]]), torch.tensor([[BEGIN, 8, END]] * 2)
    loss = Objective(student, 0.1, teacher, 1.0, temperature)(*Batch.of(source, target))
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert max(float(p.grad.abs().max()) for p in student.parameters()) < 1e-12
    assert all(p.grad is None for p in teacher.parameters())


def test_a_soft_teacher_matches_logits():
    """For a high temperature the gradient is that of the logits' squared distance (section 2.1)."""
    torch.manual_seed(2)
    student, teacher = torch.nn.Linear(6, 9).double(), torch.nn.Linear(6, 9).double()
    hidden = torch.randn(5, 6, dtype=torch.float64)
    taught = Distillation((hidden, teacher.weight, teacher.bias), 1.0, 1e4)
    loss = smoothed_cross_entropy(hidden, student, torch.randint(9, (5,)), 0.0, taught)
    (gradients,) = torch.autograd.grad(loss, student.weight)
    apart = student(hidden) - teacher(hidden)
    apart = apart - apart.mean(-1, keepdim=True)
    (expected,) = torch.autograd.grad((apart**2).sum() / 18, student.weight)
    torch.testing.assert_close(gradients, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_two_passes_agree_by_the_formula_and_autograd(share):
    """R-Drop, Liang et al. 2021: the loss of both, and α/2 of the divergences in both directions; in float64."""
    torch.manual_seed(4)
    student = torch.nn.Linear(12, 31).double()
    hidden = torch.randn(2 * SIZE, 12, dtype=torch.float64, requires_grad=True)
    target = torch.randint(31, (SIZE,)).repeat(2)
    best = (3 * torch.randn(SIZE, 31, dtype=torch.float64)).log_softmax(-1).topk(31)
    given = (best.indices.int().repeat(2, 1), best.values.repeat(2, 1))
    learning = [hidden, student.weight, student.bias]

    taught = Distillation(given, share, 2.0) if share else None
    loss = smoothed_cross_entropy(hidden, student, target, 0.1, taught, r_drop=3.0)
    gradients = torch.autograd.grad(loss, learning)

    log_p = student(hidden).log_softmax(-1)
    first, second = log_p.chunk(2)
    between = ((first.exp() - second.exp()) * (first - second)).sum()
    expected = smoothed_cross_entropy(hidden, student, target, 0.1, taught) + 3.0 / 2 * between
    torch.testing.assert_close(loss, expected)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, learning), strict=True):
        torch.testing.assert_close(gradient, reference)


@pytest.mark.parametrize("taught", [False, True])
def test_passes_without_dropout_agree_already(taught):
    """Then R-Drop's loss is that of one pass, and so are the gradients, also with a teacher's model."""
    model, teacher = toy(dropout=0.0), toy(d_model=8) if taught else None
    source, target = torch.tensor([[5, 6, END], [7, END, PAD]]), torch.tensor([[BEGIN, 8, END], [BEGIN, 9, END]])
    found = []
    for r_drop in (0.0, 5.0):
        model.zero_grad()
        loss = Objective(model.train(), 0.1, teacher, 0.5 * taught, r_drop=r_drop)(*Batch.of(source, target))
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in model.parameters())])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
