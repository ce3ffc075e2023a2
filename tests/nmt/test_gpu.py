"""What only a GPU runs: with one, the real thing; without, a driver or a device that torch only pretends.

Not run without a GPU, and skipped by name below: pinned copies ahead of the training, its own kernels, NCCL, and
what a driver counts (memory, energy).
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.nmt.test_model import TOY
from tests.toys.data import toy_pairs
from tests.toys.training import fit, toy_teacher
from tzip.nmt import device
from tzip.nmt import model as network
from tzip.nmt.batches import Stream, ahead
from tzip.nmt.loss import Objective
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Search
from tzip.nmt.search import search
from tzip.nmt.teacher import soften

HERE = torch.cuda.is_available()
gpu = pytest.mark.skipif(not HERE, reason="no GPU here: its kernels, pinned copies, NCCL and counters are not run")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """A driver that has two GPUs; the list gets those that a process takes."""
    taken: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    monkeypatch.setattr(device, "Meter", lambda place: place)
    for name in ("LOCAL_RANK", "CUDA_VISIBLE_DEVICES", "WORLD_SIZE", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return taken


@pytest.mark.skipif(HERE, reason="there is a GPU here, which is used instead of a pretended one")
@pytest.mark.parametrize(
    ("given", "number"), [({"LOCAL_RANK": "1"}, 1), ({"LOCAL_RANK": "2"}, 0), ({"CUDA_VISIBLE_DEVICES": "1"}, 0)]
)
def test_a_process_takes_the_gpu_that_it_was_given(two_gpus, monkeypatch, given: dict, number: int) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert device.prepare(1) == torch.device("cuda", number) == two_gpus[0]
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(HERE, reason="there is a GPU here, which is used instead of a pretended one")
def test_else_it_takes_the_first_free_one(two_gpus, monkeypatch, tmp_path: Path) -> None:
    claimed = []
    monkeypatch.setattr(device, "claim", lambda count: claimed.append(count) or 1)
    assert device.prepare(1) == torch.device("cuda", 1) == two_gpus[0]
    assert claimed == [2]


@pytest.mark.parametrize("taught", [False, True])
def test_an_update_touches_no_tensor_of_another_device(tmp_path: Path, monkeypatch, taught: bool) -> None:
    """On `meta`, which has shapes without values, no autocast and, like a GPU, refuses what lies on the CPU."""
    monkeypatch.setattr(network, "compute_type", lambda x: x.dtype)
    data, here = toy_pairs(tmp_path / "toy"), torch.device("meta")
    soft = soften([toy_teacher()], data, 4) if taught else None
    batch = next(Stream(data, 200, 1, multiple=8, soft=soft)()).to(here)
    model = Transformer(Config(**TOY | {"dropout": 0.2})).to(here).train()
    objective = Objective(model, 0.1, share=0.5 if taught else 0.0)
    optimizer = torch.optim.AdamW(model.parameters())
    loss = objective(*batch)
    loss.backward()
    optimizer.step()
    assert loss.device == here
    assert all(parameter.grad.device == here for parameter in model.parameters())


@gpu
def test_batches_are_copied_ahead(tmp_path: Path) -> None:
    here, data = torch.device("cuda", 0), toy_pairs(tmp_path / "toy")
    stream = Stream(data, 200, 1, multiple=8, soft=soften([toy_teacher()], data, 4))
    for direct, prepared, _ in zip(stream(), ahead(stream(), here), range(9), strict=False):
        assert prepared.source.is_pinned()
        assert all(torch.equal(one, other.cpu()) for one, other in zip(direct, prepared.to(here), strict=True))


@gpu
def test_a_training_is_the_same_twice_and_near_that_of_a_processor(tmp_path: Path) -> None:
    here = device.prepare(1)

    def trained(name: str, place: torch.device | str) -> list[Tensor]:
        state = fit(tmp_path / name, dropout=0.0, precision="fp32", updates=8, place=place)
        return [parameter.detach().cpu() for parameter in state.model.parameters()]

    first, again, cpu = trained("first", here), trained("again", here), trained("cpu", "cpu")
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    apart = max(float((one - other).abs().max()) for one, other in zip(first, cpu, strict=True))
    assert apart < 1e-2
    assert device.footprint(here)["peak_gpu_memory_mb"] > 0
    assert device.describe(here)


@gpu
def test_translations_are_those_of_a_processor() -> None:
    model, sources = toy_teacher(), [[5, 6, 7], [8], [9, 10, 11, 12]]
    wanted = [[one.pieces for one in found] for found in search(model, sources, Search(beam=4, nbest=4))]
    found = search(model.to("cuda"), sources, Search(beam=4, nbest=4))
    assert [[one.pieces for one in beam] for beam in found] == wanted
