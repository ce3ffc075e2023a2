"""What users call: functions for Python, the longer subcommands of `tzip`, and completion for shells."""
