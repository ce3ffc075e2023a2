"""K-means quantization: one codebook per tensor, whose entries are trained while the assignment is fixed.

transformers.zip; Han, Mao & Dally 2016 (Deep Compression, arXiv 1510.00149), section 3.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tzip.compression import kmeans1d
from tzip.compression.parametrization import Indexed, compact
from tzip.options import option

SOURCE = "Cheong & Daniel 2019 (transformers.zip); Han, Mao & Dally 2016 (Deep Compression)"


@dataclass(frozen=True)
class Options:
    """K-means quantization with trained centroids."""

    bits: int = option(4, "bits per weight; the codebook has at most 2^bits entries", low=1, high=8)
    optimizer: str = option(
        "exact",
        "the optimum, Lloyd's algorithm until it converges, or the paper's MiniBatchKMeans",
        choices=("exact", "lloyd", "minibatch"),
    )
    start: str = option(
        "linear",
        "initial centroids of lloyd and minibatch (exact needs none)",
        choices=("linear", "density", "random", "kmeans++"),
    )


class Quantizer(Indexed):
    """A weight as fixed indices into a trained codebook."""

    def __init__(self, weight: Tensor, options: Options, *, keep: Tensor | None = None, seed: int = 0):
        values = weight.detach().float().cpu().numpy()
        kept = values if keep is None else values[keep.cpu().numpy()]
        centroids = fit(kept, options, seed)
        indices, centroids = compact(kmeans1d.assigned(values, centroids), centroids)
        padding = (0, 2**options.bits - len(centroids))  # unused entries, for a known size
        codebook = torch.from_numpy(np.pad(centroids, padding, "edge"))
        indices = torch.from_numpy(indices).view(weight.shape)
        super().__init__(indices.to(weight.device), codebook.to(weight.device), None, keep)


def fit(values: np.ndarray, options: Options, seed: int) -> np.ndarray:
    """At most 2^bits centroids of these values, ascending float32."""
    k = 2**options.bits
    if options.optimizer == "exact" or not values.size:
        return kmeans1d.exact(values, k)
    start = kmeans1d.started(values, k, options.start, seed)
    if options.optimizer == "lloyd":
        return kmeans1d.lloyd(values, start)
    return kmeans1d.minibatch(values, start, seed)
