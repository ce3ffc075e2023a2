"""A model.tzip in Python: `tzip.load`, and translation by what it returns."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

from tzip import pipeline
from tzip.files import named
from tzip.interface.translator import Translator
from tzip.nmt.options import Search
from tzip.options import make


class Translation(NamedTuple):
    """A translation with its score: the log-probability (nats) divided by the length penalty."""

    text: str
    score: float


class Model:
    """A model.tzip as read back from disk, ready to translate; `load` makes it."""

    def __init__(self, path: str | Path, threads: int | None = None):
        self.path = Path(path)
        with named():
            self._translator = Translator(self.path, pipeline.here(threads))

    def __repr__(self) -> str:
        return f"tzip.load({str(self.path)!r})"

    @overload
    def translate(self, text: str, *, nbest: None = ..., scores: Literal[False] = ..., **search: Any) -> str: ...
    @overload
    def translate(
        self, text: Sequence[str], *, nbest: None = ..., scores: Literal[False] = ..., **search: Any
    ) -> list[str]: ...
    @overload
    def translate(
        self, text: str | Sequence[str], *, nbest: int | None = ..., scores: bool = ..., **search: Any
    ) -> Any: ...
    def translate(
        self, text: str | Sequence[str], *, nbest: int | None = None, scores: bool = False, **search: Any
    ) -> Any:
        """Translate sentences, given as a list, or one sentence, given as a str; the result has the same form.

        nbest   the number of translations per sentence: each is then a list, best first; by default the best alone
        scores  return each translation as a `Translation`, with its score; NaN by a greedy search of CTranslate2
        search  the options of `tzip translate`, by name: beam, alpha, max_ratio, batch_tokens, patience, engine,
                precision

        Warns (UserWarning) of sentences of which a part can be lost. Raises ValueError in one line for a wrong
        option; TypeError for what is no text.
        """
        lines = [text] if isinstance(text, str) else list(text)
        for line in lines:
            if not isinstance(line, str):
                raise TypeError(f"translate takes a str or a list of str, found {type(line).__name__} in it")
        options = make(Search, search | ({} if nbest is None else {"nbest": nbest}), "search")
        with named():
            beams = self._translator.translate(lines, options, warn=lambda said: warnings.warn(said, stacklevel=4))
        forms = [[Translation(*one) if scores else one[0] for one in beam] for beam in beams]
        results = forms if nbest is not None else [best for best, *_ in forms]
        return results[0] if isinstance(text, str) else results


def load(path: str | Path, *, threads: int | None = None) -> Model:
    """Open a model.tzip to translate.

    threads  CPU threads of torch, in the whole process; by default one per core. Torch is set to be
             deterministic; a GPU is used if there is one.

    Raises FileNotFoundError, or ValueError in one line for a file that is damaged or of another format.
    """
    return Model(path, threads)
