"""The decoder one position at a time, for search: what a position needs of those before it is kept.

Shape suffixes as in model.py; N = B · beam hypotheses, those of a sentence side by side.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from tzip.data.pieces import BEGIN, PAD
from tzip.nmt.model import Attention, Convolution, Transformer, binarized
from tzip.nmt.ssru import SSRU

GROWTH = 8  # positions by which the room for keys and values grows


class Decoder:
    """Logits of the piece that follows each hypothesis of each sentence of a batch.

    At first each sentence has one hypothesis; `select` decides how many it goes on with.
    """

    def __init__(self, model: Transformer, source_BS: Tensor):
        self.model, self.position, self.beam = model, 0, 1
        self.spare: Tensor | None = None  # memory for the keys and values of one layer
        state_BSD, bias_B11S = model.encode(source_BS)
        self.bias = bias_B11S.expand(-1, model.config.heads, -1, -1).flatten(0, 1)  # of all layers, [B·H, 1, S]
        kinds = {Attention: _SelfAttention, Convolution: _Convolution, SSRU: _SSRU}
        mixers = [layer.mixer[0] for layer in model.decoder]
        self.mixers = [kinds[type(mixer)](mixer, model.config.binary_inputs != "none") for mixer in mixers]
        self.source = [_Source(layer.cross_attention, state_BSD) for layer in model.decoder]
        last = model.generator
        self.last_bias = last.bias.index_fill(0, torch.tensor([PAD, BEGIN], device=last.bias.device), -torch.inf)
        self.dtype = torch.promote_types(state_BSD.dtype, torch.float32)

    def step(self, pieces_BK: Tensor) -> Tensor:
        """Logits [B, beam, V] of the piece that follows `pieces` [B, beam], in at least float32; never PAD or BEGIN."""
        model, self.beam = self.model, pieces_BK.shape[1]
        x_ND = model.embed(model.target_embedding, pieces_BK.reshape(-1, 1), self.position).squeeze(1)
        for layer, mixer, source in zip(model.decoder, self.mixers, self.source, strict=True):
            x_ND = layer.residual(x_ND, layer.mixer[1], mixer)
            x_ND = layer.residual(x_ND, layer.cross_attention_norm, partial(source, bias=self.bias))
            x_ND = layer.residual(x_ND, layer.feed_forward_norm, layer.feed_forward)
        self.position += 1
        logits = F.linear(model.decoder_norm(x_ND), model.generator.weight, self.last_bias)
        return logits.view(*pieces_BK.shape, -1).to(self.dtype)

    def select(self, rows: Tensor, parent: Tensor) -> None:
        """Keep sentences `rows`; their hypothesis k continues hypothesis parent[row, k] of those there were."""
        fewer = len(rows) < len(parent)
        if fewer:
            heads = self.model.config.heads
            self.bias = sentences_of(self.bias, heads, rows)
            for source in self.source:
                source.kept = sentences_of(source.kept, heads, rows)
        hypotheses = rows[:, None] * self.beam + parent[rows]
        if fewer or parent.shape[1] > 1:
            for mixer in self.mixers:
                self.spare = mixer.select(hypotheses.flatten(), self.spare)


class _SelfAttention:
    """A layer's self-attention, with the keys and values [N·H, 2, room, K] of the positions so far."""

    def __init__(self, attention: Attention, binary: bool):
        self.output, self.heads, self.binary = attention.output, attention.heads, binary
        # Query, key and value of a head stand side by side, so that no head has to be copied out of the product.
        parts = (attention.query, attention.key, attention.value)
        self.weight = torch.stack([part.weight.unflatten(0, (self.heads, -1)) for part in parts], 1).flatten(0, 2)
        self.bias = torch.stack([part.bias.unflatten(0, (self.heads, -1)) for part in parts], 1).flatten()
        self.kept: Tensor | None = None
        self.positions = 0

    def __call__(self, x_ND: Tensor) -> Tensor:
        inputs = binarized(x_ND) if self.binary else x_ND
        joined = F.linear(inputs, self.weight, self.bias).view(len(x_ND) * self.heads, 3, -1)  # [N·H, 3, K]
        if self.kept is None or self.positions == self.kept.shape[2]:
            # An odd room: rows a power of two apart would share a few lines of the cache.
            grown = joined.new_empty(len(joined), 2, self.positions + GROWTH + (self.kept is None), joined.shape[2])
            if self.kept is not None:
                grown[:, :, : self.positions] = self.kept
            self.kept = grown
        self.kept[:, :, self.positions] = joined[:, 1:]
        self.positions += 1
        keys, values = self.kept[:, :, : self.positions].unbind(1)
        return self.output(attended(joined[:, :1], keys, values, None).view_as(x_ND))

    def select(self, hypotheses: Tensor, spare: Tensor | None) -> Tensor:
        """Keep these hypotheses, in this order; copied to `spare` if it fits, and what was copied is the next spare."""
        groups = len(hypotheses) * self.heads
        if spare is None or len(spare) < groups or spare.shape[1:] != self.kept.shape[1:]:
            spare = self.kept.new_empty(groups, *self.kept.shape[1:])
        kept, chosen = (x.unflatten(0, (-1, self.heads))[..., : self.positions, :] for x in (self.kept, spare[:groups]))
        torch.index_select(kept, 0, hypotheses, out=chosen)
        self.kept, spare = spare[:groups], self.kept
        return spare


