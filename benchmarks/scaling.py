"""What the paper's run costs on 1, 4 and 8 GPUs and as SLURM jobs: hours, memory and bytes, as tables.

    python benchmarks/scaling.py benchmarks/measured/one-core.json

The arguments are what benchmarks/gpu.py measured. Where none of them is a GPU's, its columns stand on the
speeds that --assume names. The run is config/wmt.yaml after config/wmt-train.yaml. More GPUs share one batch,
so that the updates are the same; to the time of its part each adds the exchange of all gradients, none of it
hidden, and a part is taken to be as quick, token for token, as the whole batch: small parts are slower than
that. What a model keeps for its backward pass is counted on shapes alone, as in bf16 on a GPU, without one.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from gpu import newstest
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from tzip.config.site import REPORT, VARIANT, Site
from tzip.files import read_json
from tzip.nmt import model
from tzip.nmt.batches import groups
from tzip.nmt.loss import ROWS, Objective
from tzip.nmt.options import Config, configure

ROOT = Path(__file__).parent.parent
ASSUMED = (600_000.0, 20_000.0, 5_000.0)  # tokens/s of training and fine-tuning, sentences/s
SPEEDS = ("training_tokens_per_second", "finetuning_tokens_per_second", "sentences_per_second")
MEASURES = (
    ("training, target tokens/s", "600,000", SPEEDS[0], "{:,.0f}", 1),
    ("its share of the products' peak, %", "–", "training_share_of_peak", "{:.0f}", 100),
    ("the products' peak, TFLOP/s", "–", "product_flops", "{:.2f}", 1e-12),
    ("fine-tuning, target tokens/s", "–", SPEEDS[1], "{:,.0f}", 1),
    ("translating, sentences/s", "5,000", SPEEDS[2], "{:,.1f}", 1),
    ("k-means of all matrices, 4 bits, s", "2; 10 on two cores", "kmeans_seconds", "{:.1f}", 1),
)
GPUS = (1, 4, 8)
PAIRS = 4_500_000
SENTENCES = 3004 + 3003  # of newstest2017 and newstest2014
TEXT_BYTES = 112 + 125  # of a pair of newstest2017, line ends included: wc --bytes
ON_GPU = ("train", "compress_baseline", "translate_baseline")
LENGTH = 32  # of the sentences whose activations are counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", nargs="*", type=Path, help="what benchmarks/gpu.py --output wrote")
    parser.add_argument(
        "--assume",
        nargs=3,
        type=float,
        default=ASSUMED,
        metavar=("TRAINING", "FINETUNING", "TRANSLATING"),
        help="tokens/s, tokens/s and sentences/s of a GPU that was not measured [600000 20000 5000]",
    )
    parser.add_argument("--link", type=float, default=100.0, help="GB/s between GPUs, each way [100]")
    args = parser.parse_args()
    found = {named(one): one for one in map(measured, args.measured)}
    speeds = {name: tuple(one[key] for key in SPEEDS) for name, one in found.items()}
    if not any(name.startswith("GPU") for name in speeds):
        speeds["GPU, assumed"] = tuple(args.assume)
    run = Run()
    print(measures(found), hours(run, speeds, args.link), memory(run), disk(run), jobs(), sep="\n")


def measured(path: Path) -> dict[str, Any]:
    """What benchmarks/gpu.py measured, if that was all of it, on the run's own model."""
    found = read_json(path) if path.exists() else {}
    if lacking := [key for key in SPEEDS if key not in found]:
        raise SystemExit(f"error: {path}: no {lacking[0]}; benchmarks/gpu.py measures it, on a CPU with --cpu")
    if found["preset"] != "base":
        raise SystemExit(f"error: {path}: preset = {found['preset']}; the run's model is base")
    return found


