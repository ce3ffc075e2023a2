"""The state of a training on disk: what to resume from, evaluated checkpoints and their mean, a lock."""

import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tzip.data.pieces import Encoded
from tzip.files import lock, replacing
from tzip.nmt.checkpoint import load_untied, untied
from tzip.nmt.device import world
from tzip.nmt.options import Training
from tzip.nmt.soft import SoftTargets

VERSION = 2  # of a saved state; 1: with the factor of the learning rate of an option that is gone
PATIENCE = 20.0  # seconds to wait for the lock


class State:
    """A training's progress, with the model and the optimizer that it saves to `folder` and restores.

    identity  what must be the same for a saved state to be continued, see `identify`
    update    updates done
    history   scores of the evaluations, in order
    seconds   spent on training
    """

    def __init__(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, identity: str):
        self.folder, self.model, self.optimizer, self.identity = folder, model, optimizer, identity
        self.file = folder / "state.safetensors"
        self.update = 0
        self.history: list[dict[str, Any]] = []
        self.seconds = 0.0

    def save(self) -> None:
        """Write weights, the optimizer's moments and the progress to one file."""
        tensors = {f"model.{name}": value for name, value in untied(self.model.state_dict()).items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{key}": value for key, value in moments.items()}
        progress = {"update": self.update, "history": self.history, "seconds": self.seconds}
        metadata = {"progress": json.dumps(progress), "identity": self.identity}
        with replacing(self.file) as temporary:
            save_file(tensors, temporary, metadata=metadata)

    def resume(self) -> None:
        """Restore what `save` wrote, if anything.

        A damaged state, or one of another training (options, data, starting weights or version), is named
        on stderr and set aside as FILE.stale.
        """
        if not self.file.exists():
            return
        try:
            with safe_open(self.file, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata["identity"] != self.identity:
                raise ValueError("saved by a training with other options, data or starting weights")
            progress = json.loads(metadata["progress"])
            moments: dict[int, dict[str, Tensor]] = {}
            for name in [name for name in tensors if name.startswith("optimizer.")]:
                _, i, key = name.split(".")
                moments.setdefault(int(i), {})[key] = tensors.pop(name)
            load_untied(self.model, {n.removeprefix("model."): tensor for n, tensor in tensors.items()})
        except (SafetensorError, KeyError, ValueError) as error:
            aside = self.file.with_name(f"{self.file.name}.stale")
            print(f"{self.file}: {error}; starting over, what was there is now {aside.name}", file=sys.stderr)
            with contextlib.suppress(FileNotFoundError):  # another process of this training was faster
                self.file.replace(aside)
            return
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        self.update, self.history, self.seconds = (progress[k] for k in ("update", "history", "seconds"))

    def checkpoint(self, update: int) -> Path:
        return self.folder / f"checkpoint-{update}.safetensors"

    def save_checkpoint(self, keep: Sequence[int]) -> None:
        """Write the weights as they are now; of earlier checkpoints, those of the updates `keep` stay."""
        with replacing(self.checkpoint(self.update)) as temporary:
            save_file(untied(self.model.state_dict()), temporary)
        for path in self.folder.glob("checkpoint-*.safetensors"):
            if path not in [self.checkpoint(update) for update in (self.update, *keep)]:
                path.unlink()

    def remove(self) -> None:
        """Remove the folder: what was trained is saved elsewhere."""
        shutil.rmtree(self.folder)


def average(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights in several files, tensor by tensor; of integers, the last file's."""
    files = [load_file(path) for path in paths]
    return {
        name: torch.stack([file[name].double() for file in files]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in files[-1].items()
    }


def identify(
    options: Training, data: Encoded, model: nn.Module, teacher: nn.Module | SoftTargets | None, seed: int
) -> str:
    """JSON of all that a training follows from; options of a teacher do not count without one."""
    about = {**vars(options), "seed": seed, "version": VERSION, "threads": torch.get_num_threads(), "world": world()[1]}
    about |= {"data": digest(data.tokens, data.offsets), "start": digest(*untied(model.state_dict()).values())}
    if teacher is None:
        del about["teacher"], about["temperature"], about["top"]
    elif isinstance(teacher, SoftTargets):
        about["soft_targets"] = digest(teacher.entries)
    else:
        del about["top"]
        about["teacher_weights"] = digest(*untied(teacher.state_dict()).values())
    return json.dumps(about, sort_keys=True)


def digest(*arrays: Any) -> str:
    """One SHA-256 of the bytes of all arrays or tensors."""
    result = hashlib.sha256()
    for array in arrays:
        result.update(np.ascontiguousarray(array))
    return result.hexdigest()


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    ValueError if another process holds it for PATIENCE seconds: one that is ending saves its state first.
    """
    with open(path, "a", encoding="utf-8") as file:
        deadline = time.monotonic() + PATIENCE
        while not lock(file.fileno(), path):
            if time.monotonic() > deadline:
                raise ValueError(f"{path}: another process is training here")
            time.sleep(0.1)
        yield