class _Convolution:
    """A layer's convolution, with the inputs [N, T, D] that its kernel still reaches."""

    def __init__(self, convolution: Convolution, binary: bool):
        self.convolution = convolution
        self.kept: Tensor | None = None

    def __call__(self, x_ND: Tensor) -> Tensor:
        (new_N1D,) = self.convolution.keys_values(x_ND[:, None])
        seen_NTD = new_N1D if self.kept is None else torch.cat([self.kept, new_N1D], dim=1)
        self.kept = seen_NTD[:, max(seen_NTD.shape[1] - self.convolution.reach, 0) :]
        return self.convolution(x_ND[:, None], (seen_NTD,), None).squeeze(1)

    def select(self, hypotheses: Tensor, spare: Tensor | None) -> Tensor | None:
        self.kept = self.kept.index_select(0, hypotheses)
        return spare


class _SSRU:
    """A layer's recurrent unit, with its state [N, D]."""

    def __init__(self, unit: SSRU, binary: bool):
        self.unit = unit
        self.kept: Tensor | None = None

    def __call__(self, x_ND: Tensor) -> Tensor:
        self.kept = self.unit.step(x_ND, self.kept)
        return self.unit(x_ND, (self.kept,), None)

    def select(self, hypotheses: Tensor, spare: Tensor | None) -> Tensor | None:
        self.kept = self.kept.index_select(0, hypotheses)
        return spare


class _Source:
    """A layer's cross-attention, with the source's keys and values [B·H, 2, S, K].

    The hypotheses of a sentence are query positions side by side, so that nothing is copied for each.
    """

    def __init__(self, attention: Attention, state_BSD: Tensor):
        self.attention = attention
        self.kept = torch.stack(attention.keys_values(state_BSD), dim=2).flatten(0, 1)

    def __call__(self, x_ND: Tensor, bias: Tensor) -> Tensor:
        sentences = len(self.kept) // self.attention.heads
        query = self.attention.split(self.attention.query(x_ND).unflatten(0, (sentences, -1)))  # [B, H, beam, K]
        mixed = attended(query.flatten(0, 1), *self.kept.unbind(1), bias)
        return self.attention.output(mixed.view_as(query).transpose(1, 2).reshape_as(x_ND))


def sentences_of(x: Tensor, heads: int, rows: Tensor) -> Tensor:
    """Of a tensor [B·H, ...] the part of these sentences."""
    return x.unflatten(0, (-1, heads)).index_select(0, rows).flatten(0, 1)


def attended(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Scaled dot-product attention of [G, T, K] over [G, S, K], with a bias [G, 1, S] or none: [G, T, K]."""
    scale, none = query.shape[-1] ** -0.5, query.new_empty(())
    scores = torch.baddbmm(none if bias is None else bias, query, keys.mT, beta=bias is not None, alpha=scale)
    return scores.softmax(-1) @ values
