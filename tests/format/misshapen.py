"""Headers that no writer makes, each with what is said of it: JSON text, codebooks and levels, body, message."""

import functools
import json


def entry(**changes) -> dict:
    return {"name": "w", "shape": [4], "type": "uint8", "mask": None, "codebook": 1, "symbols": 0} | changes


def header(*entries, fixed=None) -> bytes:
    return json.dumps({"config": {}, "history": {}, "fixed": fixed, "tensors": list(entries)}).encode()


BOOK, FIXED_ONE = bytes(4), entry(type="fixed", codebook=None, fixed=[0, 0])
STEPS = {"scales": [1, 1], "octaves": [8, -30, 1, 0]}
MISSHAPEN = {  # JSON, codebooks and levels, body
    "weights without bytes": (header(entry(shape=[2**30])), BOOK + b"\1", b"", "1073741824 weights; a file of"),
    "many such tensors": (
        header(*(entry(name=str(n), shape=[2**20]) for n in range(50))),
        50 * BOOK + b"\1" + bytes(49),
        b"",
        "52428800 weights; a file of",
    ),
    "a shape beyond any integer": (header(entry(shape=[2**39] * 8)), BOOK + b"\1", b"", "weights; a file of"),
    "a tensor twice": (header(entry(), entry()), 2 * BOOK + b"\1\0", b"", "listed twice"),
    "a size beyond the file": (header(entry(symbols=2**39)), BOOK + b"\1", b"", "expected where 0 are left"),
    "a codebook beyond the file": (header(entry(codebook=256)), BOOK + b"\1", b"", "expected where 5 are left"),
    "levels that are not there": (header(entry(codebook=2)), 2 * BOOK + b"\1", b"", "2 bytes expected where 1 are"),
    "levels too many": (header(entry()), BOOK + b"\1\0", b"", "1 bytes that belong to nothing"),
    "body too long": (header(entry()), BOOK + b"\1", b"\0", "1 bytes that belong to nothing"),
    "a codebook of infinities": (header(entry()), b"\0\0\x80\x7f\1", b"", "w: weights that are not finite"),
    "values that are no numbers": (
        header(entry(type="float16", codebook=None, symbols=8)),
        b"",
        b"\0\x7e" * 4,
        "w: weights that are not finite",
    ),
    "values too few": (
        header(entry(type="float32", codebook=None, symbols=12)),
        b"",
        bytes(12),
        r"w: symbols: (3,) found, (4,) expected for shape (4,)",
    ),
    "half a value": (header(entry(type="float32", codebook=None, symbols=15)), b"", bytes(15), "multiple of"),
    "indices wider than their type": (header(entry(codebook=300)), 300 * (BOOK + b"\1"), b"", "reaches 256 entr"),
    "no symbol for weights": (header(entry()), BOOK + b"\0", b"", "w: 0 different symbols cannot make 4"),
    "words that end in zero": (
        header(entry(codebook=2, symbols=4)),
        2 * BOOK + b"\1\0",
        bytes(4),
        "never ends in a zero word.",
    ),
    "residuals without bytes": (
        header(functools.reduce(lambda inner, _: entry(shape=[2**22], residual=inner), range(9), entry(shape=[2**22]))),
        10 * BOOK + b"\1" + bytes(9),
        b"",
        "41943040 weights; a file of",
    ),
    "residuals without end": (
        b'{"config":{},"fixed":null,"history":{},"tensors":[' + header(entry())[53:-3] + b',"residual":' * 1000,
        b"",
        b"",
        "Expecting",
    ),
    "a residual of another shape": (
        header(entry(residual=entry(shape=[2, 2]))),
        2 * BOOK + b"\1\0",
        b"",
        "its residual is another tensor's",
    ),
    "a residual with a mask": (header(entry(residual=entry(mask=0))), 2 * BOOK + b"\1\xff\1\0", b"", "w: residual"),
    "vectors without weights": (header(entry(codebook=[1, 1, 0])), b"\1", b"", "w: codebook"),
    "books without end": (header(entry(codebook=[2**39, 1, 1])), b"\1", bytes(4), "bytes expected where 1 are"),
    "scales for no group": (header(entry(scales=[1, 3])), BOOK + b"\1", bytes(6), "w: scales: float16 (1, 3)"),
    "a scale of infinity": (header(entry(scales=[1, 1])), BOOK + b"\1", b"\0\x7c", "w: weights that are not"),
    "coded scales without bytes": (
        header(entry(scales=[1, 2**39], octaves=[8, 0, 1, 0])),
        BOOK + b"\1\0",
        b"",
        "w: octaves of (1, 549755813888) scales",
    ),
    "coded scales for no group": (
        header(entry(scales=[1, 3], octaves=[8, 0, 1, 0])),
        BOOK + b"\1\0",
        b"",
        "w: scales: float16 (1, 3)",
    ),
    "octaves without scales": (header(entry(octaves=[8, 0, 1, 0])), BOOK + b"\1\0", b"", "octaves of None scales"),
    "octaves without steps": (header(entry(scales=[1, 1], octaves=[0, 0, 1, 0])), BOOK, b"", "is not its octaves"),
    "octaves of too many symbols": (
        header(entry(scales=[1, 1], octaves=[8, 0, 65537, 0])),
        BOOK,
        b"",
        "is not its octaves",
    ),
    "octaves beyond all numbers": (
        header(entry(scales=[1, 1], octaves=[1, 2**31 - 1, 1, 0])),
        BOOK + b"\1\0",
        b"",
        "w: scales that are not finite",
    ),
    "octaves of three": (header(entry(scales=[1, 1], octaves=[8, 0, 1])), BOOK, b"", "is not its octaves"),
    "fixed-point numbers that nobody has": (header(fixed=[0, 1, 0]), b"\1", b"", "0 tensors of fixed-point numbers"),
    "fixed-point numbers that are not there": (header(FIXED_ONE), b"\1", b"", "1 tensors of fixed-point numbers"),
    "fixed-point numbers of a negative size": (
        header(FIXED_ONE, fixed=[0, 1, -1]),
        b"\1",
        b"",
        "no fixed-point numbers",
    ),
    "fixed-point numbers of too many symbols": (
        header(FIXED_ONE, fixed=[0, 65537, 0]),
        bytes(65536) + b"\1",
        b"",
        "no fixed-point numbers",
    ),
    "fixed-point numbers far away": (
        header(FIXED_ONE | {"fixed": [2**31 - 1, 0]}, fixed=[2**31 - 1, 1, 0]),
        b"\1",
        b"",
        "w: fixed-point numbers from 4294967294 on",
    ),
    "fixed-point numbers too large": (
        header(FIXED_ONE, fixed=[16384, 1, 0]),
        b"\1",
        b"",
        "w: fixed-point numbers beyond",
    ),
    "fixed-point numbers with a wild exponent": (
        header(FIXED_ONE | {"fixed": [0, 101]}, fixed=[0, 1, 0]),
        b"\1",
        b"",
        "exponent = 101 is not -126 to 100",
    ),
    "fixed-point numbers with a mask": (
        header(FIXED_ONE | {"mask": 0}, fixed=[0, 1, 0]),
        b"\1\0\1",
        b"",
        "w: fixed-point numbers have no part",
    ),
    "fixed-point numbers in a residual": (
        header(entry(residual=FIXED_ONE), fixed=[0, 1, 0]),
        BOOK + b"\1\0",
        b"",
        "w: a residual of fixed-point numbers",
    ),
    "fixed-point numbers with a codebook": (
        header(entry(fixed=[0, 0]), fixed=[0, 1, 0]),
        BOOK + b"\1\0",
        b"",
        "w: fixed-point numbers have no part",
    ),
    "fixed-point numbers without bytes": (
        header(FIXED_ONE | {"shape": [2**30]}, fixed=[0, 1, 0]),
        b"\1",
        b"",
        "1073741824 weights; a file of",
    ),
    "another member": (header(entry(extra=1)), BOOK + b"\1", b"", "tensors must have codebook, mask, name"),
    "no tensors": (b'{"config":{},"history":{}}', b"", b"", "config, history, tensors and fixed expected"),
    "a list": (b"[1,2,3]", b"", b"", "config, history, tensors and fixed expected"),
    "not JSON": (b"{", b"", b"", "Expecting property name"),
    "not a number": (b'{"config":{"a":NaN},"fixed":null,"history":{},"tensors":[]}', b"", b"", "NaN is not JSON"),
    "not UTF-8": (b"\xff\xfe", b"", b"", "can't decode byte"),
    "a number of 5,000 digits": (b"1" * 5000, b"", b"", "Exceeds the limit"),
    "nested 100,000 deep": (b"[" * 100_000, b"", b"", "recursion"),
    "nested 100,000 deep in objects": (b'{"a":' * 100_000, b"", b"", "recursion"),
}
