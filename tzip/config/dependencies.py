"""The files that decide what a step gives, by reading imports; nothing is imported to know them."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPRESSION = ROOT / "tzip" / "compression"
COMMANDS = ROOT / "tzip" / "cli.py"  # it starts every step, and decides what none of them gives
