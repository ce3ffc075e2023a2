"""Batched beam search with a key/value cache: source pieces in, n best translations out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tzip.nmt.model import BEGIN, END, PAD, Transformer, padded
from tzip.nmt.options import Search


@dataclass(frozen=True)
class Hypothesis:
    """pieces without END; score = log-probability, in nats, divided by the length penalty."""

    pieces: tuple[int, ...]
    score: float


def penalty(length: int, alpha: float) -> float:
    """The length penalty of Wu et al. (2016), equation 14; `length` counts END."""
    return ((5 + length) / 6) ** alpha


def search(model: Transformer, sources: list[list[int]], options: Search) -> list[list[Hypothesis]]:
    """The `nbest` translations of each source (piece ids without END), best first.

    Sentences are sorted by length into batches; an empty source has the empty translation. A source
    longer than the model's max_length is cut to it.
    """
    longest = model.config.max_length - 1
    end = [END] if model.config.source_end else []
    order = sorted((i for i, source in enumerate(sources) if source), key=lambda i: (-len(sources[i]), i))
    found: list[list[Hypothesis]] = [[Hypothesis((), 0.0)] for _ in sources]
    while order:
        width = min(len(sources[order[0]]), longest) + 1
        rows = max(1, options.batch_tokens // (width * options.beam))
        now, order = order[:rows], order[rows:]
        batch = padded([[*sources[i][:longest], *end] for i in now])
        for i, best in zip(now, search_batch(model, batch, options), strict=True):
            found[i] = best
    return found


@torch.inference_mode()
def search_batch(model: Transformer, source_BS: Tensor, options: Search) -> list[list[Hypothesis]]:
    """Beam search over one padded batch whose sentences end as the model wants them; see `search`.

    At each step the best 2·beam continuations of a sentence are looked at: those among the first `beam`
    that end are finished, the best `beam` that do not end live on. A sentence is done when `beam`
    hypotheses (with patience, so many times more: Kasai et al. 2022) are finished or its longest length is
    reached.
    """
    device = next(model.parameters()).device
    beam, source_BS = options.beam, source_BS.to(device)
    decoder = _Decoder(model, source_BS, beam)
    lengths = (source_BS != PAD).sum(1).tolist()
    limits = [min(int(options.max_ratio * n) + 10, model.config.max_length - 1) for n in lengths]
    finished: list[list[Hypothesis]] = [[] for _ in lengths]
    alive = list(range(len(lengths)))  # the batch's row → the sentence
    pieces = torch.full((len(alive), beam, 1), BEGIN, dtype=torch.int64, device=device)
    scores = torch.full((len(alive), beam), -torch.inf, device=device, dtype=decoder.dtype)
    scores[:, 0] = 0.0  # all beams start alike: only the first counts
    for length in range(1, max(limits) + 1):
        divisor = penalty(length, options.alpha)
        log_p = decoder.step(pieces[:, :, -1])
        likely, piece = log_p.topk(min(2 * beam, log_p.shape[2]))  # of each hypothesis, no more can count
        best, flat = (scores[:, :, None] + likely).flatten(1).topk(2 * beam)
        parent, piece = flat // likely.shape[2], piece.flatten(1).gather(1, flat)
        ends = piece == END
        _collect(finished, alive, ends[:, :beam], best, parent, pieces, divisor)
        rank = torch.arange(2 * beam, device=device) + ends * 2 * beam
        lives = rank.argsort(dim=1)[:, :beam]
        scores, parent, piece = (x.gather(1, lives) for x in (best, parent, piece))
        pieces = torch.cat([pieces.gather(1, parent[:, :, None].expand_as(pieces)), piece[:, :, None]], dim=2)
        _cut(finished, alive, [length == limits[one] for one in alive], pieces, scores, divisor)
        wanted = [length < limits[one] and len(finished[one]) < options.patience * beam for one in alive]
        stay = [row for row, more in enumerate(wanted) if more]
        if not stay:
            break
        rows = torch.tensor(stay, device=device)
        decoder.select(rows, parent)
        pieces, scores, alive = pieces[rows], scores[rows], [alive[row] for row in stay]
    return [sorted(one, key=lambda h: (-h.score, h.pieces))[: options.nbest] for one in finished]


def _collect(finished, alive, ends, best, parent, pieces, divisor: float) -> None:
    """Move the hypotheses that end now to their sentence's finished ones, all in one look at a GPU."""
    rows, ranks = ends.nonzero(as_tuple=True)
    if len(rows):
        done = pieces[rows, parent[rows, ranks], 1:].tolist()
        _add(finished, [alive[row] for row in rows.tolist()], done, best[rows, ranks].tolist(), divisor)