class Run:
    """The sizes of the run, from its configuration."""

    def __init__(self) -> None:
        default, wmt, trained = (
            yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
            for name in ("config.yaml", "config/wmt.yaml", "config/wmt-train.yaml")
        )
        self.training, self.finetuning = trained["training"], wmt["finetune"]
        self.config = configure({**trained["model"], "vocabulary": trained["pieces"]["size"]})
        with torch.device("meta"):
            self.weights = sum(value.numel() for value in model.Transformer(self.config).parameters())
        plans = {row: default["variants"][row] for row in default["rows"]}
        self.rows = len(plans)
        self.tuned = sum(bool(plan) and plan.get("finetune", {}).get("updates") != 0 for plan in plans.values())
        self.lengths = newstest(200_000)

    def tokens(self, given: dict[str, Any]) -> float:
        """Target tokens of a training or fine-tuning: its batches, less what is padding."""
        batches = len(groups(self.lengths, given["batch_tokens"], 1))
        each = (self.lengths[:, 1] + 1).sum() / batches
        return given["updates"] * given.get("accumulate", 1) * each

    @property
    def size(self) -> int:
        """Bytes of all weights, or of their gradients, in float32."""
        return 4 * self.weights

    def sent(self, gpus: int) -> float:
        """Bytes that each of so many GPUs sends in an update: gradients around a ring, there and back."""
        return 2 * (gpus - 1) / gpus * self.size


def named(found: dict[str, Any]) -> str:
    """What a measurement is called."""
    if found["device"].startswith("CPU"):
        return f"{found['threads']} core{'s' * (found['threads'] > 1)}, measured"
    return f"GPU, measured ({found['device']})"


def measures(found: dict[str, dict[str, Any]]) -> str:
    """What was measured, beside the marks."""
    rows = [
        [label, mark, *(form.format(scale * one[key]) for one in found.values())]
        for label, mark, key, form, scale in MEASURES
    ]
    return table(["`base`", "mark, one H200", *found], rows)


