"""How many bytes a model takes, counted three ways: as the paper prints, in the file, at the limit."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import ceil, log2, prod
from pathlib import Path
from typing import Any

from tzip.compression.code import Code, entropy_bits, side_bits
from tzip.format import container
from tzip.format.container import DIGEST, PREAMBLE, Archive, Stored

OVERHEAD = (1.02, 4096)  # a file's promise: at most this factor times its limit, plus these bytes


def sizes(archive: Archive, file_bytes: int, baseline: Archive | None = None) -> dict[str, Any]:
    """The sizes of a file, given the `archive` read from it and the number of its bytes.

    Ratios are to `baseline`, which for a student is another model; without one, to the same model.

    file_bytes        the whole file, vocabulary included
    baseline_bytes    the baseline uncompressed: float32 safetensors, and the vocabulary as it is
    limit_bytes       what no file with one static model per tensor can go below: the entropy of the symbols and
                      masks of matrices alone; values that are stored as they are count their bytes
    side_bytes        side information, all else in the file: scales, codebooks, biases and norms, vocabulary, header
    bound_bytes       what this file may take at most: 1.02 · (limit + side information as it is) + 4 KiB, with
                      4 bytes per entry of a codebook, 2 per scale, the entropy of vectors, the stored vocabulary
    ratio_printed     as the paper counts (`printed_ratio`), times the baseline's weights ÷ the model's
    ratio_file        baseline_bytes ÷ file_bytes
    ratio_limit       baseline_bytes ÷ limit_bytes
    weights           all weights of the model, tied ones once
    coded_weights     those in tensors that were pruned, quantized or halved
    vocabulary_bytes  the vocabulary as stored in the file

    Bits and sparsity are read off the codes, so nothing here depends on the archive's history.
    """
    codes, baseline = archive.codes, baseline or archive
    shapes = {name: code.shape for name, code in baseline.codes.items()}
    baseline_bytes = safetensors_bytes(shapes) + len(baseline.vocabulary)
    stored = _stored(archive)
    limit = ceil(sum(map(entropy_bits, matrices(codes).values())) / 8)
    side = file_bytes - sum(stored.coded[name] for name in matrices(codes))
    whole = ceil(sum(entropy_bits(code) + side_bits(code) for code in codes.values()) / 8) + stored.vocabulary
    coded = [code for code in codes.values() if code.mask is not None or declared_bits(code) < 32]
    return {
        "file_bytes": file_bytes,
        "baseline_bytes": baseline_bytes,
        "limit_bytes": limit,
        "side_bytes": side,
        "bound_bytes": int(OVERHEAD[0] * whole) + OVERHEAD[1],
        "ratio_printed": as_printed(codes.values()) * matrix_weights(baseline) / matrix_weights(archive),
        "ratio_file": baseline_bytes / file_bytes,
        "ratio_limit": baseline_bytes / max(limit, 1),
        "weights": sum(code.size for code in codes.values()),
        "coded_weights": sum(code.size for code in coded),
        "vocabulary_bytes": stored.vocabulary,
    }


def matrices(codes: Mapping[str, Code]) -> dict[str, Code]:
    """The codes of matrices: what else a model has, biases and norms, is side information."""
    return {name: code for name, code in codes.items() if len(code.shape) > 1 and code.exponent is None}


def matrix_weights(archive: Archive) -> int:
    """The weights that the paper counts: the entries of matrices; 1 where there is none."""
    return max(1, sum(code.size for code in archive.codes.values() if len(code.shape) > 1))


def printed_ratio(weights: int, quantized: Mapping[float, int] | None = None, sparsity: float = 0.0) -> float:
    """The compression ratio that the paper's Table 1 prints.

    Of a quantized model it is (quantized weights ÷ all weights) · 32 ÷ bits, of a pruned one
    1 ÷ (1 − sparsity), of one that is both their product. What is not quantized counts as nothing, and
    the positions of the weights left by pruning are free: no file has this ratio. Weights are the entries
    of matrices; with biases and norms, 0.2 % of the base model, the paper's figures would fit less well.

    weights    in all matrices of the model
    quantized  {bits: weights stored at that many}; none: the model is not quantized
    sparsity   the pruned share of the pruned tensors
    """
    quantization = sum(count * 32 / bits for bits, count in quantized.items()) / weights if quantized else 1.0
    return quantization / (1.0 - sparsity)


def as_printed(codes: Iterable[Code]) -> float:
    """`printed_ratio` of a model by its codes; masks that keep nothing count as if they kept one weight."""
    matrices = [code for code in codes if len(code.shape) > 1]
    quantized: Counter[float] = Counter()
    for code in matrices:
        quantized[declared_bits(code)] += code.size
    del quantized[32.0]
    masks = [code.mask for code in matrices if code.mask is not None]
    pruned, kept = sum(len(mask) for mask in masks), sum(int(mask.sum()) for mask in masks)
    sparsity = 1.0 - max(kept, 1) / pruned if masks else 0.0
    return printed_ratio(sum(code.size for code in matrices), quantized, sparsity)


def declared_bits(code: Code) -> float:
    """Bits per weight as the paper counts: log2 of the codebook, rounded up, or 32 or 16 without one.

    With a codebook of vectors, divided by their length; a residual's are added. Scales count as nothing.
    """
    return _bits(code, lambda entries: max(1, (entries - 1).bit_length()))


def safetensors_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The exact size of a float32 safetensors file of these tensors: 8 + header + 4 bytes per weight."""
    header, offset = {}, 0
    for name in sorted(shapes, key=str.encode):
        end = offset + 4 * prod(shapes[name])
        header[name] = {"dtype": "F32", "shape": list(shapes[name]), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return 8 + -(-len(text) // 8) * 8 + offset


def table(archive: Archive) -> list[dict[str, Any]]:
    """One row per tensor of an archive read from a file, then of what belongs to none.

    name     of the tensor; "(fixed-point)", the vectors coded together, "(vocabulary)" or "(header)"
    shape    of the tensor; None
    bits     per kept weight, before entropy coding: log2 of the codebook, or 32 or 16 without one; None
    entropy  bits per weight, pruned ones included, that a static model needs for symbols and mask; None
    bytes    in the file; all rows together make the whole file
    share    of the file, 0 to 1
    """
    stored = _stored(archive)
    rows = [
        {
            "name": name,
            "shape": code.shape,
            "bits": _bits(code, lambda entries: log2(max(entries, 1))),
            "entropy": entropy_bits(code) / code.size,
            "bytes": stored.tensors[name],
        }
        for name, code in archive.codes.items()
    ]
    rest = {"(fixed-point)": stored.fixed} if stored.fixed else {}
    rest |= {"(vocabulary)": stored.vocabulary, "(header)": stored.header + PREAMBLE.size + DIGEST}
    for name, size in rest.items():
        rows.append({"name": name, "shape": None, "bits": None, "entropy": None, "bytes": size})
    total = sum(row["bytes"] for row in rows)
    return [{**row, "share": row["bytes"] / total} for row in rows]


def lines(path: Path) -> list[str]:
    """A model.tzip for readers: its tensors, its sizes, what was done to it."""
    archive = container.read(path)
    rows = table(archive)
    width = max(len(row["name"]) for row in rows)
    form = f"{{:{width}}}  {{:>12}}  {{:>5}}  {{:>7}}  {{:>11}}  {{:>6}}"
    text = [form.format("tensor", "shape", "bits", "entropy", "bytes", "share")]
    for row in rows:
        cells = [row["name"], "", "", "", f"{row['bytes']:,}", f"{100 * row['share']:.1f}%"]
        if row["shape"] is not None:
            cells[1:4] = "x".join(map(str, row["shape"])), f"{row['bits']:.2f}", f"{row['entropy']:.3f}"
        text.append(form.format(*cells))
    counted, history = sizes(archive, path.stat().st_size), archive.history
    text += ["", f"{path}: {counted['file_bytes']:,} bytes for {counted['weights']:,} weights"]
    side, parts = counted["side_bytes"], "scales, codebooks, vectors, vocabulary, header"
    text.append(f"{counted['file_bytes'] - side:,} bytes of symbols and masks, {side:,} of side information: {parts}")
    ratios = (("printed", "as printed"), ("file", "in the file"), ("limit", "at the limit"))
    text.append(", ".join(f"{counted[f'ratio_{name}']:.2f}x {meaning}" for name, meaning in ratios))
    text.append(f"{history.get('name', '')}: {done(history)}")
    if origin := history.get("origin"):
        text.append(f"imported from {origin['format']}:")
        text += [f"  {sha256}  {name}" for name, sha256 in origin["files"].items()]
    return text


def done(history: Mapping[str, Any]) -> str:
    """The variant in a file's history, in words: each option that has a value."""
    options = history.get("variant", {}).items()
    return ", ".join(f"{key} {value}" for key, value in options if value not in ("", -1))


def _bits(code: Code, bits_of: Callable[[int], float]) -> float:
    """Bits per weight, a symbol of K entries taking `bits_of(K)`."""
    residual = 0.0 if code.residual is None else _bits(code.residual, bits_of)
    if code.codebook is None:
        return 8.0 * code.symbols.itemsize + residual
    return bits_of(code.entries) / code.width + residual


def _stored(archive: Archive) -> Stored:
    if archive.stored is None:
        raise ValueError("an archive has sizes only as read from its file")
    return archive.stored
