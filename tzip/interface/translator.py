"""A model.tzip opened to translate, by torch's search or by CTranslate2."""

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from tzip.data import text
from tzip.data.pieces import Pieces
from tzip.exchange import exporting
from tzip.exchange.options import Export
from tzip.format import model as model_file
from tzip.nmt import device
from tzip.nmt.model import Transformer
from tzip.nmt.options import Progress, Search

Engine = Callable[..., list[list[tuple[str, float]]]]  # of encoded lines, and of `progress` as in `search.search`


class Translator:
    """Translation by a model.tzip as read back from disk, opened once; counts what its translations took.

    seconds, sentences, words: of all translations until now. Raises ValueError as `model_file.restore`.
    """

    def __init__(self, file: str | Path, place: torch.device):
        model, self.pieces, _ = model_file.restore(file)
        self.model, self.place = model.to(place), place
        self.seconds, self.sentences, self.words = 0.0, 0, 0
        self._engine: tuple[Search, Engine] | None = None

    def translate(
        self,
        lines: list[str],
        options: Search,
        *,
        warn: Callable[[str], None] = lambda said: print(f"warning: {said}", file=sys.stderr),
        first: int = 1,
        progress: Progress = None,
    ) -> list[list[tuple[str, float]]]:
        """The n best translations of each line, with scores.

        warn      called with what names the lines of which a part can be lost; `first` is the number of lines[0]
        progress  called with the indices of the lines of each batch when it is done
        """
        if self._engine is None or self._engine[0] != options:
            self._engine = options, engine(self.model, self.pieces, options)
        started = time.perf_counter()
        sources = self.pieces.encode(lines)
        self.seconds += time.perf_counter() - started
        for said in losses(lines, sources, self.model.config.max_length - 1, first):  # no part of what is timed
            warn(said)
        started = time.perf_counter()
        translations = self._engine[1](sources, progress)
        self.seconds += time.perf_counter() - started
        self.sentences += len(lines)
        self.words += sum(len(line.split()) for line in lines)
        return translations

    def report(self, options: Search) -> dict[str, Any]:
        """What all translations took, and how they were searched for, as a JSON value."""
        rate = round(self.words / self.seconds, 1) if self.seconds else 0.0
        report = {"seconds": round(self.seconds, 3), "sentences": self.sentences, "words": self.words}
        report |= {"threads": torch.get_num_threads(), "words_per_second": rate}
        return report | {"search": vars(options)} | device.footprint(self.place)


def engine(model: Transformer, pieces: Pieces, options: Search) -> Engine:
    """What translates encoded lines by the options' engine: the n best of each with their scores.

    Scores of a greedy search by CTranslate2 are NaN. ValueError in one line if it has no such model.
    """
    if options.engine == "torch":
        ready = model_file.cast(model, options)
        return lambda sources, progress=None: model_file.hypotheses(ready, pieces, sources, options, progress)
    from tzip.exchange import inference  # not where other commands would wait for it

    kind = {"fp32": "float32"}.get(options.precision, options.precision)
    known = {field.name for field in dataclasses.fields(inference.Options)} - {"batch_tokens"}
    chosen = inference.Options(**{key: value for key, value in vars(options).items() if key in known})
    with tempfile.TemporaryDirectory() as folder:  # opened, it is in memory
        exporting.write(Path(folder, "model"), model, pieces, Export(type=kind))
        translator = inference.Translator(Path(folder, "model"), torch.get_num_threads())
    scores = options.nbest > 1
    return lambda sources, progress=None: model_file.spelled(
        pieces, translator.search(sources, chosen, scores, progress)
    )


def losses(lines: list[str], sources: list[list[int]], longest: int, first: int = 1) -> Iterator[str]:
    """What a translation can lose of these lines: what is longer than the model reads, and further sentences."""
    for number, source in enumerate(sources, first):
        if len(source) > longest:
            yield f"line {number} has {len(source)} pieces; only the first {longest} are translated"
    several = [number for number, line in enumerate(lines, first) if len(text.sentences(line, "en")) > 1]
    if several:
        named = ", ".join(map(str, several[:5])) + (", ..." if len(several) > 5 else "")
        yield f"several sentences in line {named}; a model may translate only one of them: see --split-sentences"
