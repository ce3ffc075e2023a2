"""Torch files without torch.load: tensors come back bit for bit, and no file runs code or takes memory."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import resource
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.format.test_fuzz import mutant
from tests.test_pickles import CALLS, nested
from tzip.nmt import checkpoint
from tzip.pickles import Made
from tzip.torchfile import MAGIC, Stored, TorchFile

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])


def save(value: Any, path: Path, zipped: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    return {
        "plain": base, "view": base[2:4], "transposed": base.t(), "every other": base[::2, ::3],
        "again": base, "half": torch.randn(5).half(), "bfloat16": torch.randn(3, 2).bfloat16(),
        "double": torch.randn(2).double(),
        "int64": torch.arange(5), "int32": torch.arange(5).int(), "int16": torch.arange(5).short(),
        "int8": torch.arange(5, dtype=torch.int8), "uint8": torch.arange(5, dtype=torch.uint8),
        "bool": torch.tensor([True, False]), "empty": torch.zeros(0, 4), "number": torch.tensor(3.5),
    }  # fmt: skip


@BOTH
def test_tensors_come_back_bit_for_bit(tmp_path: Path, zipped: bool) -> None:
    file = TorchFile(save({"of": tensors()}, tmp_path / "x.pt", zipped))
    assert checkpoint.is_torch_file(file.path)
    for name, expected in tensors().items():
        found = file.tensor(file.value["of"][name])
        assert found.dtype == expected.dtype, name
        assert torch.equal(found, expected), name


@BOTH
def test_parameters_state_dicts_and_plain_values(tmp_path: Path, zipped: bool) -> None:
    layer = nn.Linear(3, 4)
    value = {"state": layer.state_dict(), "weight": layer.weight, "step": 7,
             "counts": collections.Counter("abca"), "rest": collections.defaultdict(int, a=1)}  # fmt: skip
    file = TorchFile(save(value, tmp_path / "x.pt", zipped))
    assert torch.equal(file.tensor(file.value["state"]["bias"]), layer.bias)
    assert torch.equal(file.tensor(file.value["weight"]), layer.weight)
    assert (file.value["step"], file.value["counts"], file.value["rest"]) == (
        7,
        {"a": 2, "b": 1, "c": 1},
        {"a": 1},
    )


def test_a_view_of_a_storage_in_an_old_file(tmp_path: Path) -> None:
    """As torch before 0.4.1 wrote it: a storage that is part of another."""
    data = struct.pack("<6f", *range(6))
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x01kU\x03cpuK\x06(U\x01vK\x02K\x03ttQ"
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x01K\x02\x85K\x01\x85tR"
    path = tmp_path / "x.pt"
    path.write_bytes(
        head() + b"\x80\x02" + tensor + b"." + pickle.dumps(["k"], 2) + struct.pack("<q", 6) + data
    )
    file = TorchFile(path)
    assert file.tensor(file.value).tolist() == [3.0, 4.0]


def head() -> bytes:
    """How a file of before torch 1.6 begins."""
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    return b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, system))


# ── hostile ───────────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("name", CALLS)
def test_exploits_are_refused_by_name_and_not_run(name: str, zipped: bool, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    function, *arguments = CALLS[name](trace)
    arguments = [os.path if a is os else a for a in arguments]
    if name == "getattr":
        arguments = [str, "join"]
    path = save(nested(function, *arguments) | {"w": torch.ones(3)}, tmp_path / "x.pt", zipped)
    with pytest.raises(ValueError, match="refused, and not run") as caught:
        TorchFile(path)
    assert name.split(".")[-1] in str(caught.value)
    assert str(path) in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize("named", [
    "torch.serialization load", "torch.hub load", "torch._utils _import_dotted_name", "torch load",
    "torch ops",
    "torch.storage _load_from_bytes", "torch._dynamo.utils runtime", "torchtextual os", "onmtx system",
    "numpy.core.multiarray _reconstruct", "functools reduce", "collections namedtuple", "builtins getattr",
    "copyreg __newobj__", "argparse open", "torch.optim system x", "_codecs encode", "operator attrgetter",
])  # fmt: skip
def test_names_that_are_not_on_the_list_are_refused(named: str, tmp_path: Path) -> None:
    module, name = named.split(" ", 1)
    (tmp_path / "x.pt").write_bytes(head() + f"c{module}\n{name}\n.".encode())
    with pytest.raises(ValueError, match="refused, and not run") as caught:
        TorchFile(tmp_path / "x.pt")
    assert f"{module}.{name}" in str(caught.value)


def test_what_may_be_named_is_never_looked_up(tmp_path: Path) -> None:
    """Names of packages that are not even installed; and of torch's, which stay names."""
    body = b"(conmt.os\nsystem\nconmt.os\nsystem\nU\x05touch\x85Rt."
    (tmp_path / "x.pt").write_bytes(head() + body + pickle.dumps([], 2))
    name, made = TorchFile(tmp_path / "x.pt").value
    assert str(name) == "onmt.os.system"
    assert isinstance(made, Made)
    assert made.args == ("touch",)


