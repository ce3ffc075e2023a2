"""Batched beam search with a cache: source pieces in, n best translations out."""

import torch
from torch import Tensor

from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.decoder import Decoder
from tzip.nmt.model import NO_NUMBERS, Transformer, padded
from tzip.nmt.options import Hypothesis, Progress, Search, length_penalty


def search(
    model: Transformer, sources: list[list[int]], options: Search, progress: Progress = None
) -> list[list[Hypothesis]]:
    """The `nbest` translations of each source (piece ids without END), best first; without the target's prefix.

    Sentences are sorted by length into batches; an empty source has the empty translation. A source
    longer than the model's max_length is cut to it. After each batch `progress` is called with its indices.
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
        if progress:
            progress(now)
    return result


@torch.inference_mode()
def search_batch(model: Transformer, source_BS: Tensor, options: Search) -> list[list[Hypothesis]]:
    """Beam search over one padded batch of sources, with END if the model's sources have it; see `search`.

    Each step takes the best 2·beam continuations of a sentence: those among the first `beam` that end are
    finished, the best `beam` that do not end go on. A sentence is done when patience · beam hypotheses
    (Kasai et al. 2022) are finished, when its longest length is reached, or as soon as no hypothesis that goes
    on can become one of the n best: a log-probability only falls, and the length penalty is largest at the end.
    """
    device = next(model.parameters()).device
    beam, source_BS = options.beam, source_BS.to(device)
    decoder = Decoder(model, source_BS)
    lengths = (source_BS != PAD).sum(1).tolist()
    start = [BEGIN, model.config.target_prefix] if model.config.target_prefix else [BEGIN]
    limits = [min(int(options.max_ratio * n) + 10, model.config.max_length - len(start)) for n in lengths]
    finished: list[list[Hypothesis]] = [[] for _ in lengths]
    alive = list(range(len(lengths)))  # row of the batch → sentence
    pieces = torch.tensor(start, device=device).expand(len(alive), 1, -1)  # one hypothesis, then `beam`
    for position in range(len(start) - 1):
        decoder.step(pieces[:, :, position])
    scores = torch.zeros((len(alive), 1), device=device, dtype=decoder.dtype)

    def finish(rows: Tensor, pieces: Tensor, scores: Tensor) -> None:
        """Add hypotheses with a probability above 0 to the finished ones of their sentence."""
        for row, ids, score in zip(rows.tolist(), pieces[:, len(start) :].tolist(), scores.tolist(), strict=True):
            if score > -torch.inf:
                finished[alive[row]].append(Hypothesis(tuple(ids), score / length_penalty(length, options.alpha)))

    for length in range(1, max(limits) + 1):
        log_p = decoder.step(pieces[:, :, -1]).log_softmax(-1).add_(scores[:, :, None])
        best, flat = largest(log_p.flatten(1), 2 * beam)
        parent, piece = flat // log_p.shape[2], flat % log_p.shape[2]
        ends = piece == END
        row, column = ends[:, :beam].nonzero(as_tuple=True)
        if len(row):
            finish(row, pieces[row, parent[row, column]], best[row, column])
        scores, lives = best.masked_fill(ends, -torch.inf).topk(min(beam, best.shape[1]))
        parent, piece = parent.gather(1, lives), piece.gather(1, lives)
        before = pieces.gather(1, parent[:, :, None].expand(-1, -1, pieces.shape[2]))
        pieces = torch.cat([before, piece[:, :, None]], dim=2)
        cut = [row for row, i in enumerate(alive) if length == limits[i] and not finished[i]]
        if cut:  # at its longest, and nothing has ended: the unfinished hypotheses stand
            row = torch.tensor(cut).repeat_interleave(scores.shape[1])
            finish(row, pieces[cut].flatten(0, 1), scores[cut].flatten())
        stay = []
        for row, (i, score) in enumerate(zip(alive, scores[:, 0].tolist(), strict=True)):
            hope = score / length_penalty(limits[i], options.alpha)
            if length < limits[i] and not settled(finished[i], options, hope):
                stay.append(row)
        if not stay:
            break
        rows = torch.tensor(stay, device=device)
        decoder.select(rows, parent)
        pieces, scores, alive = pieces[rows], scores[rows], [alive[row] for row in stay]
    if not all(finished):  # no hypothesis has a probability above 0
        raise ValueError(NO_NUMBERS)
    return [sorted(ended, key=lambda h: (-h.score, h.pieces))[: options.nbest] for ended in finished]


def settled(ended: list[Hypothesis], options: Search, hope: float) -> bool:
    """Whether enough hypotheses of a sentence have ended: patience · beam, or n that are better than all to come.

    hope  the best score that a hypothesis to come can have
    """
    if len(ended) < options.nbest:
        return False
    best = sorted((hypothesis.score for hypothesis in ended), reverse=True)
    return len(ended) >= options.patience * options.beam or best[options.nbest - 1] > hope


def largest(x_BN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row [B, N], or all, in order, with their columns.

    They lie in those `count` blocks of 16 columns, N/16 apart, whose largest are largest: sorted are the N/16
    largest of blocks, then the columns of the blocks so found, not all N.
    """
    blocks, (rows, columns) = 16, x_BN.shape
    width = columns // blocks
    if width <= count:
        return x_BN.topk(min(count, columns))
    tops = x_BN[:, : width * blocks].unflatten(1, (blocks, width)).amax(1).topk(count, sorted=False).indices
    offsets = torch.arange(0, width * blocks, width, device=x_BN.device)
    rest = torch.arange(width * blocks, columns, device=x_BN.device).expand(rows, -1)
    among = torch.cat([(tops[:, :, None] + offsets).flatten(1), rest], dim=1)
    best, which = x_BN.gather(1, among).topk(count)
    return best, among.gather(1, which)
