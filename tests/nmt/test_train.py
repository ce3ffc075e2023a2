"""Training: it learns, resumes to the same bytes however it was stopped, and two processes agree with one."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.nmt.test_model import TOY
from tests.toys.data import toy_pairs
from tests.toys.training import fit, toy_teacher
from tests.toys.waiting import wait_for
from tzip.nmt import checkpoint, device, journal, state, train
from tzip.nmt.batches import Stream
from tzip.nmt.loss import Objective
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Training
from tzip.nmt.train import learning_rate

ROOT = Path(__file__).parents[2]
WEIGHTS = "checkpoint/model.safetensors"
LAST = {"every": 0, "average": 1}  # the last weights, without evaluations


@pytest.fixture(autouse=True)
def _one_thread():
    device.prepare(1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The weights of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    device.prepare(1)
    fit(folder)
    return (folder / WEIGHTS).read_bytes()


def start(folder: Path, pause: float, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.toys.training", str(folder), str(pause), *more]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_update(folder: Path, process: subprocess.Popen, update: int) -> None:
    """Until the log tells of `update`."""
    log = folder / "log.jsonl"

    def there() -> bool:
        done = log.exists() and f'"update": {update},' in log.read_text()
        assert done or process.poll() is None, process.stderr.read()
        return done

    wait_for(there)


def test_it_learns_to_reverse(tmp_path):
    shape = {"updates": 400, "every": 100, "average": 1, "warmup": 40, "schedule": "linear"}
    history = fit(tmp_path, dropout=0.0, learning_rate=1e-2, **shape).history
    assert history[-1]["loss"] < 0.5 < history[0]["loss"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_stopped_and_resumed_gives_the_same_bytes(tmp_path, undisturbed, how):
    process = start(tmp_path, 0.1)
    wait_for_update(tmp_path, process, 10)
    process.send_signal(how)
    assert process.wait(60) == (-signal.SIGKILL if how == signal.SIGKILL else 128 + signal.SIGTERM)
    assert not (tmp_path / WEIGHTS).exists()
    resumed = start(tmp_path, 0.0)
    assert resumed.wait(120) == 0, resumed.stderr.read()
    assert (tmp_path / WEIGHTS).read_bytes() == undisturbed
    updates = [json.loads(line)["update"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert updates == sorted(updates)


def test_a_full_disk_loses_nothing(tmp_path, undisturbed):
    """A file-size limit stands for the full disk: the state cannot be written, what was there stays."""
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        f"sys.argv = ['t', '{tmp_path}', '0']; runpy.run_module('tests.toys.training', run_name='__main__')"
    )
    failed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode != 0
    assert not (tmp_path / "state" / "state.safetensors").exists()
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["lock"]
    assert start(tmp_path, 0.0).wait(120) == 0
    assert (tmp_path / WEIGHTS).read_bytes() == undisturbed


def test_finished_training_is_not_repeated(tmp_path, undisturbed):
    fit(tmp_path)
    assert fit(tmp_path).update == 24
    assert (tmp_path / WEIGHTS).read_bytes() == undisturbed


@pytest.mark.parametrize("other", [{"updates": 3}, {"taught_by": 3}, {"version": 1}], ids=str)
def test_state_of_another_training_teacher_or_version_is_set_aside(tmp_path, monkeypatch, capsys, other):
    options = {"updates": 2, "teacher": 0.5} | LAST
    fit(tmp_path, **options)
    assert fit(tmp_path, **options).update == 2
    assert "starting over" not in capsys.readouterr().err
    monkeypatch.setattr(state, "VERSION", other.pop("version", state.VERSION))
    options |= other
    assert fit(tmp_path, **options).update == options["updates"]
    assert "saved by a training with other options" in capsys.readouterr().err
    assert (tmp_path / "state" / "state.safetensors.stale").exists()


def test_without_a_share_the_teacher_changes_nothing(tmp_path, undisturbed):
    """Not even which state can be resumed: the temperature is of no account either."""
    plain, other = (fit(tmp_path / name, temperature=t) for name, t in (("plain", 1.0), ("other", 4.0)))
    assert plain.identity == other.identity
    assert (tmp_path / "other" / WEIGHTS).read_bytes() == undisturbed


def test_a_teacher_pulls_towards_itself(tmp_path):
    """A training whose loss is the teacher's alone ends nearer to its distributions (KL on one batch)."""
    settings = {"updates": 100, "learning_rate": 1e-2, "dropout": 0.0} | LAST
    batch = next(Stream(toy_pairs(tmp_path / "toy"), 200, 1)())
    apart = []
    for share in (1e-9, 1.0):
        student = fit(tmp_path / str(share), teacher=share, **settings).model.eval()
        with torch.no_grad():
            apart.append(float(Objective(student, 0.0, toy_teacher(), 1.0)(*batch)))
    assert 0 < apart[1] < 0.5 * apart[0]


def test_damaged_state_is_set_aside(tmp_path, undisturbed, capsys):
    fit(tmp_path)
    state = tmp_path / "state" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    fit(tmp_path)
    assert "starting over" in capsys.readouterr().err
    assert (tmp_path / WEIGHTS).read_bytes() == undisturbed


def test_two_trainings_do_not_share_a_state(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "PATIENCE", 0.5)
    process = start(tmp_path, 0.2)
    try:
        wait_for_update(tmp_path, process, 2)
        with pytest.raises(ValueError, match="another process is training here"):
            fit(tmp_path)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("teacher", [0.0, 0.5])
