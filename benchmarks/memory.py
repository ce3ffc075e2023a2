"""Peak memory of every step from text to trained weights, at some pairs and at ten times as many.

    python benchmarks/memory.py --pairs 300000 --times 10

The pairs are the embedded corpus's; ten times as many are the same ten times over, duplicates kept. Only to
clean and to split them, each ends in a number of its own, so that none is a duplicate. Memory is the largest
resident set of the step's process, files that it has mapped included.
"""

import argparse
import fileinput
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tzip.options import flag

ROOT = Path(__file__).parent.parent
TRAINING = {"preset": "tiny", "updates": 100, "batch_tokens": 4096, "warmup": 10}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300_000, help="of training text [300000]")
    parser.add_argument("--times", type=int, default=10, help="that they are repeated [10]")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text")
        step("generate", train=args.pairs, dev=100, test=1, output=text)
        few, many = (steps(Path(folder, str(times)), text, times) for times in (1, args.times))
    print(f"{'step':<10}{args.pairs:>14,} pairs{args.pairs * args.times:>14,} pairs    ratio")
    for name in few:
        print(f"{name:<10}{few[name]:>17,.0f} MB{many[name]:>17,.0f} MB{many[name] / few[name]:>9.2f}")


def steps(folder: Path, text: Path, times: int) -> dict[str, float]:
    """The peak memory of each step, in MB, on the text so many times over."""
    data, pieces = folder / "data", folder / "pieces.model"
    sides = {split: [text / f"{split}.{language}" for language in ("en", "de")] for split in ("train", "dev")}
    train = [word for _ in range(times) for word in ("--train", *sides["train"])]
    clean = ["corpus", "--languages", "en", "de", "--output", data]
    different = ["--train", *numbered(sides["train"], folder, times)]
    peaks = {
        "corpus": step(*clean, *different, "--dev", *sides["dev"]),
        "split": step(*clean, *different, "--split", "dev=1000,test=1000"),
    }
    step(*clean, *train, "--dev", *sides["dev"], "--keep-duplicates", "true")
    both = [data / "train.en", data / "train.de"]
    peaks["pieces"] = step("pieces", "--text", *both, size=2000, output=pieces)
    for split in ("dev", "train"):
        source, target = data / f"{split}.en", data / f"{split}.de"
        files = {"pieces": pieces, "source": source, "target": target, "output": data / split}
        peaks["encode"] = step("encode", **files, max_length=256)
    files = {"train": data / "train", "dev": data / "dev", "pieces": pieces}
    files |= {"dev_source": data / "dev.en", "dev_target": data / "dev.de"}
    files |= {"state": folder / "state", "journal": folder / "journal.jsonl"}
    files |= {"output": folder / "model", "summary": folder / "summary.json"}
    peaks["train"] = step("train", **files, **TRAINING)
    return peaks


def numbered(sides: list[Path], folder: Path, times: int) -> list[Path]:
    """Copies of the sides in `folder`, so many times over, with its number at the end of each line.

    Line by line: a process starts with the largest resident set of what started it, so this one stays small.
    """
    folder.mkdir()
    for side in sides:
        with (
            fileinput.input([side] * times, encoding="utf-8") as lines,
            (folder / side.name).open("w", encoding="utf-8") as copy,
        ):
            copy.writelines(f"{line.rstrip()} {number}\n" for number, line in enumerate(lines))
    return [folder / side.name for side in sides]


def step(script: str, *arguments: object, **options: object) -> float:
    """Run a script of the workflow; the largest resident memory of its process, in MB."""
    words = [word for name, value in options.items() for word in (flag(name), value)]
    command = [sys.executable, ROOT / "workflow_scripts" / f"{script}.py", *arguments, *words]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            raise SystemExit(f"{script}: {said.read()[-2000:]}")
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
