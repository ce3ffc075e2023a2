"""The log of a training: JSON lines on disk, and on standard error how far it is."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from tzip.files import write_text

SHOWN_EVERY = 30  # seconds between two lines on standard error


class Journal:
    """The log of a training: loss and speed since the last report, and evaluations.

    path     the file; entries after `update` are dropped from it, then it is only appended to
    updates  of the whole training
    update, seconds  done and spent so far
    writes   False for all ranks but the first
    """

    def __init__(self, path: Path, updates: int, update: int, seconds: float, writes: bool):
        self.path, self.writes = path, writes
        if writes and path.exists():
            kept = [json.dumps(entry) + "\n" for entry in read(path) if entry["update"] <= update]
            write_text(path, "".join(kept))
        self.first = self.update = update
        self.updates, self.started = updates, time.monotonic()
        self.shown = self.started
        self.loss, self.tokens, self.since = 0.0, 0, seconds
        self.show(f"training: {updates - update:,} updates")

    def count(self, loss: float, tokens: int) -> None:
        """Add one update: its summed loss, in nats, and its target tokens."""
        self.loss, self.tokens, self.update = self.loss + loss, self.tokens + tokens, self.update + 1
        if time.monotonic() - self.shown > SHOWN_EVERY:
            self.shown = time.monotonic()
            left = (self.shown - self.started) / (self.update - self.first) * (self.updates - self.update)
            loss = f"loss {self.loss / max(self.tokens, 1):.3f}"
            self.show(f"update {self.update:,} of {self.updates:,}, {loss}, about {left / 60:.0f} min left")

    def report(self, update: int, seconds: float) -> None:
        """Write mean loss and speed since the last report."""
        speed = round(self.tokens / max(seconds - self.since, 1e-9))
        entry = {"update": update, "train_loss": self.loss / max(self.tokens, 1), "tokens": self.tokens}
        self.write(entry | {"tokens_per_second": speed, "seconds": round(seconds, 4)})
        self.loss, self.tokens, self.since = 0.0, 0, seconds

    def show(self, line: str) -> None:
        if self.writes:
            print(line, file=sys.stderr, flush=True)

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
