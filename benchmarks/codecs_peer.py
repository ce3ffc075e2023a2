"""Other codecs on a model's tensors: the peers in `benchmarks/codecs.py`, by the Python that has them.

    python codecs_peer.py WEIGHTS.safetensors FOLDER CODEC OPTIONS

CODEC is nncodec or quanto, OPTIONS are JSON. FOLDER gets `stored`, which is all that the codec has to keep, and
`decoded.safetensors`, the tensors that come back. Both name tensors by numbers: names are no matter of a codec.
"""

import json
import os
import sys
import types
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

Tensors = dict[str, np.ndarray]


def nncodec(weights: Tensors, stored: Path, **options: object) -> Tensors:
    """A bitstream of nncodec and what it decodes; int32 tensors are coded without loss."""
    # The part of the package that trains and tests image classifiers; the codec calls nothing of it.
    framework = types.ModuleType("nncodec.framework")
    framework.tensorflow_model = framework.pytorch_model = framework.use_case_init = None
    sys.modules["nncodec.framework"] = framework
    from nncodec import nnc

    stream = nnc.compress(weights, bitstream_path=None, return_bitstream=True, row_skipping=True, **options)
    stored.write_bytes(stream)
    return nnc.decompress(bytearray(stored.read_bytes()))


def quanto(weights: Tensors, stored: Path, bits: int, optimizer: str) -> Tensors:
    """The file of a model in half precision whose matrices optimum-quanto has quantized, and what they are then."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it calls ninja
    import optimum.quanto as library
    import torch
    from safetensors.torch import save_file as save
    from torch import nn

    tensors = {name: nn.Parameter(torch.from_numpy(x).half(), requires_grad=False) for name, x in weights.items()}
    model = nn.Module()
    model.vectors = nn.ParameterDict({name: tensor for name, tensor in tensors.items() if tensor.dim() < 2})
    model.matrices = nn.ModuleDict()
    for name, tensor in tensors.items():
        if tensor.dim() > 1:
            layer = nn.Linear(1, 1, bias=False)
            layer.weight = nn.Parameter(tensor.flatten(1), requires_grad=False)
            layer.out_features, layer.in_features = layer.weight.shape
            model.matrices[name] = layer
    kinds = {"max": library.MaxOptimizer, "HQQ": library.HqqOptimizer}
    library.quantize(model, weights=f"qint{bits}", optimizer=kinds[optimizer]())
    library.freeze(model)
    save({name: value.contiguous() for name, value in model.state_dict().items()}, stored)
    found = {name: layer.weight.dequantize() for name, layer in model.matrices.items()} | dict(model.vectors.items())
    return {name: value.detach().float().numpy().reshape(weights[name].shape) for name, value in found.items()}


def main() -> None:
    source, folder, codec, options = sys.argv[1:]
    weights, folder = load_file(source), Path(folder)
    decoded = {"nncodec": nncodec, "quanto": quanto}[codec](weights, folder / "stored", **json.loads(options))
    save_file({name: np.ascontiguousarray(decoded[name]) for name in weights}, folder / "decoded.safetensors")


main()
