"""Beam search against a reference that looks at one sentence at a time and caches nothing."""

import pytest
import torch

from tests.nmt.test_model import toy
from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.decoder import Decoder
from tzip.nmt.options import Hypothesis, Search, length_penalty
from tzip.nmt.search import largest, search

SOURCES = [[5, 6, 7, 8, 9], [10, 11], [12], [13, 14, 15, 16, 17, 18, 19], [], [20, 21, 22]]


@torch.no_grad()
def reference(model, source: list[int], options: Search) -> list[Hypothesis]:
    """The search of `search_batch`'s docstring, by whole forward passes and plain lists."""
    if not source:
        return [Hypothesis((), 0.0)]
    read = len(source) + model.config.source_end
    limit = min(int(options.max_ratio * read) + 10, model.config.max_length - 1)
    live, finished = [((), 0.0)], []
    for length in range(1, limit + 1):
        grown = []
        for pieces, score in live:
            whole = [*source, END] if model.config.source_end else source
            logits = model(torch.tensor([whole]), torch.tensor([[BEGIN, *pieces]]))[0, -1]
            logits[[PAD, BEGIN]] = -torch.inf
            grown += [((*pieces, i), score + float(p)) for i, p in enumerate(logits.log_softmax(-1))]
        grown = sorted(grown, key=lambda one: -one[1])[: 2 * options.beam]
        divisor = length_penalty(length, options.alpha)
        finished += [Hypothesis(p[:-1], s / divisor) for p, s in grown[: options.beam] if p[-1] == END]
        live = [one for one in grown if one[0][-1] != END][: options.beam]
        if length == limit and not finished:
            finished = [Hypothesis(p, s / divisor) for p, s in live]
        if len(finished) >= options.patience * options.beam:
            break
    return sorted(finished, key=lambda h: (-h.score, h.pieces))[: options.nbest]


def trained_to_end(seed: int, **form):
    """A toy whose output layer is sharp enough for hypotheses to end at different lengths."""
    model = toy(**form)
    torch.manual_seed(seed)
    with torch.no_grad():
        model.generator.weight.mul_(1.5)
        model.generator.bias.normal_(std=0.5)
        model.generator.bias[END] += 2.0
    return model


FORMS = [
    {"norm": "post"},
    {"norm": "pre"},
    {"mixer": "convolution", "kernel": 4},
    {"mixer": "convolution", "kernel": 1, "norm": "pre"},
    {"source_end": False, "activation": "gelu", "target_vocabulary": 30, "tie": "decoder"},
    {"decoder_mixer": "ssru"},
    {"decoder_mixer": "ssru", "norm": "pre", "begin": "zeros", "positions": "marian", "binary_inputs": "attention"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(("beam", "nbest", "alpha"), [(1, 1, 0.0), (3, 3, 0.6), (5, 2, 1.0), (4, 4, 0.0)])
def test_equals_the_uncached_reference(form, beam, nbest, alpha):
    for seed in range(3):
        model = trained_to_end(seed, **form)
        options = Search(beam=beam, nbest=nbest, alpha=alpha, batch_tokens=40 * beam)
        for source, result in zip(SOURCES, search(model, SOURCES, options), strict=True):
            expected = reference(model, source, options)
            assert [h.pieces for h in result] == [h.pieces for h in expected]
            assert [h.score for h in result] == pytest.approx([h.score for h in expected])


def test_patience_waits_for_more_to_end():
    better = 0
    for seed in range(5):
        model = trained_to_end(seed)
        plain, patient = (Search(beam=3, alpha=2.0, patience=patience) for patience in (1.0, 4.0))
        for source, short, long in zip(
            SOURCES, search(model, SOURCES, plain), search(model, SOURCES, patient), strict=True
        ):
            assert [h.pieces for h in long] == [h.pieces for h in reference(model, source, patient)]
            assert long[0].score >= short[0].score - 1e-9  # the rows of a batch change the last bits
            better += long[0].score > short[0].score + 1e-9
    assert better


@pytest.mark.parametrize("form", [{}, {"mixer": "convolution"}, {"decoder_mixer": "ssru"}], ids=str)
def test_batching_changes_nothing(form):
    model = trained_to_end(0, **form)
    alone = search(model, SOURCES, Search(batch_tokens=1))
    together = search(model, SOURCES, Search(batch_tokens=10_000))
    assert [[h.pieces for h in one] for one in alone] == [[h.pieces for h in one] for one in together]


def test_a_convolution_keeps_no_more_than_it_needs():
    model = toy(mixer="convolution", kernel=3)
    with torch.inference_mode():
        decoder = Decoder(model, torch.tensor([[5, 6]]))
        for step in range(5):
            decoder.step(torch.tensor([[7]]))
            assert [mixer.kept.shape[1] for mixer in decoder.mixers] == [min(step + 1, 2)] * len(decoder.mixers)


@pytest.mark.parametrize(("columns", "count"), [(7, 10), (160, 10), (161, 10), (1003, 4), (5000, 1)])
def test_the_largest_are_those_of_a_sorted_row(columns, count):
    x = torch.randn(5, columns, generator=torch.Generator().manual_seed(columns))
    x[0, :3] = -torch.inf
    values, places = largest(x, count)
    expected = x.sort(dim=1, descending=True).values
    assert torch.equal(values, expected[:, :count])
    assert torch.equal(x.gather(1, places), values)
    assert all(len(set(row)) == len(row) for row in places.tolist())


def test_a_search_ends_when_no_better_translation_can_come(monkeypatch):
    model, steps, step = trained_to_end(1), [], Decoder.step
    with torch.no_grad():
        model.generator.bias[END] += 4.0

    def counted(decoder: Decoder, pieces: torch.Tensor) -> torch.Tensor:
        steps.append(len(pieces))
        return step(decoder, pieces)

    monkeypatch.setattr(Decoder, "step", counted)
    options = Search(beam=4, alpha=0.0, patience=100.0)  # so many never end
    (best,) = search(model, [SOURCES[3]], options)
    assert best[0].pieces == reference(model, SOURCES[3], options)[0].pieces
    assert len(steps) < 10


def test_a_model_that_never_ends_is_cut_at_its_longest():
    model = toy()
    with torch.no_grad():
        model.generator.bias[END] -= 1e4
    (best,) = search(model, [[5, 6]], Search(beam=2, max_ratio=1.0))
    assert len(best[0].pieces) == 13


def test_more_translations_than_beams_are_refused():
    with pytest.raises(ValueError, match="nbest = 3 is more than beam = 2"):
        Search(beam=2, nbest=3)
