"""Batched beam search with a key/value cache: source pieces in, n best translations out."""

import torch
from torch import Tensor, nn

from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.model import NO_NUMBERS, Transformer, padded
from tzip.nmt.options import Hypothesis, Search, length_penalty


def search(model: Transformer, sources: list[list[int]], options: Search) -> list[list[Hypothesis]]:
    """The `nbest` translations of each source (piece ids without END), best first.

    Sentences are sorted by length into batches; an empty source has the empty translation. A source
    longer than the model's max_length is cut to it.
    """
    longest = model.config.max_length - 1
    end = [END] if model.config.source_end else []
    order = sorted((i for i, source in enumerate(sources) if source), key=lambda i: (-len(sources[i]), i))
    result: list[list[Hypothesis]] = [[Hypothesis((), 0.0)] for _ in sources]
    while order:
        width = min(len(sources[order[0]]), longest) + 1
        rows = max(1, options.batch_tokens // (width * options.beam))
        now, order = order[:rows], order[rows:]
        batch = padded([[*sources[i][:longest], *end] for i in now])
        for i, best in zip(now, search_batch(model, batch, options), strict=True):
            result[i] = best
    return result


@torch.inference_mode()
def search_batch(model: Transformer, source_BS: Tensor, options: Search) -> list[list[Hypothesis]]:
    """Beam search over one padded batch of sources, with END if the model's sources have it; see `search`.

    Each step takes the best 2·beam continuations of a sentence: those among the first `beam` that end are
    finished, the best `beam` that do not end go on. A sentence is done when patience · beam hypotheses
    (Kasai et al. 2022) are finished or its longest length is reached.
    """
    device = next(model.parameters()).device
    beam, source_BS = options.beam, source_BS.to(device)
    decoder = _Decoder(model, source_BS, beam)
    lengths = (source_BS != PAD).sum(1).tolist()
    limits = [min(int(options.max_ratio * n) + 10, model.config.max_length - 1) for n in lengths]
    finished: list[list[Hypothesis]] = [[] for _ in lengths]
    alive = list(range(len(lengths)))  # row of the batch → sentence
    pieces = torch.full((len(alive), beam, 1), BEGIN, dtype=torch.int64, device=device)
    scores = torch.full((len(alive), beam), -torch.inf, device=device, dtype=decoder.dtype)
    scores[:, 0] = 0.0  # all beams are equal at first: only one counts

    def finish(rows: Tensor, pieces: Tensor, scores: Tensor) -> None:
        """Add hypotheses with a probability above 0 to the finished ones of their sentence."""
        for row, ids, score in zip(rows.tolist(), pieces[:, 1:].tolist(), scores.tolist(), strict=True):
            if score > -torch.inf:
                finished[alive[row]].append(Hypothesis(tuple(ids), score / length_penalty(length, options.alpha)))

    for length in range(1, max(limits) + 1):
        log_p = decoder.step(pieces[:, :, -1])
        likely, piece = log_p.topk(min(2 * beam, log_p.shape[2]))  # per hypothesis; no more can be used
        best, flat = (scores[:, :, None] + likely).flatten(1).topk(2 * beam)
        parent, piece = flat // likely.shape[2], piece.flatten(1).gather(1, flat)
        ends = piece == END
        row, column = ends[:, :beam].nonzero(as_tuple=True)
        if len(row):
            finish(row, pieces[row, parent[row, column]], best[row, column])
        rank = torch.arange(2 * beam, device=device) + ends * 2 * beam
        lives = rank.argsort(dim=1)[:, :beam]
        scores, parent, piece = (x.gather(1, lives) for x in (best, parent, piece))
        pieces = torch.cat([pieces.gather(1, parent[:, :, None].expand_as(pieces)), piece[:, :, None]], dim=2)
        cut = [row for row, i in enumerate(alive) if length == limits[i] and not finished[i]]
        if cut:  # at its longest, and nothing has ended: the unfinished hypotheses stand
            finish(torch.tensor(cut).repeat_interleave(beam), pieces[cut].flatten(0, 1), scores[cut].flatten())
        going_on = [length < limits[i] and len(finished[i]) < options.patience * beam for i in alive]
        stay = [row for row, more in enumerate(going_on) if more]
        if not stay:
            break
        rows = torch.tensor(stay, device=device)
        decoder.select(rows, parent)
        pieces, scores, alive = pieces[rows], scores[rows], [alive[row] for row in stay]
    if not all(finished):  # no hypothesis has a probability above 0
        raise ValueError(NO_NUMBERS)
    return [sorted(ended, key=lambda h: (-h.score, h.pieces))[: options.nbest] for ended in finished]


class Cache:
    """Keys and values of the positions decoded so far, by layer, [..., positions, width]."""

    def __init__(self) -> None:
        self.layers: dict[nn.Module, tuple[Tensor, ...]] = {}
        self.rows: Tensor | None = None  # of the batch, with which the next `extend` of each layer goes on

    def extend(self, layer: nn.Module, new: tuple[Tensor, ...], reach: int | None) -> tuple[Tensor, ...]:
        """The cached tensors with the new positions; the last `reach` of them (None: all) stay cached."""
        old = self.layers.get(layer)
        whole = new if old is None else tuple(map(self._concatenated, old, new))
        kept = whole[0].shape[-2] if reach is None else min(reach, whole[0].shape[-2])
        self.layers[layer] = tuple(x.narrow(-2, x.shape[-2] - kept, kept) for x in whole)
        return whole

    def _concatenated(self, old: Tensor, new: Tensor) -> Tensor:
        """The selected rows of `old`, followed by `new`: copied once, not twice."""
        if self.rows is None:
            return torch.cat([old, new], dim=-2)
        length, more = old.shape[-2], new.shape[-2]
        whole = new.new_empty(*new.shape[:-2], length + more, new.shape[-1])
        torch.index_select(old, 0, self.rows, out=whole.narrow(-2, 0, length))
        whole.narrow(-2, length, more).copy_(new)
        return whole


class _Decoder:
    """The decoder, one position at a time, with a cache of the positions before.

    Self-attention (or convolution) has one row per hypothesis; cross-attention has one row per sentence with
    its beams side by side as query positions, so that the source's keys and values are never copied.
    """

    def __init__(self, model: Transformer, source_BS: Tensor, beam: int):
        self.model, self.beam, self.cache, self.position = model, beam, Cache(), 0
        state_BSD, self.bias = model.encode(source_BS)
        self.source = [
            tuple(x.contiguous() for x in layer.cross_attention.keys_values(state_BSD)) for layer in model.decoder
        ]
        self.dtype = torch.promote_types(state_BSD.dtype, torch.float32)  # of log-probabilities

    def step(self, pieces_BK: Tensor) -> Tensor:
        """Log-probabilities [B, beam, V] of the piece that follows `pieces` [B, beam]."""
        model = self.model
        x = model.embed(model.target_embedding, pieces_BK.reshape(-1, 1), self.position)
        for layer, source in zip(model.decoder, self.source, strict=True):
            x = layer(x, None, source, self.bias, self.cache, self.beam)
        self.position += 1
        logits = model.generator(model.decoder_norm(x).view(*pieces_BK.shape, -1)).to(self.dtype)
        logits[..., PAD] = logits[..., BEGIN] = -torch.inf
        return logits.log_softmax(-1)

    def select(self, rows: Tensor, parent: Tensor) -> None:
        """Keep sentences `rows`; hypothesis k of a sentence continues hypothesis parent[row, k]."""
        self.cache.rows = (rows[:, None] * self.beam + parent[rows]).flatten()
        if len(rows) < len(self.bias):
            self.bias = self.bias.index_select(0, rows)
            self.source = [tuple(x.index_select(0, rows) for x in pair) for pair in self.source]
