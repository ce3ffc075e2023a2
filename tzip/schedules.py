"""When a pruner prunes how much: sparsity as a function of the update, whatever the saliency."""

from __future__ import annotations

from dataclasses import dataclass

from tzip.options import option

STEPS = 9  # cuts after the first one


@dataclass(frozen=True)
class Options:
    """The course of the sparsity while fine-tuning."""

    schedule: str = option(
        "one-shot",
        "all at once, or `start` at once and the rest in nine equal steps",
        choices=("one-shot", "stepwise"),
    )
    start: float = option(0.0, "sparsity of the first cut (stepwise)", low=0.0, high=1.0)
    end: float = option(0.5, "sparsity at the end: the share of weights that are pruned", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        if self.schedule == "one-shot" and self.start:
            raise ValueError(f"start = {self.start} has no meaning with schedule = one-shot; set end alone")
        if self.start > self.end:
            raise ValueError(f"start = {self.start} is more than end = {self.end}")


def sparsity(options: Options, update: int, updates: int) -> float:
    """The share of weights to be pruned before update `update`, counted from 0, of `updates`.

    stepwise is the paper's "Pruned X → Y": X at once, then (Y − X)/9 more after every `interval(updates)`
    updates. At `update == updates`, the end, every schedule has reached `end` exactly.
    """
    if options.schedule == "one-shot" or update >= updates:
        return options.end
    steps = update // interval(updates)
    return options.end if steps >= STEPS else options.start + (options.end - options.start) * steps / STEPS


def interval(updates: int) -> int:
    """Updates between two cuts: updates // 10 + 1, the paper's 1,001 of 10,000.

    In fewer than 100 updates that could leave none after the last cut, so it is shorter there.
    """
    return max(1, min(updates // 10 + 1, (updates - 1) // STEPS))
