"""Vector quantization: k-means of sub-vectors, codebooks of vectors that train, the base of its methods."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tzip.compression.code import Code
from tzip.compression.parametrization import compact, zeroed


def cut(weight: Tensor, width: int) -> Tensor:
    """A tensor as vectors of `width` consecutive weights: [N, width], the last padded with zeros."""
    flat = weight.detach().float().flatten()
    return nn.functional.pad(flat, (0, -len(flat) % width)).view(-1, width)


def fitted(vectors: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids float32 [k, D], zeros after the distinct ones, and indices uint8 [N]."""
    from sklearn.cluster import KMeans  # slow to import, and needed for this alone

    distinct = len(np.unique(vectors, axis=0)) if len(vectors) <= 4 * k else k
    model = KMeans(min(k, distinct), init="k-means++", n_init=3, max_iter=100, random_state=seed)
    scale = np.abs(vectors).max(initial=0.0) or 1.0  # no square overflows or vanishes
    with warnings.catch_warnings(action="ignore"):  # fewer distinct vectors than clusters are no error
        model.fit((vectors / scale).astype(np.float64))
    centroids = np.zeros((k, vectors.shape[1]), np.float32)
    centroids[: len(model.cluster_centers_)] = model.cluster_centers_ * scale
    return centroids, model.labels_.astype(np.uint8)


class Books(nn.Module):
    """Codebooks of vectors, trained while each vector keeps its codebook and its index.

    codebook [B, K, D] parameter   indices [N] uint8 buffer; vector i uses codebook i mod B
    """

    def __init__(self, vectors: Tensor, k: int, books: int, seed: int):
        super().__init__()
        values = vectors.cpu().numpy()
        indices = np.zeros(len(values), np.uint8)
        codebook = np.zeros((books, k, values.shape[1]), np.float32)
        for book in range(min(books, len(values))):
            codebook[book], indices[book::books] = fitted(values[book::books], k, seed + book)
        self.codebook = nn.Parameter(torch.from_numpy(codebook).to(vectors.device))
        self.register_buffer("indices", torch.from_numpy(indices).to(vectors.device))

    def forward(self) -> Tensor:
        """The vectors, [N, D]."""
        books, k, width = self.codebook.shape
        place = torch.arange(len(self.indices), device=self.indices.device) % books * k + self.indices
        return nn.functional.embedding(place, self.codebook.view(books * k, width))

    def code(self, shape: tuple[int, ...], keep: Tensor | None = None, residual: Code | None = None) -> Code:
        """The Code of a tensor of these vectors, without the entries that no vector uses."""
        books = self.codebook.detach().cpu().numpy()
        symbols, used = compact(self.indices.cpu().numpy(), np.arange(books.shape[1]))
        mask = None if keep is None else keep.flatten().cpu().numpy()
        return Code(shape, symbols, np.ascontiguousarray(books[:, used]), mask, None, residual)


class SubVectors(nn.Module):
    """Base of the quantizers of sub-vectors: a weight is the sum of vectors, one from each stage's codebooks.

    The options have `bits` per sub-vector, `width`, the number of `stages`, and the number of `books` per stage,
    which are used in turn. A stage is fitted to the error that those before it leave.
    """

    trains_latent = False

    def __init__(self, weight: Tensor, options: Any, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__()
        self.register_buffer("keep", None if keep is None else keep.clone())
        left = cut(zeroed(weight.detach(), self.keep), options.width)
        self.stages = nn.ModuleList()
        for stage in range(options.stages):
            self.stages.append(Books(left, 2**options.bits, options.books, seed + stage))
            left = left - self.stages[-1]().detach()

    def forward(self, weight: Tensor) -> Tensor:
        total = self.stages[-1]()  # from the last stage on, as in `Code.decode`
        for stage in reversed(self.stages[:-1]):
            total = stage() + total
        return zeroed(total.flatten()[: weight.numel()].view(weight.shape), self.keep)

    def code(self, weight: Tensor) -> Code:
        residual = None
        for stage in reversed(self.stages[1:]):
            residual = stage.code(tuple(weight.shape), None, residual)
        return self.stages[0].code(tuple(weight.shape), self.keep, residual)
