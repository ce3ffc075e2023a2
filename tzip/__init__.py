"""tzip: how many bytes a translation Transformer can lose before it loses BLEU."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tzip.interface.compress import compress
    from tzip.interface.inspection import Inspection, inspect
    from tzip.interface.model import Model, Translation, load

__version__ = "0.1.0"
__all__ = ["Inspection", "Model", "Translation", "compress", "inspect", "load"]

# The file of each public name: imported when the name is first used, so that `import tzip` takes no time.
PLACES = {
    "compress": "compress",
    **dict.fromkeys(("Inspection", "inspect"), "inspection"),
    **dict.fromkeys(("Model", "Translation", "load"), "model"),
}


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'tzip' has no attribute '{name}'")
    value = getattr(import_module(f"tzip.interface.{PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
