"""A set of 64-bit keys that takes the same memory however many there are: on disk, in a temporary file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

CACHE = 32000  # KiB of the file's pages in memory


class Seen:
    """Which keys have been met; see `seen`."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def add(self, key: int) -> bool:
        """Whether `key`, from 0 to 2^64 - 1, was new."""
        try:
            row = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key - (1 << 63),))
        except sqlite3.Error as error:
            raise OSError(f"a temporary file of SQLite: {error}") from None
        return row.rowcount == 1


@contextlib.contextmanager
def seen() -> Iterator[Seen]:
    """An empty `Seen`; its file, where SQLite keeps temporary ones (SQLITE_TMPDIR, TMPDIR), ends with it."""
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as database:
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE}"):
            database.execute(f"PRAGMA {setting}")
        database.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY)")
        database.execute("BEGIN")
        yield Seen(database)
