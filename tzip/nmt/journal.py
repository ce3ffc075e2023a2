"""The log of a training: JSON lines on disk, and a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tzip.files import replacing


class Journal:
    """The log of a training: loss and speed since the last report, and evaluations.

    path     the file, which is only appended to
    updates  of the whole training, for the progress bar
    writes   False for all ranks but the first
    """

    def __init__(self, path: Path, updates: int, writes: bool = True):
        self.path, self.updates, self.writes = path, updates, writes

    def begin(self, update: int, seconds: float) -> None:
        """Drop the entries of updates that will be repeated, and start to count."""
        self.trim(update)
        shown = self.writes and sys.stderr.isatty()
        self.bar = tqdm(total=self.updates, initial=update, unit="update", disable=not shown)
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

    def trim(self, update: int) -> None:
        """Drop the entries of later updates."""
        if self.writes and self.path.exists():
            kept = [json.dumps(entry) + "\n" for entry in read(self.path) if entry["update"] <= update]
            with replacing(self.path) as temporary:
                temporary.write_text("".join(kept), encoding="utf-8")


def read(path: Path) -> Sequence[dict[str, Any]]:
    """The entries of a log, up to the first line that is not (yet) complete."""

    def entries() -> Iterator[dict[str, Any]]:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return

    return list(entries())
