"""Residual quantization: a codebook of sub-vectors, and further ones for the remaining error.

Gong et al. 2014 (arXiv 1412.6115), section 3.4.
"""

from dataclasses import dataclass

from tzip.compression.vectors import SubVectors
from tzip.options import option

SOURCE = "Gong et al. 2014"


@dataclass(frozen=True)
class Options:
    """Codebooks of sub-vectors that are added up."""

    books = 1
    bits: int = option(8, "bits per sub-vector and stage; a codebook has at most 2^bits entries", low=1, high=8)
    width: int = option(4, "weights per sub-vector", choices=(2, 4, 8))
    stages: int = option(2, "number of codebooks, each for the error that those before it leave", low=1, high=4)


class Quantizer(SubVectors):
    """A weight as the sum of vectors from trained codebooks, one of each stage."""