def hours(run: Run, speeds: dict[str, tuple[float, float, float]], link: float) -> str:
    """Wall hours of each step, and GPU-hours of all, a column for each number of GPUs."""
    heads, columns = [], []
    for name, (train, tune, translate) in speeds.items():
        for gpus in GPUS if name.startswith("GPU") else (1,):
            shared = run.sent(gpus) / (link * 1e9) * run.training["updates"]
            rounds = -(-run.tuned // gpus)
            steps = [
                run.tokens(run.training) / train / gpus + shared,
                rounds * run.tokens(run.finetuning) / tune,
                -(-run.rows // gpus) * SENTENCES / translate,
            ]
            heads.append(re.sub("^GPU", f"{gpus} GPU{'s' * (gpus > 1)}", name))
            columns.append([*map(told, steps), told(sum(steps) * gpus)])
    labels = [
        f"training, {run.tokens(run.training):,.0f} tokens",
        f"fine-tuning, {run.tuned} rows of {run.tokens(run.finetuning):,.0f} tokens",
        f"translating, {run.rows} rows of {SENTENCES:,} sentences",
        "device-hours of all",
    ]
    rows = [list(row) for row in zip(labels, *columns, strict=True)]
    return table(["hours", *heads], rows)


def told(seconds: float) -> str:
    """Hours."""
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


class AsCUDA(TorchFunctionMode):
    """What autocast computes in float32 on a GPU, and on a CPU in bf16."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (torch.nn.functional.layer_norm, torch.Tensor.softmax):
            args = (args[0].float(), *args[1:])
        return function(*args, **(kwargs or {}))


def kept(config: Config, sentences: int, real: bool = False) -> int:
    """Bytes that a backward pass needs of so many pairs of LENGTH pieces, of what is no weight.

    real  whether the pass is done, instead of followed on shapes alone
    """
    with contextlib.nullcontext() if real else FakeTensorMode():
        network = model.Transformer(config).train()
        own = {value.untyped_storage()._cdata for value in network.parameters()}
        held: dict[int, Any] = {}

        def pack(value: torch.Tensor) -> torch.Tensor:
            if value.untyped_storage()._cdata not in own:
                held[value.untyped_storage()._cdata] = value.untyped_storage()
            return value

        source, target = (torch.ones(sentences, LENGTH + i, dtype=torch.long) for i in (0, 1))
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value),
            torch.autocast("cpu", torch.bfloat16),
            AsCUDA(),
        ):
            Objective(network, 0.1)(source, target, torch.arange(sentences * LENGTH))
        return sum(storage.nbytes() for storage in held.values())


def memory(run: Run) -> str:
    """GB that a GPU holds while it trains."""
    state = 4 * run.size
    loss = 3 * 4 * ROWS["cuda"] * run.config.targets
    cases = {f"training, {gpus} GPU{'s' * (gpus > 1)}": run.training["batch_tokens"] // gpus for gpus in GPUS}
    cases["fine-tuning"] = run.finetuning["batch_tokens"]
    rows = []
    for name, tokens in cases.items():
        activations = kept(run.config, max(1, tokens // LENGTH))
        parts = (state, activations, loss, state + activations + loss)
        rows.append([name, f"{tokens:,}", *(f"{part / 1e9:.1f}" for part in parts)])
    heads = ["weights, gradients, AdamW", "activations", "rows of logits", "together"]
    return table(["GB of each GPU", "tokens of its batch", *heads], rows)


def disk(run: Run) -> str:
    """GB that lie on disk, and that go between GPUs."""
    pieces = PAIRS * run.lengths.sum(axis=1).mean()
    copies = 3 + run.training["average"] + 1
    sizes = {
        "text, as it was read and as it was cleaned": 2 * PAIRS * TEXT_BYTES,
        "encoded pairs: 2 bytes per piece, 16 per pair": 2 * pieces + 16 * PAIRS,
        f"training: state, {run.training['average']} checkpoints to average, the result": copies * run.size,
        f"fine-tuning: a state of each of {run.tuned} rows, until it is done": 3 * run.tuned * run.size,
        f"model.tzip of {run.rows} rows, at most": run.rows * run.size,
    }
    sizes["together"] = sum(sizes.values())
    rows = [[name, f"{size / 1e9:.1f}"] for name, size in sizes.items()]
    for gpus in GPUS[1:]:
        sent, in_all = run.sent(gpus) / 1e9, run.sent(gpus) * run.training["updates"] / 1e12
        rows.append([f"sent by each of {gpus} GPUs", f"{sent:.2f} per update, {in_all:,.0f} TB in all"])
    return table(["on disk", "GB"], rows)


def jobs() -> str:
    """How many jobs SLURM is given, by what they ask for, as profiles/slurm groups them."""
    columns = []
    together = Site().variants
    for config in ("wmt-train", "wmt"):
        plan = planned(config)
        alone = sum(plan.get(rule, 0) for rule in ON_GPU)
        rest = sum(count for rule, count in plan.items() if rule not in (*ON_GPU, *VARIANT, *REPORT))
        counts = [alone, -(-plan["size"] // together), rest, 1]
        columns.append([f"`config/{config}.yaml`", *map(str, [*counts, sum(counts)])])
    labels = [
        "SLURM jobs",
        "on a GPU: training, the baseline's file, its translations",
        f"on a GPU: rows, {together} to a job",
        "without one: downloads, text, vocabulary, encoding, import",
        "without one: the report",
        "together",
    ]
    head, *rows = map(list, zip(labels, *columns, strict=True))
    return table(head, rows)


def planned(config: str) -> dict[str, int]:
    """How often each rule of a run is called, by Snakemake's dry run of it from nothing."""
    flags = ["--dry-run", "--forceall", "--nolock", "--quiet", "rules", "--configfile", f"config/{config}.yaml"]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("TZIP_")}
    command = [sys.executable, "-m", "snakemake", *flags]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    counts = re.findall(r"(?m)^(\w+) +(\d+)$", done.stdout + done.stderr)
    return {rule: int(count) for rule, count in counts if rule not in ("total", "all")}


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
