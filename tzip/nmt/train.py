"""One loop for training and fine-tuning: resumable at any update, the same weights as if never stopped."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tzip.data.pieces import Encoded
from tzip.device import autocast, enough_memory
from tzip.files import replacing
from tzip.nmt.batches import Batch, Stream, ahead
from tzip.nmt.checkpoint import exclusive, load_state, load_untied, save_state, untied
from tzip.nmt.dropout import Dropout, MaskPool, mixed
from tzip.nmt.journal import Journal
from tzip.nmt.loss import Objective
from tzip.nmt.options import Training
from tzip.nmt.teacher import frozen

SAVE_SECONDS = 60.0
SLOWEST = 1e-4  # of the learning rate asked for: what diverges even then has another fault
GOOD = 100  # updates between the states that a training with `backoff` may go back to
LATER = {"cpu": 1, "cuda": 20}  # updates whose losses a device may owe: to ask for each makes a GPU wait
MULTIPLE = 8  # of the lengths of a GPU's batches: what its products are quick with


def learning_rate(options: Training, d_model: int, update: int) -> float:
    """The learning rate of update 1, 2, ...: linear warm-up to a peak, then falling by the schedule.

    noam (Vaswani et al. 2017, equation 3) and inverse_sqrt fall as 1/sqrt(update); linear and cosine
    reach 0 one update after the last.
    """
    warm = min(options.warmup, max(options.updates, 1))
    peak = options.learning_rate or options.factor / math.sqrt(d_model * options.warmup)
    if update <= warm:
        return peak * update / (options.warmup if options.schedule in ("noam", "inverse_sqrt") else warm)
    if options.schedule in ("noam", "inverse_sqrt"):
        return peak * math.sqrt(options.warmup / update)
    left = 1 - (update - warm) / (options.updates + 1 - warm)
    return peak * (left if options.schedule == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))


@torch.no_grad()
def likelihood(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Mean negative log-likelihood of the target pieces, in nats, without dropout or smoothing."""
    objective = Objective(model, 0.0).eval()
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    for one in batches:
        total += float(objective(*one.to(device).parts())[1])
        tokens += one.tokens
    return total / max(tokens, 1)


def weights(model: nn.Module) -> list[np.ndarray]:
    """Every weight and buffer that is saved, tied ones once."""
    return [value.numpy() for value in untied(model.state_dict()).values()]


