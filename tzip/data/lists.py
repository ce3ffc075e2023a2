"""A vocabulary from outside as bytes: SentencePiece models that cut text, and lists that number its pieces.

The layout is in docs/format.md. Reading trusts nothing, and takes no more memory than the bytes do.
"""

import json
import struct
from dataclasses import asdict, dataclass

MAGIC = b"tzip pieces 1\n"
SIZES = struct.Struct("<3I")  # bytes of the JSON text, the source's model and the target's (0: the source's)
SPECIAL = 4  # PAD, UNKNOWN, BEGIN and END come first, however they are spelled
MOST = 1 << 20  # pieces that a model's Config allows


@dataclass(frozen=True)
class Lists:
    """What cuts a text, and which number each piece has.

    source_model, target_model  SentencePiece models; an empty one stands for the source's
    source, target              pieces by their ids; an empty target for one list that both sides share
    source_end                  whether a source ends in END
    prefix                      the piece that comes before every source; none where empty
    target_prefix               the piece that comes before every target; none where empty
    """

    source_model: bytes
    target_model: bytes
    source: tuple[str, ...]
    target: tuple[str, ...] = ()
    source_end: bool = True
    prefix: str = ""
    target_prefix: str = ""

    def __post_init__(self) -> None:
        for side, pieces in (("source", self.source), ("target", self.target or self.source)):
            if not SPECIAL <= len(pieces) <= MOST:
                raise ValueError(f"{len(pieces)} pieces of the {side}; {SPECIAL} to {MOST} expected")
            if not all(isinstance(piece, str) and piece for piece in pieces):
                raise ValueError(f"a piece of the {side} is empty, or no text")
            if len(set(pieces)) < len(pieces):
                raise ValueError(f"a piece of the {side} is listed twice")
        if self.prefix and self.prefix not in self.source[SPECIAL:]:
            raise ValueError(f"prefix = {self.prefix[:80]!r} is no piece of the source")
        if self.target_prefix and self.target_prefix not in (self.target or self.source)[SPECIAL:]:
            raise ValueError(f"target_prefix = {self.target_prefix[:80]!r} is no piece of the target")


def pack(lists: Lists) -> bytes:
    """The bytes of a vocabulary; the same vocabulary gives the same bytes."""
    settings = {key: value for key, value in asdict(lists).items() if not key.endswith("_model")}
    settings |= {} if settings.pop("target_prefix") == "" else {"target_prefix": lists.target_prefix}  # added later
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    models = (lists.source_model, lists.target_model)
    return MAGIC + SIZES.pack(len(text), *map(len, models)) + text + b"".join(models)


def unpack(data: bytes) -> Lists:
    """What `pack` made `data` from; ValueError in one line for other bytes."""
    start = len(MAGIC) + SIZES.size
    if not data.startswith(MAGIC) or len(data) < start:
        raise ValueError("not a vocabulary of lists")
    sizes = SIZES.unpack_from(data, len(MAGIC))
    if start + sum(sizes) != len(data):
        raise ValueError(f"{len(data)} bytes, {start + sum(sizes)} expected")
    text, source, target = (data[start + sum(sizes[:i]) :][:size] for i, size in enumerate(sizes))
    try:
        settings = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its text is not JSON: {' '.join(str(error).split())[:200]}") from None
    kinds = {"source": list, "target": list, "source_end": bool, "prefix": str}
    found = {key: type(value) for key, value in settings.items()} if isinstance(settings, dict) else {}
    if found not in (kinds, kinds | {"target_prefix": str}):
        raise ValueError(f"its text must have {', '.join(f'{key} ({kind.__name__})' for key, kind in kinds.items())}")
    settings |= {side: tuple(settings[side]) for side in ("source", "target")}
    return Lists(source_model=source, target_model=target, **settings)
