"""When a pruner prunes how much, and how the tensors share it: whatever the saliency."""

from __future__ import annotations

from dataclasses import dataclass

from tzip.options import option

STEPS = 9  # cuts after the first one


@dataclass(frozen=True)
class Options:
    """The course of the sparsity while fine-tuning, and its distribution."""

    schedule: str = option(
        "one-shot",
        "all at once; `start` at once and the rest in nine equal steps; or ever smaller steps (cubic)",
        choices=("one-shot", "stepwise", "gradual"),
    )
    start: float = option(0.0, "sparsity of the first cut (stepwise, gradual)", low=0.0, high=1.0)
    end: float = option(0.5, "sparsity at the end: the share of weights that are pruned", low=0.0, high=1.0)
    recovery: float = option(
        0.3, "share of the updates that is left after the last cut (gradual)", low=0.0, high=1.0
    )
    select: str = option(
        "uniform",
        "how tensors share the sparsity: each the same; by one threshold for all; by one in units of each "
        "tensor's standard deviation (class-uniform, class-blind, class-distribution)",
        choices=("uniform", "blind", "distribution"),
    )
    quality: float = option(
        0.0, "threshold in standard deviations (select = distribution), instead of `end`; 0 = `end`", low=0.0
    )
    dropout: str = option(
        "kept",
        "dropout while fine-tuning; scaled: by the root of the share of weights left",
        choices=("kept", "scaled"),
    )

    def __post_init__(self) -> None:
        if self.schedule == "one-shot" and self.start:
            raise ValueError(f"start = {self.start} has no meaning with schedule = one-shot; set end alone")
        if self.start > self.end:
            raise ValueError(f"start = {self.start} is more than end = {self.end}")
        if self.quality and self.select != "distribution":
            raise ValueError(f"quality = {self.quality} has no meaning with select = {self.select}")


def sparsity(options: Options, update: int, updates: int) -> float:
    """The share of weights to be pruned before update `update`, counted from 0, of `updates`.

    stepwise is the paper's "Pruned X → Y": X at once, then (Y − X)/9 more after every `interval(updates)`
    updates. gradual is s_t = s_f + (s_i − s_f)(1 − t/(nΔt))³ (Zhu & Gupta 2017, arXiv 1710.01878, equation 1;
    Gale et al. 2019, arXiv 1902.09574), t the last multiple of Δt, the hundredth part of the updates, and
    nΔt where the recovery begins. At `update == updates`, the end, every schedule has reached `end` exactly.
    """
    if options.schedule == "one-shot" or update >= updates:
        return options.end
    if options.schedule == "gradual":
        step = max(1, updates // 100)
        last = max(1, round(updates * (1 - options.recovery)) // step)  # n
        left = max(0.0, 1 - update // step / last)
        return options.end + (options.start - options.end) * left**3
    steps = update // interval(updates)
    return options.end if steps >= STEPS else options.start + (options.end - options.start) * steps / STEPS


def interval(updates: int) -> int:
    """Updates between two cuts: updates // 10 + 1, the paper's 1,001 of 10,000.

    In fewer than 100 updates that could leave none after the last cut, so it is shorter there.
    """
    return max(1, min(updates // 10 + 1, (updates - 1) // STEPS))
