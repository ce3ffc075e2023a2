"""How every command of the project ends: in its result, or in one line that says what is wrong."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PARENT = "TZIP_PARENT"  # the number of the process that this one shall not outlive, if it is the parent
PR_SET_PDEATHSIG = 1  # of Linux's prctl


def run(main: Callable[[], None]) -> None:
    """Call `main`; what a user can get wrong (ValueError, OSError) becomes one line and exit status 1."""
    end_with_parent()
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


def end_with_parent() -> None:
    """Get SIGTERM when Snakemake, which started this process, is gone: even killed it leaves no job behind.

    Only where the environment names the parent, as the workflow does, and only on Linux.
    """
    parent = os.environ.get(PARENT, "")
    if sys.platform != "linux" or parent != str(os.getppid()):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it has ended meanwhile
        os.kill(os.getpid(), signal.SIGTERM)
