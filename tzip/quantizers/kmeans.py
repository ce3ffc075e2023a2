"""K-means quantization: one codebook a tensor, whose entries are trained while the assignment stays.

transformers.zip; Han, Mao & Dally 2016 (Deep Compression, arXiv 1510.00149), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tzip import clustering
from tzip.code import Code
from tzip.options import option


@dataclass(frozen=True)
class Options:
    """K-means quantization with trained centroids."""

    bits: int = option(4, "bits a weight; the codebook has at most 2^bits entries", low=1, high=8)
    optimizer: str = option(
        "exact",
        "the optimum; Lloyd's algorithm to its end; or the report's MiniBatchKMeans",
        choices=("exact", "lloyd", "minibatch"),
    )
    start: str = option(
        "linear",
        "where lloyd and minibatch begin (exact needs no start)",
        choices=("linear", "density", "random", "kmeans++"),
    )


class Quantizer(nn.Module):
    """A weight as fixed indices into a trained codebook."""

    trains_latent = False

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        super().__init__()
        values = weight.detach().float().cpu().numpy()
        kept = values if keep is None else values[keep.cpu().numpy()]
        centroids = fit(kept, options, seed)
        indices, centroids = clustering.compact(clustering.assigned(values, centroids), centroids)
        padding = (0, 2**options.bits - len(centroids))  # entries that no weight uses: a size that is known
        codebook = torch.from_numpy(np.pad(centroids, padding, "edge"))
        self.codebook = nn.Parameter(codebook.to(weight.device))
        self.register_buffer("indices", torch.from_numpy(indices).view(weight.shape).to(weight.device))
        self.register_buffer("keep", None if keep is None else keep.clone())

    def forward(self, weight: Tensor) -> Tensor:
        return clustering.zeroed(clustering.Lookup.apply(self.codebook, self.indices, None), self.keep)

    def code(self, weight: Tensor) -> Code:
        mask = None if self.keep is None else self.keep.flatten().cpu().numpy()
        indices = self.indices.flatten().cpu().numpy()
        used = indices if mask is None else indices[mask]
        symbols, codebook = clustering.compact(used, self.codebook.detach().cpu().numpy())
        return Code(tuple(weight.shape), symbols, codebook, mask)


def fit(values: np.ndarray, options: Options, seed: int) -> np.ndarray:
    """At most 2^bits centroids of these values, ascending float32."""
    k = 2**options.bits
    if options.optimizer == "exact" or not values.size:
        return clustering.exact(values, k)
    start = clustering.started(values, k, options.start, seed)
    if options.optimizer == "lloyd":
        return clustering.lloyd(values, start)
    return clustering.minibatch(values, start, seed)
