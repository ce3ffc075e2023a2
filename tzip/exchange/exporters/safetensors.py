"""A checkpoint folder of ours: dense weights, for `safetensors.torch.load_file` and for `tzip compress`."""

from pathlib import Path

from safetensors.torch import save_file

from tzip import files
from tzip.data.pieces import Pieces
from tzip.exchange import exporting
from tzip.nmt import checkpoint
from tzip.nmt.model import Transformer
from tzip.nmt.options import settings

TYPES = ("float32", "float16")
USES = ()
OPEN = """
`safetensors.torch.load_file("model.safetensors")` gives the weights; `tzip compress FOLDER OUTPUT` takes the folder.
"""


def write(folder: Path, model: Transformer, pieces: Pieces, options: exporting.Options) -> None:
    """Write config.json, pieces.model and model.safetensors, as `checkpoint.save`, of any form and type.

    A tied matrix is there once, by the first of its names. ValueError names a tensor that is beyond float16.
    """
    tensors = exporting.typed(checkpoint.untied(model.state_dict()), options.type)
    files.write_json(folder / checkpoint.CONFIG, settings(model.config))
    (folder / checkpoint.PIECES).write_bytes(pieces.model)
    save_file(tensors, folder / checkpoint.WEIGHTS)
