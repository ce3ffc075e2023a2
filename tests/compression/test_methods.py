"""The contract of the design, held for every file in tzip/quantizers and tzip/pruners."""

import copy
import dataclasses
import subprocess
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.toys.codes import exact
from tests.toys.weights import SHAPE, pruned_by, statistics, weights
from tzip import options
from tzip.compression import registry
from tzip.compression.variant import Pruning

KEPT = 0.4


def variations(module: ModuleType) -> list[Any]:
    """The defaults, then each option alone at its bounds and each of its choices."""
    found = [module.Options()]
    for field in dataclasses.fields(module.Options):
        extremes = field.metadata["choices"] or [field.metadata[end] for end in ("ge", "le")]
        found += [options.make(module.Options, {field.name: value}, "x") for value in extremes if value is not None]
    return list(dict.fromkeys(found))


def quantizers() -> list[Any]:
    cases = []
    for name in registry.names("quantizers"):
        module = registry.load("quantizers", name)
        for chosen in variations(module):
            cases.append(pytest.param(module, chosen, id=options.spell(name, vars(chosen))))
    return cases


every_quantizer = pytest.mark.parametrize(("module", "chosen"), quantizers())
every_pruner = pytest.mark.parametrize("name", registry.names("pruners"))
every_method = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
)


def quantized_by(module: ModuleType, weight: Tensor, chosen: Any, **given: Any) -> nn.Module:
    return module.Quantizer(weight, chosen, **given, **statistics(module, weight))


def mask(weight: Tensor) -> Tensor:
    return torch.rand(weight.shape, generator=torch.Generator().manual_seed(6)) < KEPT


def bits_of(array: np.ndarray) -> bytes:
    """For comparing bit for bit: 0.0 and -0.0 differ."""
    return np.ascontiguousarray(array, np.float32).tobytes()


def assert_decodes(step: nn.Module, weight: Tensor) -> None:
    with torch.no_grad():
        effective = step(weight)
    assert effective.dtype == torch.float32
    code = step.code(weight)
    assert code.shape == tuple(weight.shape)
    assert bits_of(code.decode()) == bits_of(effective.numpy())
    assert np.isfinite(code.decode()).all()


def trained(step: nn.Module, weight: Tensor, updates: int = 5) -> nn.Linear:
    """A layer with this weight, trained for some updates under the parametrization."""
    torch.manual_seed(0)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight = nn.Parameter(weight.clone(), requires_grad=getattr(step, "trains_latent", True))
    parametrize.register_parametrization(layer, "weight", step)
    optimizer = torch.optim.AdamW([p for p in layer.parameters() if p.requires_grad], lr=0.02, weight_decay=0.1)
    x, y = torch.randn(64, weight.shape[1]), torch.randn(64, weight.shape[0])
    for _ in range(updates):
        optimizer.zero_grad()
        (layer(x) - y).square().mean().backward()
        optimizer.step()
    return layer


@every_quantizer
@pytest.mark.parametrize("pruned", [False, True], ids=["whole", "pruned"])
def test_a_code_decodes_to_the_effective_weight(module: ModuleType, chosen: Any, pruned: bool) -> None:
    for weight in weights().values():
        keep = mask(weight) if pruned else None
        step = quantized_by(module, weight, chosen, keep=keep, seed=1)
        assert_decodes(step, weight)
        code = step.code(weight)
        if code.codebook is None:
            assert chosen.bits >= 16
        else:
            assert code.entries <= 2**chosen.bits
            assert code.symbols.size == 0 or code.symbols.max() < 2**chosen.bits
        if keep is not None:
            assert np.array_equal(code.mask, keep.flatten().numpy())
            assert not code.decode()[~keep.numpy()].any()


@every_quantizer
@pytest.mark.parametrize("pruned", [False, True], ids=["whole", "pruned"])
def test_so_it_does_after_training(module: ModuleType, chosen: Any, pruned: bool) -> None:
    weight = weights()["normal"]
    keep = mask(weight) if pruned else None
    step = quantized_by(module, weight, chosen, keep=keep, seed=1)
    before = step.code(weight).decode()
    layer = trained(step, weight)
    latent = layer.parametrizations.weight.original
    assert_decodes(step, latent.detach())
    after = step.code(latent).decode()
    if any(parameter.requires_grad for parameter in layer.parametrizations.parameters()):
        assert not np.array_equal(before, after)
    if keep is not None:
        assert not after[~keep.numpy()].any()


@every_quantizer
def test_the_same_seed_gives_the_same_code(module: ModuleType, chosen: Any) -> None:
    weight = weights()["normal"]
    one, other = (trained(quantized_by(module, weight, chosen, seed=3), weight).parametrizations.weight for _ in "12")
    assert exact(one[0].code(one.original)) == exact(other[0].code(other.original))


