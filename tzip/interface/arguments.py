"""The subcommands of `tzip` by name, and the arguments that several of them have."""

from collections.abc import Callable

from tzip.compression.variant import Variant
from tzip.nmt.options import FINETUNE, Training
from tzip.options import output, path, plain

COMMANDS: dict[str, tuple[Callable, tuple]] = {}  # by name: what runs it, and its arguments
DEFAULTS = {Training: FINETUNE, Variant: {"scope": "all"}}  # of the command line, other than the classes' own


def command(*arguments) -> Callable[[Callable], Callable]:
    """Add the function below as a subcommand with these arguments, see `options.add`."""

    def keep(function: Callable) -> Callable:
        COMMANDS[function.__name__.removeprefix("run_")] = function, arguments
        return function

    return keep


NEW_FOLDER = {"metavar": "DIR", "help": "folder to write; must be new or empty"}
FORCE = plain("--force", action="store_true", help="replace a file that exists already")
MODEL = path("model", metavar="MODEL", help="a model.tzip")
PIECES = path("model", metavar="MODEL", help="whose pieces: a checkpoint's folder, a model.tzip or a pieces.model")
SEED = plain("--seed", type=int, default=1, metavar="N", help="seed [1]")
THREADS = plain("--threads", type=int, metavar="N", help="CPU threads [one per core]")
METHODS = plain("--methods", action="append", default=[], metavar="DIR", help="a folder of your own methods")
SUMMARY = output("--summary", help="write what was done, its time and memory as JSON")
RUN = path("folder", metavar="RUN", help="the run's folder, results/NAME")
CHECKPOINT = path("checkpoint", metavar="CHECKPOINT", help="a trained model's folder")
