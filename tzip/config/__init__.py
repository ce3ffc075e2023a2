"""A run's configuration: its keys as types, checked before any job starts, without torch."""

BASELINE = "baseline"  # the row that every other is compared with
