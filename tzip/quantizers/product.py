"""Product quantization: sub-vectors of a row, each from the codebook of its part.

Gong et al. 2014 (arXiv 1412.6115), section 3.3: a matrix is cut into parts of columns, and each part gets
its own k-means. With one codebook all parts share it: vector quantization proper, and the choice for small
matrices, because the codebooks count as bytes.
"""

from dataclasses import dataclass

from tzip.compression.vectors import SubVectors
from tzip.options import option

SOURCE = "Gong et al. 2014"


@dataclass(frozen=True)
class Options:
    """Codebooks of sub-vectors."""

    stages = 1
    bits: int = option(8, "bits per sub-vector; a codebook has at most 2^bits entries", low=1, high=8)
    width: int = option(4, "weights per sub-vector", choices=(2, 4, 8))
    books: int = option(1, "number of codebooks, used in turn along a row", low=1, high=256)


class Quantizer(SubVectors):
    """A weight as fixed indices into trained codebooks of sub-vectors."""