def digest(*arrays: np.ndarray) -> str:
    """One SHA-256 of all their bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


class Trainer:
    """The state of a training and the loop that advances it.

    model      a Transformer, or one with parametrized weights: its trainable parameters are trained
    data       encoded training pairs
    options    the training's Options
    seed       decides the batches and the dropout
    state      a folder of its own: the state to resume from, evaluated checkpoints, a lock
    evaluate   model → scores on the development set, {"loss": ..., "bleu": ...}; called every `every`
    on_update  called with the updates done so far before each update (a pruner's schedule)
    teacher    a trained Transformer of the same pieces on the same device, which is frozen; none is asked
               where options.teacher is 0
    log        JSON lines, one an evaluation or a hundredth of the training
    """

    def __init__(self, model: nn.Module, data: Encoded, options: Training, *, seed: int, state: Path,
                 log: Path, evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
                 on_update: Callable[[int], None] | None = None,
                 teacher: nn.Module | None = None):  # fmt: skip
        self.model, self.options, self.seed = model, options, seed
        self.state = Path(state)
        self.evaluate, self.on_update = evaluate, on_update
        self.teacher = frozen(teacher, model) if options.teacher else None
        self.device = next(model.parameters()).device
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.journal = Journal(Path(log), options.updates, writes=self.rank == 0)
        self.later = LATER.get(self.device.type, 1)
        multiple = MULTIPLE if self.device.type == "cuda" else 1
        self.stream = Stream(data, options.batch_tokens, seed, model.config.source_end, multiple)
        self.trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.trained.values(), betas=(options.beta1, options.beta2), weight_decay=options.weight_decay,
            lr=0.0, eps=1e-9, fused=True,
        )  # fmt: skip
        self.pool = None
        if self.device.type == "cpu" and not options.compile:
            self.pool = MaskPool(seed)
            for module in model.modules():
                if isinstance(module, Dropout):
                    module.pool = self.pool
        self.update = 0
        self.owed: list[tuple[Tensor, int]] = []  # losses that were not looked at, and their target tokens
        self.history: list[dict[str, Any]] = []  # evaluations, in order
        self.seconds = 0.0
        self.slower = 1.0  # what the learning rate is multiplied by, after `backoff`
        self.stopping = False
        self.identity = self._identify(data)

    # --- the loop

    def run(self) -> None:
        """Train to the last update or to early stopping, from the saved state if there is one.

        Ends the process with status 143 after saving when SIGTERM or SIGUSR1 arrives, as from a scheduler
        that wants the machine back.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with (
            exclusive(self.state / "lock") if self.rank == 0 else contextlib.nullcontext(),
            self._terminable(),
        ):
            self._resume()
            self._advance()
            if self.rank == 0:
                self._save()
            if self.options.average > 1 and self.history:
                self._average()

    def _advance(self) -> None:
        given = self.options
        objective: Any = Objective(self.model, given.smoothing, self.teacher, given.teacher,
                                   given.temperature, given.compile)  # fmt: skip
        if self.world > 1:
            objective = nn.parallel.DistributedDataParallel(objective)
        batches = self._batches()
        self.journal.begin(self.update, self.seconds)
        started, saved = time.monotonic() - self.seconds, time.monotonic()
        while self.update < self.options.updates and not self._done():
            if self.on_update:
                self.on_update(self.update)
            self._keep_good()
            micro = [next(batches) for _ in range(self.options.accumulate)]
            self.owed.append(self._step(objective, micro))
            self.update += 1
            evaluated = bool(given.every) and self.update % given.every == 0
            reported = evaluated or self.update % max(self.later, given.updates // 100) == 0
            if not (reported or self._due()):
                continue
            if not self._settle():
                batches = self._batches()
                continue
            self.seconds = time.monotonic() - started
            if reported:
                self.journal.report(self.update, self.seconds)
            if evaluated:
                self._evaluate()
            terminated = self._agree(self.stopping)
            if self.rank == 0 and (terminated or evaluated or time.monotonic() - saved > SAVE_SECONDS):
                self._save()
                saved = time.monotonic()
            if terminated:
                sys.exit(128 + signal.SIGTERM)
        self.journal.bar.close()
        if self.on_update:
            self.on_update(self.update)

    def _due(self) -> bool:
        """Whether it is time to look at the losses that are owed."""
        return self.update % self.later == 0 or self.update == self.options.updates

    def _settle(self) -> bool:
        """Look at the losses that are owed; False after one that diverged, and the way back from it."""
        owed, self.owed = self.owed, []
        losses = torch.stack([loss for loss, _ in owed])
        for i, (loss, (_, tokens)) in enumerate(zip(self._total(losses), owed, strict=True)):
            if self._diverged(loss / tokens):
                self.update -= len(owed) - i
                self._back_off(loss / tokens)
                return False
            self.journal.count(loss, tokens)
        return True

    def _batches(self) -> Iterator[Batch]:
        """This process's batches from the next update on."""
        batches = self.stream(self.update * self.options.accumulate * self.world + self.rank, self.world)
        return ahead(batches, self.device) if self.device.type == "cuda" else batches

    def _step(self, objective: nn.Module, micro: list[Batch]) -> tuple[Tensor, int]:
        """One update; the summed smoothed loss (nats) of this rank, unread, and the target tokens of all."""
        tokens = sum(one.tokens for one in micro)
        everywhere = self._total(tokens)
        rate = self.slower * learning_rate(self.options, self.model.config.d_model, self.update + 1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        summed = torch.zeros((), device=self.device)
        for i, one in enumerate(micro):
            last = i == len(micro) - 1
            self._sow(i * self.world + self.rank)
            quiet = contextlib.nullcontext() if self.world == 1 or last else objective.no_sync()
            with quiet, enough_memory(self.options.batch_tokens):
                with autocast(self.device, self.options.precision):
                    loss, _ = objective(*one.to(self.device).parts())
                (loss * (self.world / everywhere)).backward()  # DDP averages over ranks: undo, then per token
            summed += loss.detach()
        if self.options.clip:
            nn.utils.clip_grad_norm_(self.trained.values(), self.options.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return summed, everywhere

    def _sow(self, part: int) -> None:
        """Random numbers follow from the seed, the update and the number of the batch within it alone."""
        if self.pool is not None:
            self.pool.begin(self.update, part)
        torch.manual_seed(mixed(self.seed, self.update, part))

    def _evaluate(self) -> None:
        if self.rank == 0 and self.evaluate:
            self.model.eval()
            scores = self.evaluate(self.model)
            self.history.append({"update": self.update, **scores})
            self.journal.write(self.history[-1])
        if self.rank == 0 and self.options.average > 1:
            kept = [self.update - i * self.options.every for i in range(self.options.average)]
            with replacing(self._checkpoint(self.update)) as temporary:
                save_file(untied(self.model.state_dict()), temporary)
            for old in self.state.glob("checkpoint-*.safetensors"):
                if old not in map(self._checkpoint, kept):
                    old.unlink()
        if self.world > 1:
            shared = [self.history]
            dist.broadcast_object_list(shared, src=0)
            self.history = shared[0]

    def _done(self) -> bool:
        """Whether `patience` evaluations have passed without a better score."""
        if not self.options.patience or not self.history:
            return False
        sign = 1 if self.options.metric == "loss" else -1
        scores = [sign * one[self.options.metric] for one in self.history]
        return len(scores) - 1 - scores.index(min(scores)) >= self.options.patience

    @property
    def _state_file(self) -> Path:
        return self.state / "state.safetensors"

    @property
    def _good_file(self) -> Path:
        return self.state / "good.safetensors"

    def _checkpoint(self, update: int) -> Path:
        return self.state / f"checkpoint-{update}.safetensors"

    def _average(self) -> None:
        """Replace the weights by the mean of the last evaluated checkpoints."""
        last = [one["update"] for one in self.history][-self.options.average :]
        parts = [load_file(self._checkpoint(update)) for update in last]
        mean = {
            name: torch.stack([part[name].double() for part in parts]).mean(0).to(value.dtype)
            if value.is_floating_point() else value
            for name, value in parts[-1].items()
        }  # fmt: skip
        load_untied(self.model, mean)

    # --- divergence

    def _diverged(self, loss: float) -> bool:
        """Whether a mean loss (nats) is no number, or more than twice what guessing a piece costs."""
        return not loss <= 2 * math.log(self.model.config.targets)

    def _keep_good(self) -> None:
        """At fixed updates, for the clock shall not decide it: a state that `backoff` may go back to."""
        if self.options.backoff and self.rank == 0 and self.update % GOOD == 0:
            self._save(self._good_file)

    def _back_off(self, loss: float) -> None:
        """Go back to the last good state with a smaller learning rate; ValueError where none is wanted."""
        said = f"the loss is {loss:.3g} at update {self.update + 1}: the training has diverged"
        if not self.options.backoff:
            kept = f"; {self._state_file} keeps an earlier state" if self._state_file.exists() else ""
            raise ValueError(
                f"{said}{kept}; lower learning_rate, set clip, or set backoff to go on by itself"
            )
        slower = self.slower * self.options.backoff
        if slower < SLOWEST:
            raise ValueError(f"{said}, even at {self.slower:.2g} times learning_rate; look at the data")
        about = load_state(self._good_file, self.model, self.optimizer, self.identity)
        if about is None:
            raise ValueError(f"{said}; {self._good_file}, to go on from, is damaged")
        self.update, self.history = about["update"], about["history"]
        self.slower = slower
        self.journal.trim(self.update)
        if self.rank == 0:
            self._save(self._good_file)
            where = f"going on from update {self.update} with {self.slower:.2g} times learning_rate"
            print(f"{said}; {where}", file=sys.stderr)

    # --- several processes

    def _total(self, value: Any) -> Any:
        """A number, or those of a tensor as a list, summed over all processes."""
        if self.world > 1:
            total = torch.as_tensor(value, dtype=torch.float64, device=self.device)
            dist.all_reduce(total)
            value = total if isinstance(value, Tensor) else type(value)(total.item())
        return value.tolist() if isinstance(value, Tensor) else value

    def _agree(self, flag: bool) -> bool:
        return bool(self._total(int(flag)))

    # --- state on disk

    def _save(self, file: Path | None = None) -> None:
        about = {"update": self.update, "history": self.history, "seconds": self.seconds,
                 "slower": self.slower}  # fmt: skip
        save_state(file or self._state_file, self.model, self.optimizer, about, self.identity)

    def _resume(self) -> None:
        about = load_state(self._state_file, self.model, self.optimizer, self.identity)
        if about:
            self.update, self.history, self.seconds = about["update"], about["history"], about["seconds"]
            self.slower = about["slower"]

    def _identify(self, data: Encoded) -> str:
        """What must be the same for a saved state to be continued."""
        about = {**vars(self.options), "world": self.world, "threads": torch.get_num_threads()}
        about |= {"seed": self.seed, "start": digest(data.tokens, data.offsets, *weights(self.model))}
        if self.teacher is None:
            del about["teacher"], about["temperature"]
        else:
            about["teacher_weights"] = digest(*weights(self.teacher))
        return json.dumps(about, sort_keys=True)

    def finish(self) -> None:
        """Remove the state: what was trained is saved elsewhere."""
        if self.rank == 0:
            shutil.rmtree(self.state)

    @contextlib.contextmanager
    def _terminable(self):
        def stop(*_: Any) -> None:
            self.stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGUSR1)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
