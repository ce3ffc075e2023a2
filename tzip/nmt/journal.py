"""The log of a training: JSON lines on disk, and a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tzip.files import write_text


class Journal:
    """The log of a training: loss and speed since the last report, and evaluations.

    path     the file; entries after `update` are dropped from it, then it is only appended to
    updates  of the whole training, for the progress bar
    update, seconds  done and spent so far
    writes   False for all ranks but the first
    """

    def __init__(self, path: Path, updates: int, update: int, seconds: float, writes: bool):
        self.path, self.writes = path, writes
        if writes and path.exists():
            kept = [json.dumps(entry) + "\n" for entry in read(path) if entry["update"] <= update]
            write_text(path, "".join(kept))
        shown = writes and sys.stderr.isatty()
        self.bar = tqdm(total=updates, initial=update, unit="update", disable=not shown)
        self.loss, self.tokens, self.since = 0.0, 0, seconds

    def count(self, loss: float, tokens: int) -> None:
        """Add one update: its summed loss, in nats, and its target tokens."""
        self.loss, self.tokens = self.loss + loss, self.tokens + tokens
        self.bar.update()

    def report(self, update: int, seconds: float) -> None:
        """Write mean loss and speed since the last report."""
        mean = self.loss / max(self.tokens, 1)
        speed = round(self.tokens / max(seconds - self.since, 1e-9))
        entry = {"update": update, "train_loss": mean, "tokens": self.tokens}
        self.write(entry | {"tokens_per_second": speed, "seconds": round(seconds, 4)})
        self.bar.set_postfix(loss=f"{mean:.3f}", tokens_s=speed)
        self.loss, self.tokens, self.since = 0.0, 0, seconds

    def write(self, entry: dict[str, Any]) -> None:
        if self.writes:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a log, up to the first line that is not (yet) complete."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