def test_two_processes_equal_one(tmp_path, teacher):
    """torchrun with two processes of one batch each = one process that accumulates two."""
    launcher = "-m torch.distributed.run --nproc-per-node=2 --rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:0"
    arguments = [*launcher.split(), "-m", "tests.toys.training", str(tmp_path / "two"), "0"]
    command = [sys.executable, *arguments, "precision=fp32", f"teacher={teacher}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    fit(tmp_path / "one", accumulate=2, precision="fp32", teacher=teacher)
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    first = load_file(tmp_path / "one" / "state" / "checkpoint-16.safetensors")
    assert not torch.allclose(one["source_embedding.weight"], first["source_embedding.weight"], atol=1e-3)


def test_early_stopping_keeps_to_its_patience(tmp_path):
    end = {"updates": 1000, "every": 1, "patience": 3, "average": 1}
    stopped = fit(tmp_path, learning_rate=0.4, warmup=1, schedule="linear", **end)
    losses = [scores["loss"] for scores in stopped.history]
    assert len(losses) - 1 - losses.index(min(losses)) == 3
    assert stopped.update < 1000


def test_average_is_the_mean_of_the_last_checkpoints(tmp_path):
    fit(tmp_path)
    parts = [load_file(tmp_path / "state" / f"checkpoint-{u}.safetensors") for u in (16, 24)]
    mean, _ = checkpoint.load(tmp_path / "checkpoint")
    for name, value in mean.named_parameters():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2, rtol=1e-6, atol=1e-7)


def test_learning_rates():
    noam = Training(schedule="noam", warmup=50, factor=0.01, updates=10000)
    assert learning_rate(noam, 512, 50) == pytest.approx(0.01 * 512**-0.5 * 50**-0.5)
    assert learning_rate(noam, 512, 10) == pytest.approx(0.01 * 512**-0.5 * 10 * 50**-1.5)
    assert learning_rate(noam, 512, 5000) == pytest.approx(0.01 * 512**-0.5 * 5000**-0.5)
    peak = {"learning_rate": 1e-3, "warmup": 10, "updates": 110}
    inverse = Training(schedule="inverse_sqrt", **peak)
    assert learning_rate(inverse, 512, 40) == pytest.approx(5e-4)
    for schedule in ("linear", "cosine"):
        options = Training(schedule=schedule, **peak)
        assert learning_rate(options, 512, 5) == pytest.approx(5e-4)
        assert learning_rate(options, 512, 60) == pytest.approx(5e-4, rel=0.05)
        assert 0 < learning_rate(options, 512, 110) < 2e-5


def test_options_that_contradict_are_refused():
    with pytest.raises(ValueError, match="set every"):
        Training(average=3)


EXPLODING = {"updates": 230, "schedule": "linear", "warmup": 150, "learning_rate": 30.0} | LAST


def test_a_training_that_diverges_stops_and_keeps_its_last_good_state(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)
    with pytest.raises(ValueError, match=r"the loss is \S+ at update \d+: .* keeps an earlier state; lower"):
        fit(tmp_path, **EXPLODING)
    kept = load_file(tmp_path / "state" / "state.safetensors")
    assert all(torch.isfinite(value).all() for value in kept.values())


def test_losses_that_are_looked_at_later_change_nothing(tmp_path, monkeypatch, undisturbed):
    """As on a GPU, where they are looked at now and then."""
    monkeypatch.setitem(train.READ_EVERY, "cpu", 7)
    fit(tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == undisturbed


def test_compiled_it_trains_the_same(tmp_path, monkeypatch):
    """Traced as for a GPU, all shapes at once, and run by PyTorch's own kernels: no compiler is needed."""
    traced = functools.partial(torch.compile, backend="aot_eager")
    for folder, how in (("plain", lambda function, **_: function), ("traced", traced)):
        monkeypatch.setattr(torch, "compile", how)
        fit(tmp_path / folder, dropout=0.0, compile=True, updates=8)
    plain, compiled = (load_file(tmp_path / folder / WEIGHTS) for folder in ("plain", "traced"))
    for name, weight in plain.items():
        if not name.endswith("key.bias"):  # its gradient is rounding noise, which AdamW scales up
            torch.testing.assert_close(compiled[name], weight, atol=1e-5, rtol=1e-4)


def test_in_multiples_the_longest_sentence_still_fits(tmp_path, monkeypatch):
    data = toy_pairs(tmp_path / "toy")
    model = Transformer(Config(**TOY, max_length=int(data.lengths().max()) + 1))
    monkeypatch.setitem(train.MULTIPLE, "cpu", train.MULTIPLE["cuda"])
    assert model.config.max_length % train.MULTIPLE["cpu"]
    train.train(model, data, Training(updates=20), seed=1, folder=tmp_path, log=tmp_path / "log")


def test_looked_at_later_a_divergence_is_told_with_its_own_update(tmp_path, monkeypatch):
    messages = []
    for folder in ("soon", "later"):
        with pytest.raises(ValueError, match=r"at update \d+: the training has diverged") as error:
            fit(tmp_path / folder, **EXPLODING)
        messages.append(str(error.value).split(":")[0])
        monkeypatch.setitem(train.READ_EVERY, "cpu", 7)
    assert messages[0] == messages[1]


def test_a_training_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(journal, "SHOWN_EVERY", -1)
    fit(tmp_path, **LAST, updates=4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training: 4 updates"
    assert re.fullmatch(r"update 4 of 4, loss \d\.\d{3}, about 0 min left", lines[-1])
    assert len(lines) == 5
