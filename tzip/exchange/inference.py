"""Translation by CTranslate2 from a folder of `tzip export`: our search's options, without torch."""

import math
from dataclasses import dataclass
from pathlib import Path

import ctranslate2

from tzip import files
from tzip.data.pieces import END, Pieces
from tzip.nmt.options import Hypothesis, Progress, Search, length_penalty
from tzip.options import option, same

PIECES = ("pieces.model", "source.spm")  # lists of an imported model; else one SentencePiece model for both sides
SHORTLIST = "vmap.txt"  # CTranslate2's name of it
NEAR = 0.5  # of alpha: length^(alpha / 2) is near ((5 + length) / 6)^alpha, up to 30 pieces within 20 %
LEAST_ALPHA = 1e-9  # at 0, CTranslate2 searches on until its best hypothesis has ended; our search does not


@dataclass(frozen=True)
class Options:
    """Translation by CTranslate2; beam, alpha, max_ratio, nbest and patience as in our own search."""

    beam: int = same(Search, "beam")
    alpha: float = same(Search, "alpha")
    max_ratio: float = same(Search, "max_ratio")
    nbest: int = same(Search, "nbest")
    patience: float = same(Search, "patience")
    batch_tokens: int = option(1000, "source tokens x beam of a batch", low=1)
    shortlist: bool = option(False, "choose among the target pieces that the folder's shortlist names")


class Translator:
    """An exported model on the CPU, opened by CTranslate2's own library.

    folder   as `export.write` makes it for CTranslate2
    threads  of one batch; batches follow one another
    Raises ValueError in one line for a folder that is not such a model.
    """

    def __init__(self, folder: str | Path, threads: int = 1):
        folder = Path(folder)
        try:
            config = files.read_json(folder / "config.json")
            self.max_length, self.source_end = config["max_length"], config["add_source_eos"]
            self.pieces = Pieces(folder / next((name for name in PIECES if (folder / name).exists()), PIECES[0]))
            self.engine = ctranslate2.Translator(str(folder), "cpu", inter_threads=1, intra_threads=threads)
        except (FileNotFoundError, KeyError, RuntimeError) as error:
            raise ValueError(f"{folder}: not a folder of tzip export: {error}") from None
        self.has_shortlist = (folder / SHORTLIST).exists()
        self.words = self.pieces.spell(range(len(self.pieces)))
        targets = self.pieces.spell(range(self.pieces.targets), target=True)
        self.ids = {word: piece for piece, word in enumerate(targets)}
        first = self.pieces.decides().get("target_prefix", 0)
        self.prefix = [targets[first]] if first else []  # of every translation

    def translate(self, lines: list[str], options: Options = Options()) -> list[str]:
        """The best translation of each line."""
        hypotheses = self.search(self.pieces.encode(lines), options, scores=False)
        return self.pieces.decode([list(best.pieces) for (best, *_) in hypotheses])

    def search(
        self, sources: list[list[int]], options: Options, scores: bool = True, progress: Progress = None
    ) -> list[list[Hypothesis]]:
        """The `nbest` translations of each source (piece ids without END), as `search.search` finds them.

        Batches are of sentences of similar length; what then becomes longer than its own source allows is
        translated once more, with sentences of the same length. An empty source has the empty translation.
        Greedy search is faster without `scores`, which are then NaN. If hypotheses of a beam do not end by
        then, CTranslate2 may return one where our search prefers one that did.
        After each batch `progress` is called with the indices of its sentences.
        """
        if options.shortlist and not self.has_shortlist:
            raise ValueError("shortlist = true, but the model was exported without one")
        longest = self.max_length - 1
        widths = [min(len(source), longest) + self.source_end for source in sources]
        limits = [min(int(options.max_ratio * width) + 10, longest - len(self.prefix)) for width in widths]
        results = [[Hypothesis((), 0.0)] for _ in sources]
        todo = sorted((i for i, source in enumerate(sources) if source), key=lambda i: -widths[i])
        for alike in (False, True):
            again, start = [], 0
            while start < len(todo):
                width = widths[todo[start]]
                rows = max(1, options.batch_tokens // (width * options.beam))
                now = [i for i in todo[start : start + rows] if not alike or widths[i] == width]
                start += len(now)
                batch = [[self.words[piece] for piece in sources[i][:longest]] for i in now]
                for i, found in zip(now, self._batch(batch, limits[now[0]], options, scores), strict=True):
                    results[i] = self._ranked(found, options)
                    if max(map(len, found.hypotheses)) > len(self.prefix) + limits[i]:
                        again.append(i)
                if progress and not alike:
                    progress(now)
            todo = again
        return results

    def _batch(self, batch: list[list[str]], limit: int, options: Options, scores: bool) -> list:
        """What CTranslate2 finds for one batch."""
        greedy = options.beam == 1
        return self.engine.translate_batch(
            batch,
            target_prefix=[self.prefix] * len(batch) if self.prefix else None,
            beam_size=options.beam,
            num_hypotheses=options.beam,
            patience=options.patience,
            length_penalty=penalty(options),
            max_decoding_length=len(self.prefix) + limit,
            min_decoding_length=0,
            max_input_length=0,
            return_end_token=True,
            return_scores=scores or not greedy,
            use_vmap=options.shortlist,
        )

    def _ranked(self, result: ctranslate2.TranslationResult, options: Options) -> list[Hypothesis]:
        """The n best of one sentence. CTranslate2 divides by length^alpha; here they are ranked by our penalty."""
        found = (words[len(self.prefix) :] for words in result.hypotheses)
        hypotheses = list(zip(result.scores or [math.nan], found, strict=True))
        ended = [(score, words) for score, words in hypotheses if self.ids[words[-1]] == END]
        alpha, found = penalty(options), []
        ranked = [  # what was cut at the limit counts if nothing ended
            (score * (len(self.prefix) + len(words)) ** alpha / length_penalty(len(words), options.alpha), words)
            for score, words in ended or hypotheses
        ]
        for score, words in sorted(ranked, key=lambda one: -one[0])[: options.nbest]:
            pieces = tuple(self.ids[word] for word in words)
            found.append(Hypothesis(pieces[:-1] if pieces[-1] == END else pieces, score))
        return found


def penalty(options: Options) -> float:
    """CTranslate2's exponent of the length."""
    return 0.0 if options.beam == 1 else max(NEAR * options.alpha, LEAST_ALPHA)
