"""A second reader of model.tzip, written from docs/format.md with the standard library alone."""

import hashlib
import json
import lzma
import struct
from itertools import accumulate
from math import prod


def read(data: bytes) -> dict:
    assert data[:4] == b"tzip"
    version, packed, unpacked, vocabulary_packed, vocabulary_unpacked = struct.unpack("<5I", data[4:24])
    assert version in (1, 2, 3)
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
    header, rest = _unpack(data[24:-32], packed, unpacked)
    vocabulary, body = _unpack(rest, vocabulary_packed, vocabulary_unpacked)
    length = int.from_bytes(header[:4], "little")
    text, after = json.loads(header[4 : 4 + length].decode("utf-8")), header[4 + length :]
    codebooks = None
    if version == 3:
        vocabulary = _vocabulary(vocabulary)
        end = 4 * sum(map(_entries, text["tensors"]))
        codebooks, after = after[:end], after[end:]
    levels = list(accumulate(after, lambda level, step: (level + step) % 256))
    numbers = iter(())
    if text.get("fixed"):
        first, count, size = text["fixed"]
        total = sum(prod(tensor["shape"]) for tensor in text["tensors"] if "fixed" in tensor)
        numbers = iter([first + symbol for symbol in _symbols(levels[:count], total, body[:size])])
        levels, body = levels[count:], body[size:]
    weights = {}
    for tensor in text["tensors"]:
        if "fixed" in tensor:
            centre, exponent = tensor["fixed"]
            values = [(next(numbers) + centre) * 2.0**exponent for _ in range(prod(tensor["shape"]))]
        else:
            values, levels, body, codebooks = _tensor(tensor, levels, body, codebooks)
        weights[tensor["name"]] = tensor["shape"], values
    assert not body
    assert not levels
    assert not codebooks
    return {"config": text["config"], "history": text["history"], "vocabulary": vocabulary, "weights": weights}


def _vocabulary(data: bytes) -> bytes:
    """The SentencePiece model of a vocabulary in alphabetical order; any other as it is."""
    if data[:14] != b"tzip pieces 2\n":
        return data
    number, before, size = struct.unpack("<3I", data[14:26])
    common, scores, rest = data[26 : 26 + number], data[26 + number : 26 + 2 * number], data[26 + 2 * number :]
    pieces, text = [], b""
    for shared, score, ending in zip(common, scores, rest[:size].split(b"\n")[:-1], strict=True):
        text = text[:shared] + ending
        pieces.append((score, text))
    model = rest[size : size + before]
    for score, text in sorted(pieces):
        message = b"\x0a" + _size(len(text)) + text + b"\x15" + struct.pack("<f", -score / 2)
        model += b"\x0a" + _size(len(message)) + message
    return model + rest[size + before :]


def _size(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + _size(number // 128)


def _entries(tensor: dict) -> int:
    """Numbers in the codebooks of a tensor and its residuals."""
    own = tensor["codebook"] or 0
    own = prod(own) if isinstance(own, list) else own
    return own + (_entries(tensor["residual"]) if "residual" in tensor else 0)


def _tensor(tensor: dict, levels: list[int], body: bytes, codebooks: bytes | None) -> tuple:
    """The weights of a tensor, and the levels, bytes and codebooks that are left after it."""
    size = kept = prod(tensor["shape"])
    mask = [1] * size
    if tensor["mask"] is not None:
        mask, body = _symbols(levels[:2], size, body[: tensor["mask"]]), body[tensor["mask"] :]
        levels, kept = levels[2:], sum(mask)
    books, entries, width = 1, tensor["codebook"], 1
    if isinstance(entries, list):
        books, entries, width = entries
    if entries is not None:
        count = books * entries * width
        source = body if codebooks is None else codebooks
        codebook, source = struct.unpack(f"<{count}f", source[: 4 * count]), source[4 * count :]
        body, codebooks = (source, None) if codebooks is None else (body, source)
    rows, columns = (tensor["shape"][0] if len(tensor["shape"]) > 1 else 1), size
    columns //= rows
    scales, groups = None, 1
    if "scales" in tensor:
        of_rows, groups = tensor["scales"]
        count = of_rows * groups
        if "octaves" in tensor:
            steps, first, number, coded = tensor["octaves"]
            symbols, body = _symbols(levels[:number], count, body[:coded]), body[coded:]
            scales, levels = [_float16(2.0 ** ((first + symbol) / steps)) for symbol in symbols], levels[number:]
        else:
            scales, body = struct.unpack(f"<{count}e", body[: 2 * count]), body[2 * count :]
    if entries is None:
        form = f"<{kept}{'f' if tensor['type'] == 'float32' else 'e'}"
        found = list(struct.unpack(form, body[: tensor["symbols"]]))
    else:
        number = kept if width == 1 and not isinstance(tensor["codebook"], list) else -(-size // width)
        symbols = _symbols(levels[:entries], number, body[: tensor["symbols"]])
        levels = levels[entries:]
        starts = [(i % books * entries + symbol) * width for i, symbol in enumerate(symbols)]
        found = [codebook[start + i] for start in starts for i in range(width)]
    body = body[tensor["symbols"] :]
    if isinstance(tensor["codebook"], list):
        weights = found[:size]
    else:
        value = iter(found)
        weights = [next(value) if bit else 0.0 for bit in mask]
    if scales is not None:
        group, lines = -(-columns // groups), range(rows)
        places = [(r % of_rows * groups + c // group) for r in lines for c in range(columns)]
        weights = [_float32(w * scales[place]) for w, place in zip(weights, places, strict=True)]
    if "residual" in tensor:
        more, levels, body, codebooks = _tensor(tensor["residual"], levels, body, codebooks)
        weights = [_float32(w + other) for w, other in zip(weights, more, strict=True)]
    return [w if bit else 0.0 for w, bit in zip(weights, mask, strict=True)], levels, body, codebooks


def _float16(value: float) -> float:
    return struct.unpack("<e", struct.pack("<e", value))[0]


def _float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _unpack(data: bytes, packed: int, unpacked: int) -> tuple[bytes, bytes]:
    lzma2 = [{"id": lzma.FILTER_LZMA2, "dict_size": 4 << 20}]
    section = lzma.decompress(data[:packed], lzma.FORMAT_RAW, filters=lzma2)
    assert len(section) == unpacked
    return section, data[packed:]


def _symbols(levels: list[int], count: int, data: bytes) -> list[int]:
    mantissas = 128, 140, 152, 166, 181, 197, 215, 235
    occurring = [symbol for symbol, level in enumerate(levels) if level]
    if len(occurring) < 2:
        assert not data
        return occurring * count
    weights = [mantissas[(levels[s] - 1) % 8] << (levels[s] - 1) // 8 for s in occurring]
    shares = [1 + weight * (2**24 - len(weights)) // sum(weights) for weight in weights]
    shares[shares.index(max(shares))] += 2**24 - sum(shares)
    starts = [0, *accumulate(shares)]
    words = list(struct.unpack(f"<{len(data) // 4}I", data))
    state, symbols = 0, []

    def refill(state: int) -> int:
        return state << 32 | words.pop() if state < 2**32 and words else state

    state = refill(refill(state))
    for _ in range(count):
        place = state % 2**24
        index = max(i for i in range(len(shares)) if starts[i] <= place)
        state = refill(shares[index] * (state >> 24) + place - starts[index])
        symbols.append(occurring[index])
    assert state == 0
    assert not words
    return symbols
