"""Waiting for what another process is about to do."""

import time
from collections.abc import Callable


def wait_for(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Until `what()` is true; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain"
        time.sleep(0.2)