def _cut(finished, alive, last: list[bool], pieces, scores, divisor: float) -> None:
    """At the longest length, what still lives counts as it stands, if nothing has finished."""
    rows = [row for row, one in enumerate(alive) if last[row] and not finished[one]]
    if rows:
        done, left = pieces[rows, :, 1:].flatten(0, 1).tolist(), scores[rows].flatten().tolist()
        _add(finished, [alive[row] for row in rows for _ in range(pieces.shape[1])], done, left, divisor)


def _add(finished, sentences: list[int], pieces: list[list[int]], scores: list[float],
         divisor: float) -> None:  # fmt: skip
    """Hypotheses that are possible, each to its sentence's."""
    for sentence, one, score in zip(sentences, pieces, scores, strict=True):
        if score > -torch.inf:
            finished[sentence].append(Hypothesis(tuple(one), score / divisor))


class Past:
    """What each layer remembers of the positions decoded so far (for search), [..., positions, width]."""

    def __init__(self) -> None:
        self.memory: dict[nn.Module, tuple[Tensor, ...]] = {}
        self.rows: Tensor | None = None  # that go on, of what is in memory

    def extend(self, layer: nn.Module, now: tuple[Tensor, ...], reach: int | None) -> tuple[Tensor, ...]:
        """The past and `now`; of both, the last `reach` positions (None: all) are remembered."""
        before = self.memory.get(layer)
        both = now if before is None else tuple(map(self._joined, before, now))
        kept = both[0].shape[-2] if reach is None else min(reach, both[0].shape[-2])
        self.memory[layer] = tuple(x.narrow(-2, x.shape[-2] - kept, kept) for x in both)
        return both

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order: from the next `extend` of each layer on."""
        self.rows = rows

    def _joined(self, before: Tensor, now: Tensor) -> Tensor:
        """The rows of `before` that go on, and `now` after them: copied once, not twice."""
        if self.rows is None:
            return torch.cat([before, now], dim=-2)
        length, more = before.shape[-2], now.shape[-2]
        both = now.new_empty(*now.shape[:-2], length + more, now.shape[-1])
        torch.index_select(before, 0, self.rows, out=both.narrow(-2, 0, length))
        both.narrow(-2, length, more).copy_(now)
        return both


class _Decoder:
    """The decoder one position at a time, with what its layers remember of those before.

    Self-attention (or convolution) has a row for each hypothesis; cross-attention has a row for each
    sentence, its beams side by side as query positions, so that the source's keys and values are never
    copied.
    """

    def __init__(self, model: Transformer, source_BS: Tensor, beam: int):
        self.model, self.beam, self.past, self.position = model, beam, Past(), 0
        state_BSD, self.bias = model.encode(source_BS)
        self.memory = [layer.cross_attention.remember(state_BSD) for layer in model.decoder]
        self.dtype = torch.promote_types(state_BSD.dtype, torch.float32)  # of log-probabilities

    def step(self, pieces_BK: Tensor) -> Tensor:
        """Log-probabilities [B, beam, V] of the piece that follows `pieces` [B, beam]."""
        model = self.model
        x = model.embed(model.target_embedding, pieces_BK.reshape(-1, 1), self.position)
        for layer, memory in zip(model.decoder, self.memory, strict=True):
            x = layer(x, None, memory, self.bias, self.past, self.beam)
        self.position += 1
        logits = model.generator(model.decoder_norm(x).view(*pieces_BK.shape, -1)).to(self.dtype)
        logits[..., PAD] = logits[..., BEGIN] = -torch.inf
        return logits.log_softmax(-1)

    def select(self, rows: Tensor, parent: Tensor) -> None:
        """Keep sentences `rows`; hypothesis k of a sentence continues hypothesis parent[row, k]."""
        self.past.select((rows[:, None] * self.beam + parent[rows]).flatten())
        if len(rows) < len(self.bias):
            self.bias = self.bias[rows]
            self.memory = [(key[rows], value[rows]) for key, value in self.memory]
