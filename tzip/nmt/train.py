"""One loop for training and fine-tuning: resumable at any update, the same weights as if never stopped."""

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tzip.data.pieces import Encoded
from tzip.nmt.batches import Batch, Stream, ahead
from tzip.nmt.checkpoint import load_untied
from tzip.nmt.device import autocast, enough_memory, total, world
from tzip.nmt.dropout import MaskPool, mixed, share_masks
from tzip.nmt.journal import Journal
from tzip.nmt.loss import Objective
from tzip.nmt.options import Training
from tzip.nmt.soft import SoftTargets
from tzip.nmt.state import State, average, exclusive, identify
from tzip.nmt.teacher import check_pieces

SAVE_SECONDS = 60.0  # between two saved states
READ_EVERY = {"cpu": 1, "cuda": 20}  # updates between readings of the loss: each makes a GPU wait
MULTIPLE = {"cpu": 1, "cuda": 8}  # of a batch's lengths: widths that a GPU multiplies fast


def train(
    model: nn.Module,
    data: Encoded,
    options: Training,
    *,
    seed: int,
    folder: Path,
    log: Path,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    on_update: Callable[[int], None] | None = None,
    teacher: nn.Module | SoftTargets | None = None,
) -> State:
    """Train to the last update or to early stopping, from the saved state if there is one.

    model      a Transformer, or one with parametrized weights: its trainable parameters are trained
    data       encoded training pairs
    seed       decides the batches and the dropout
    folder     of this training alone: the state to resume from, evaluated checkpoints, a lock
    log        JSON lines: one per evaluation and one per hundredth of the training
    evaluate   model → scores on the development set, {"loss": ..., "bleu": ...}; called every `every`
    on_update  called with the updates done so far before each update (a pruner's schedule) and at the end
    teacher    a trained Transformer of the same pieces on the same device, which is frozen, or what teachers
               said of `data`; not used where options.teacher is 0
    Ends the process with status 143 after saving when SIGTERM or SIGUSR1 arrives, as from a scheduler that
    wants the machine back. ValueError if the loss diverges; the last saved state stays.
    """
    here, (rank, processes) = next(model.parameters()).device, world()
    if options.teacher and teacher is None:
        raise ValueError("teacher is the share of a teacher in the loss, but none is given; set it to 0")
    teacher = teacher if options.teacher else None
    soft = teacher if isinstance(teacher, SoftTargets) else None
    frozen = teacher.eval().requires_grad_(False) if isinstance(teacher, nn.Module) else None
    if frozen:
        check_pieces(frozen, model)
    if soft:
        soft.check(model.config.targets)
    stream = Stream(data, options.batch_tokens, seed, model.config.source_end, MULTIPLE.get(here.type, 1), soft)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    betas, decay = (options.beta1, options.beta2), options.weight_decay
    optimizer = torch.optim.AdamW(trained, betas=betas, weight_decay=decay, lr=0.0, eps=1e-9, fused=True)
    masks = share_masks(model, seed) if here.type == "cpu" and not options.compile else None
    state = State(folder, model, optimizer, identify(options, data, model, teacher, seed))
    folder.mkdir(parents=True, exist_ok=True)
    lock = exclusive(folder / "lock") if rank == 0 else contextlib.nullcontext()
    with lock, signals(signal.SIGTERM, signal.SIGUSR1) as received:
        state.resume()
        if options.compile:
            torch.use_deterministic_algorithms(True)  # of the compiler too
        distilled = (frozen, options.teacher, options.temperature)
        objective = Objective(model, options.smoothing, *distilled, options.compile, options.r_drop)
        if processes > 1:
            objective = nn.parallel.DistributedDataParallel(objective)
        batches = stream(state.update * options.accumulate * processes + rank, processes)
        batches = ahead(batches, here) if here.type == "cuda" else batches
        journal = Journal(log, options.updates, state.update, state.seconds, writes=rank == 0)
        started, saved = time.monotonic() - state.seconds, time.monotonic()
        read_every = READ_EVERY.get(here.type, 1)
        unread: list[tuple[Tensor, int]] = []  # summed loss and target tokens of the updates since a reading

        while state.update < options.updates and not stops_early(state.history, options):
            if on_update:
                on_update(state.update)
            micro = [next(batches) for _ in range(options.accumulate)]
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(options, model.config.d_model, state.update + 1)
            model.train()
            unread.append(add_gradients(objective, micro, options, masks, seed, state.update))
            if options.clip:
                nn.utils.clip_grad_norm_(trained, options.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.update += 1

            evaluates = bool(options.every) and state.update % options.every == 0
            reports = evaluates or state.update % max(read_every, options.updates // 100) == 0
            if not (reports or state.update % read_every == 0 or state.update == options.updates):
                continue
            count_losses(journal, unread, state, 2 * math.log(model.config.targets))
            unread = []
            state.seconds = time.monotonic() - started
            if reports:
                journal.report(state.update, state.seconds)
            if evaluates:
                if rank == 0 and evaluate:
                    state.history.append({"update": state.update, **evaluate(model.eval())})
                    journal.write(state.history[-1])
                if rank == 0 and options.average > 1:
                    state.save_checkpoint([scores["update"] for scores in state.history[-options.average :]])
                if processes > 1:
                    shared = [state.history]
                    dist.broadcast_object_list(shared, src=0)
                    (state.history,) = shared
            stopping = any(total([len(received)], here))
            if rank == 0 and (stopping or evaluates or time.monotonic() - saved > SAVE_SECONDS):
                state.save()
                saved = time.monotonic()
            if stopping:
                sys.exit(128 + signal.SIGTERM)
        if on_update:
            on_update(state.update)
        if rank == 0:
            state.save()
        if options.average > 1 and state.history:
            last = [state.checkpoint(scores["update"]) for scores in state.history[-options.average :]]
            load_untied(model, average(last))
    return state


def add_gradients(
    objective: nn.Module, micro: Sequence[Batch], options: Training, masks: MaskPool | None, seed: int, update: int
) -> tuple[Tensor, int]:
    """The gradient of the mean loss per target token, over these batches and those of all other processes.

    Returns this process's summed loss (nats), not yet read from its device, and the target tokens of all.
    Random numbers follow from the seed, the update and the number of the batch within it alone.
    """
    here, (rank, processes) = next(objective.parameters()).device, world()
    (tokens,) = total([sum(batch.tokens for batch in micro)], here)
    summed = torch.zeros((), device=here)
    for i, batch in enumerate(micro):
        part = i * processes + rank
        if masks is not None:
            masks.begin(update, part)
        torch.manual_seed(mixed(seed, update, part))
        more = processes > 1 and i < len(micro) - 1  # gradients are exchanged with the last batch alone
        exchange = objective.no_sync() if more else contextlib.nullcontext()
        with exchange, enough_memory(options.batch_tokens):
            with autocast(here, options.precision):
                loss = objective(*batch.to(here))
            (loss * (processes / tokens)).backward()  # DDP averages over processes: undo, then per token
        summed += loss.detach()
    return summed, int(tokens)


def count_losses(journal: Journal, unread: Sequence[tuple[Tensor, int]], state: State, limit: float) -> None:
    """Read the losses of the last updates; ValueError for the first whose mean is no number or above `limit`.

    The limit (nats) is twice the cost of guessing a piece.
    """
    losses = torch.stack([loss for loss, _ in unread])
    update = state.update - len(unread)
    for loss, (_, tokens) in zip(total(losses, losses.device), unread, strict=True):
        update += 1
        if not loss / tokens <= limit:
            kept = f"; {state.file} keeps an earlier state" if state.file.exists() else ""
            said = f"the loss is {loss / tokens:.3g} at update {update}: the training has diverged{kept}"
            raise ValueError(f"{said}; lower learning_rate or set clip")
        journal.count(loss, tokens)


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


def stops_early(history: Sequence[dict[str, Any]], options: Training) -> bool:
    """Whether `patience` evaluations have passed without a better score."""
    if not options.patience or not history:
        return False
    sign = 1 if options.metric == "loss" else -1
    scores = [sign * scores[options.metric] for scores in history]
    return len(scores) - 1 - scores.index(min(scores)) >= options.patience


@torch.no_grad()
def likelihood(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Mean negative log-likelihood of the target pieces, in nats, without dropout or smoothing."""
    objective, here = Objective(model, 0.0).eval(), next(model.parameters()).device
    summed, tokens = 0.0, 0
    for batch in batches:
        summed += float(objective(*batch.to(here)))
        tokens += batch.tokens
    return summed / max(tokens, 1)


@contextlib.contextmanager
def signals(*numbers: signal.Signals) -> Iterator[list[int]]:
    """A list to which these signals are appended as they arrive, while the block runs."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda n, _: received.append(n)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