@every_quantizer
def test_a_state_dict_restores_a_layer_prepared_afresh(module: ModuleType, chosen: Any) -> None:
    """Even one that was prepared from another weight: shapes depend on the options alone."""
    weight, other = weights()["normal"], weights()["two-values"]
    layer = trained(quantized_by(module, weight, chosen, keep=mask(weight), seed=1), weight)
    fresh = trained(quantized_by(module, other, chosen, keep=torch.ones(SHAPE, dtype=torch.bool), seed=2), other, 0)
    fresh.load_state_dict(layer.state_dict())
    steps, restored = layer.parametrizations.weight, fresh.parametrizations.weight
    assert bits_of(fresh.weight.detach().numpy()) == bits_of(layer.weight.detach().numpy())
    assert exact(steps[0].code(steps.original)) == exact(restored[0].code(restored.original))


@every_quantizer
def test_everything_pruned_is_no_special_case(module: ModuleType, chosen: Any) -> None:
    weight = weights()["normal"]
    step = quantized_by(module, weight, chosen, keep=torch.zeros(SHAPE, dtype=torch.bool))
    assert not step.code(weight).decode().any()
    assert_decodes(step, weight)


@every_quantizer
def test_fitting_changes_neither_weight_nor_mask(module: ModuleType, chosen: Any) -> None:
    weight, keep = weights()["normal"], mask(weights()["normal"])
    before = weight.clone(), keep.clone()
    step = quantized_by(module, weight, chosen, keep=keep)
    step(weight), step.code(weight), copy.deepcopy(step)
    assert torch.equal(weight, before[0])
    assert torch.equal(keep, before[1])


@every_pruner
@pytest.mark.parametrize("sparsity", [0.0, 0.001, 0.3, 0.5, 0.999, 1.0])
def test_a_pruner_prunes_to_the_weight(name: str, sparsity: float) -> None:
    for weight in weights().values():
        pruner = pruned_by(name, weight)
        assert bits_of(pruner(weight).numpy()) == bits_of(weight.numpy())
        assert pruner.code(weight).mask is None
        latent = weight.clone()
        pruner.prune(latent, sparsity)
        assert int((~pruner.keep).sum()) == round(sparsity * weight.numel())
        assert_decodes(pruner, latent)
        assert torch.isfinite(latent).all()
        assert not pruner(latent)[~pruner.keep].any()


@every_pruner
def test_what_is_pruned_stays_pruned(name: str) -> None:
    weight = weights()["normal"].clone()
    pruner, gone = pruned_by(name, weight), torch.zeros(SHAPE, dtype=torch.bool)
    for sparsity in (0.2, 0.5, 0.4, 0.5, 0.9):
        pruner.prune(weight, sparsity)
        assert (gone <= ~pruner.keep).all()
        gone = ~pruner.keep
        weight = torch.where(gone, weight * 100, weight)  # however the latent weight drifts meanwhile
    assert int(gone.sum()) == round(0.9 * gone.numel())


@every_pruner
def test_pruning_survives_training_and_a_state_dict(name: str) -> None:
    weight = weights()["normal"]
    pruner = pruned_by(name, weight)
    pruner.prune(weight.clone(), 0.6)
    keep = pruner.keep.clone()
    layer = trained(pruner, weight)
    steps = layer.parametrizations.weight
    assert torch.equal(pruner.keep, keep)
    assert_decodes(pruner, steps.original.detach())
    assert not torch.equal(steps.original[keep], weight[keep])
    fresh = trained(pruned_by(name, weight), weight, 0)
    fresh.load_state_dict(layer.state_dict())
    assert exact(fresh.parametrizations.weight[0].code(steps.original)) == exact(pruner.code(steps.original))


@every_method
def test_an_option_out_of_range_is_refused_with_its_name_and_choices(kind: str, name: str) -> None:
    cls = registry.load(kind, name).Options
    with pytest.raises(ValueError, match=f"^{name}: no option 'bitz'; choose from "):
        options.make(cls, {"bitz": 4}, name)
    for field in dataclasses.fields(cls):
        choices, low, high = (field.metadata[key] for key in ("choices", "ge", "le"))
        beyond = [end + step for end, step in ((low, -1), (high, 1)) if end is not None]
        wrong = ["no-such"] if choices else beyond
        for value in wrong:
            with pytest.raises(ValueError, match=f"^{name}: {field.name} = {value!r} is not ") as caught:
                options.make(cls, {field.name: value}, name)
            expected = map(str, choices or [bound for bound in (low, high) if bound is not None])
            assert all(word in str(caught.value) for word in expected)
        assert field.metadata["description"]


def test_options_are_declared_without_the_methods_being_imported() -> None:
    paths = [str(registry.path(kind, name)) for kind in registry.KINDS for name in registry.names(kind)]
    code = (
        "import sys; from tzip import options\n"
        "for path in sys.argv[1:]: options.declared(path)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *paths], check=True)


def test_options_of_two_classes_are_told_apart() -> None:
    cls = registry.load("quantizers", "binarize").Options
    one, other = registry.split({"end": "0.8", "levels": "fixed"}, "both", cls, Pruning)
    assert (one, other) == (cls(levels="fixed"), Pruning(end=0.8))
    with pytest.raises(ValueError, match="both: no option 'bits'; choose from levels, gradient, schedule, start"):
        registry.split({"bits": 1}, "both", cls, Pruning)