def rebuilt(
    size: int, offset: int, shape: tuple, stride: tuple, key: str = "k", kind: str = "Float"
) -> bytes:
    """A pickle of one tensor by its description."""
    storage = (
        b"(U\x07storagectorch\n" + kind.encode() + b"Storage\n" + _dump(key) + _dump("cpu") + _dump(size)
    )
    described = _dump(offset) + _dump(shape) + _dump(stride)
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"NtQ" + described + b"\x89NtR."


def _dump(value: Any) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def old(path: Path, body: bytes, keys: Any = ("k",), size: int = 6, data: bytes = bytes(24)) -> Path:
    path.write_bytes(head() + body + pickle.dumps(list(keys), 2) + struct.pack("<q", size) + data)
    return path


BAD = {
    "more numbers than there are": (rebuilt(6, 0, (7,), (1,)), "beyond its 6 numbers"),
    "numbers beyond the end": (rebuilt(6, 2, (5,), (1,)), "beyond its 6 numbers"),
    "a stride beyond the end": (rebuilt(6, 0, (2, 2), (5, 1)), "beyond its 6 numbers"),
    "one number many times": (rebuilt(6, 0, (1 << 40,), (0,)), "beyond its 6 numbers"),
    "a negative offset": (rebuilt(6, -1, (2,), (1,)), "no description"),
    "a negative stride": (rebuilt(6, 5, (2,), (-1,)), "without shape"),
    "a shape of texts": (rebuilt(6, 0, ("a",), (1,)), "without shape"),
    "too many dimensions": (rebuilt(6, 0, (1,) * 9, (1,) * 9), "without shape"),
    "a size that is not the file's": (rebuilt(7, 0, (2,), (1,)), "not what the pickle says"),
    "a huge size": (rebuilt(1 << 40, 0, (2,), (1,)), "not what the pickle says"),
    "a storage of no numbers": (rebuilt(6, 0, (2,), (1,), kind="Quantized"), "torch.QuantizedStorage"),
}


@pytest.mark.parametrize("kind", BAD)
def test_tensors_that_are_not_in_the_file_are_refused(kind: str, tmp_path: Path) -> None:
    body, said = BAD[kind]
    with pytest.raises(ValueError, match=said):
        TorchFile(old(tmp_path / "x.pt", body))


def test_the_numbers_of_an_old_file_are_its_own(tmp_path: Path) -> None:
    body = rebuilt(6, 0, (6,), (1,))
    assert TorchFile(old(tmp_path / "x.pt", body)).value.shape == (6,)
    wrong = [(("x",), 6, 24, "'x' is not what"), (("k",), 6, 23, "incomplete"),
             ((["k"],), 6, 24, "is not what"), (("k",), -6, 24, "is not what")]  # fmt: skip
    for keys, size, count, said in wrong:
        with pytest.raises(ValueError, match=said):
            TorchFile(old(tmp_path / "x.pt", body, keys, size, bytes(count)))


def test_a_file_is_not_read_many_times_over(tmp_path: Path) -> None:
    """A thousand names of one tensor."""
    one = torch.ones(100_000)
    file = TorchFile(save({str(i): one for i in range(1000)}, tmp_path / "x.pt", True))
    with pytest.raises(ValueError, match="together more than 4 times the file"):
        [file.tensor(stored) for stored in file.value.values()]


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    """Which could be a bomb: torch stores what it writes."""
    save({"w": torch.zeros(1 << 20)}, tmp_path / "x.pt", True)
    with zipfile.ZipFile(tmp_path / "x.pt") as whole, \
         zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as packed:  # fmt: skip
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    with pytest.raises(ValueError, match="is compressed, which torch never does"):
        TorchFile(tmp_path / "bomb.pt")


def test_claims_of_size_take_no_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    claims = [(rebuilt(1 << 40, 0, (1 << 40,), (1,)), "not what the pickle says"),
              (b"X\xff\xff\xff\x7fabc.", "remain"), (b"\x8b\xff\xff\xff\x7f\x01.", "not enough")]  # fmt: skip
    for body, said in claims:
        with pytest.raises(ValueError, match=said):
            TorchFile(old(tmp_path / "x.pt", body))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_other_files_are_refused_by_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="neither a zip archive nor a pickle"):
        TorchFile(path)
    path.write_bytes(pickle.dumps({"a": 1}, 2))
    with pytest.raises(ValueError, match="a pickle, but not one of torch"):
        TorchFile(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b", b"x")
    with pytest.raises(ValueError, match="a zip archive, but not torch's"):
        TorchFile(path)
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(ValueError, match="neither a zip archive nor a pickle"):
        TorchFile(path)
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {"little_endian": False})))
    with pytest.raises(ValueError, match="big-endian"):
        TorchFile(path)


@BOTH
def test_damage_raises_nothing_but_value_errors(tmp_path: Path, zipped: bool) -> None:
    small = {"w": torch.ones(3, 2), "v": torch.arange(4), "s": "text"}
    whole = save(small, tmp_path / "x.pt", zipped).read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(400):
        (tmp_path / "y.pt").write_bytes(mutant(generator, whole))
        with contextlib.suppress(ValueError):  # and nothing else
            file = TorchFile(tmp_path / "y.pt")
            found = file.value.values() if isinstance(file.value, dict) else []
            [file.tensor(one) for one in found if isinstance(one, Stored)]
