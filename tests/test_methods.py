"""The contract of the design, held for every file in tzip/quantizers and tzip/pruners."""

from __future__ import annotations

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

from tzip import methods, options, schedules
from tzip.code import matrix

SHAPE = (24, 40)
KEPT = 0.4


def weights() -> dict[str, Tensor]:
    """Weights that a method must survive, by name."""
    random = torch.Generator().manual_seed(5)
    normal = torch.randn(SHAPE, generator=random) * 0.05
    outliers = normal.clone()
    outliers[0, 0], outliers[3, 7] = 1e30, -1e9
    return {
        "normal": normal,
        "constant": torch.full(SHAPE, -0.3),
        "zero": torch.zeros(SHAPE),
        "two-values": torch.where(normal > 0, 0.25, -0.5),
        "near-constant": 1.0 + (normal > 0.1) * 2.0**-23,
        "outliers": outliers,
        "denormal": normal * 1e-42,
        "one": torch.tensor([[-0.7]]),
        "vector": normal[0].clone(),
    }


def variations(module: ModuleType) -> list[Any]:
    """The defaults, then each option alone at its bounds and each of its choices."""
    found = [module.Options()]
    for field in dataclasses.fields(module.Options):
        extremes = field.metadata["choices"] or [field.metadata[end] for end in ("low", "high")]
        found += [
            options.make(module.Options, {field.name: value}, "x") for value in extremes if value is not None
        ]
    return list(dict.fromkeys(found))


def quantizers() -> list[Any]:
    cases = []
    for name in methods.names("quantizers"):
        module = methods.load("quantizers", name)
        for chosen in variations(module):
            label = options.spell(name, dataclasses.asdict(chosen))
            cases.append(pytest.param(module, chosen, id=label))
    return cases


every_quantizer = pytest.mark.parametrize(("module", "chosen"), quantizers())
every_pruner = pytest.mark.parametrize("name", methods.names("pruners"))
every_method = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in methods.KINDS for name in methods.names(kind)]
)


def statistics(module: ModuleType, weight: Tensor) -> dict[str, Tensor]:
    """What the module asks for, as calibration would give it: of 200 random inputs, or all alike."""
    random = torch.Generator().manual_seed(8)
    inputs = torch.randn(200, matrix(tuple(weight.shape))[1], generator=random)
    found = {"hessian": 2 * inputs.t() @ inputs / 200, "fisher": torch.ones_like(weight)}
    return {need: found[need] for need in getattr(module, "NEEDS", ())}


def pruned_by(name: str, weight: Tensor) -> nn.Module:
    module = methods.load("pruners", name)
    return module.Pruner(weight, module.Options(), **statistics(module, weight))


def quantized_by(module: ModuleType, weight: Tensor, chosen: Any, **given: Any) -> nn.Module:
    return module.Quantizer(weight, chosen, **given, **statistics(module, weight))


def mask(weight: Tensor) -> Tensor:
    return torch.rand(weight.shape, generator=torch.Generator().manual_seed(6)) < KEPT


def bits_of(array: np.ndarray) -> bytes:
    """For comparing bit for bit: 0.0 and -0.0 differ."""
    return np.ascontiguousarray(array, np.float32).tobytes()


def same_code(one, other) -> bool:
    parts = ("symbols", "codebook", "mask", "scales")
    pairs = [(getattr(one, part), getattr(other, part)) for part in parts]
    return one.shape == other.shape and all(
        (a is None and b is None) or (a.dtype == b.dtype and a.tobytes() == b.tobytes()) for a, b in pairs
    )


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
    optimizer = torch.optim.AdamW(
        [p for p in layer.parameters() if p.requires_grad], lr=0.02, weight_decay=0.1
    )
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
    one, other = (
        trained(quantized_by(module, weight, chosen, seed=3), weight).parametrizations.weight for _ in "12"
    )
    assert same_code(one[0].code(one.original), other[0].code(other.original))


@every_quantizer
def test_a_state_dict_restores_a_layer_prepared_afresh(module: ModuleType, chosen: Any) -> None:
    """Even one that was prepared from another weight: shapes depend on the options alone."""
    weight, other = weights()["normal"], weights()["two-values"]
    layer = trained(quantized_by(module, weight, chosen, keep=mask(weight), seed=1), weight)
    fresh = trained(
        quantized_by(module, other, chosen, keep=torch.ones(SHAPE, dtype=torch.bool), seed=2), other, 0
    )
    fresh.load_state_dict(layer.state_dict())
    steps, restored = layer.parametrizations.weight, fresh.parametrizations.weight
    assert bits_of(fresh.weight.detach().numpy()) == bits_of(layer.weight.detach().numpy())
    assert same_code(steps[0].code(steps.original), restored[0].code(restored.original))


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
    assert same_code(fresh.parametrizations.weight[0].code(steps.original), pruner.code(steps.original))


def test_magnitude_takes_the_smallest_and_of_equals_the_first() -> None:
    module = methods.load("pruners", "magnitude")
    weight = torch.tensor([[0.5, -0.1, 0.1], [-0.1, 3.0, -2.0]])
    pruner = module.Pruner(weight, module.Options())
    pruner.prune(weight, 2 / 6)
    assert pruner.keep.tolist() == [[True, False, False], [True, True, True]]
    pruner.prune(weight, 4 / 6)
    assert pruner.keep.tolist() == [[False, False, False], [False, True, True]]
    assert pruner.code(weight).decode().tolist() == [[0, 0, 0], [0, 3, -2]]


def test_kmeans_trains_centroids_by_the_sum_over_their_weights() -> None:
    module = methods.load("quantizers", "kmeans")
    weight = torch.tensor([[0.0, 0.1, 1.0, 1.1, 9.0]])
    keep = torch.tensor([[True, True, True, True, False]])
    step = module.Quantizer(weight, options.make(module.Options, {"bits": 1}, "x"), keep=keep)
    assert step.codebook.tolist() == pytest.approx([0.05, 1.05])
    step(weight).backward(torch.tensor([[1.0, 2.0, 3.0, 4.0, 100.0]]))
    assert step.codebook.grad.tolist() == [3.0, 7.0]
    assert not step.trains_latent


@pytest.mark.parametrize("gradient", ["latent", "levels"])
@pytest.mark.parametrize("levels", ["fixed", "flexible"])
def test_binarize_by_hand(levels: str, gradient: str) -> None:
    """Levels at the two centroids, the midpoint decides, and the gradient reaches what the options say."""
    module = methods.load("quantizers", "binarize")
    weight = torch.tensor([0.0, 0.2, 1.0, 1.2, 0.6], requires_grad=True)
    chosen = options.make(module.Options, {"levels": levels, "gradient": gradient}, "x")
    step = module.Quantizer(weight.detach()[:4], chosen)
    effective = step(weight)
    assert effective.tolist() == pytest.approx([0.1, 0.1, 1.1, 1.1, 0.1])  # at the midpoint: the lower
    if levels == "fixed" and gradient == "levels":
        assert not effective.requires_grad  # nothing to train
        return
    effective.backward(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert (weight.grad is not None) == (gradient == "latent")
    if gradient == "latent":
        assert weight.grad.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    if levels == "flexible":
        assert step.levels.grad.tolist() == [8.0, 7.0]
    else:
        assert list(step.parameters()) == []


def test_fp16_rounds_to_nearest_and_passes_the_gradient() -> None:
    module = methods.load("quantizers", "fp16")
    weight = torch.tensor([1 / 3, 1e9, 1.0], requires_grad=True)
    step = module.Quantizer(weight.detach(), module.Options())
    effective = step(weight)
    assert effective.tolist() == [float(np.float16(1 / 3)), 65504.0, 1.0]
    effective.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert weight.grad.tolist() == [1.0, 2.0, 3.0]
    assert step.code(weight).symbols.dtype == np.float16


@every_method
def test_an_option_out_of_range_is_refused_with_its_name_and_choices(kind: str, name: str) -> None:
    cls = methods.load(kind, name).Options
    with pytest.raises(ValueError, match=f"^{name}: no option 'bitz'; choose from "):
        options.make(cls, {"bitz": 4}, name)
    for field in dataclasses.fields(cls):
        choices, low, high = (field.metadata[key] for key in ("choices", "low", "high"))
        wrong = (
            ["no-such"]
            if choices
            else [
                end
                for end in (low if low is None else low - 1, high if high is None else high + 1)
                if end is not None
            ]
        )
        for value in wrong:
            with pytest.raises(ValueError, match=f"^{name}: {field.name} = {value!r} is not ") as caught:
                options.make(cls, {field.name: value}, name)
            expected = map(str, choices or [bound for bound in (low, high) if bound is not None])
            assert all(word in str(caught.value) for word in expected)
        assert field.metadata["help"]


@every_method
def test_options_are_declared_without_the_method_being_imported(kind: str, name: str) -> None:
    path = str(methods.path(kind, name))
    code = (
        "import sys, types; from tzip import methods, options; path = sys.argv[1]; "
        "sys.modules[path] = types.ModuleType(path); options.declared(path); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)


def test_a_method_that_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"^no quantizer 'kmean'; choose from binarize, binarynet, fixed16"):
        methods.load("quantizers", "kmean")
    with pytest.raises(ValueError, match=r"^no pruner '\.\./code'; choose from magnitude"):
        methods.load("pruners", "../code")


def test_options_of_two_classes_are_told_apart() -> None:
    cls = methods.load("quantizers", "binarize").Options
    one, other = methods.split({"end": "0.8", "levels": "fixed"}, "both", cls, schedules.Options)
    assert (one, other) == (cls(levels="fixed"), schedules.Options(end=0.8))
    with pytest.raises(
        ValueError, match="both: no option 'bits'; choose from levels, gradient, schedule, start"
    ):
        methods.split({"bits": 1}, "both", cls, schedules.Options)


def grid(name: str, weight: Tensor, **given: Any) -> nn.Module:
    module = methods.load("quantizers", name)
    return module.Quantizer(weight, options.make(module.Options, given, name))


def test_uniform_by_hand() -> None:
    """3 bits: the levels k/3, |k| ≤ 3, times each row's largest magnitude."""
    weight = torch.tensor([[3.0, 1.4, -1.6, 0.4], [-6.0, 2.9, 3.1, 0.0]])
    assert grid("uniform", weight, bits=3)(weight).tolist() == [[3, 1, -2, 0], [-6, 2, 4, 0]]
    assert grid("uniform", weight, bits=3, per="tensor")(weight).tolist() == [[4, 2, -2, 0], [-6, 2, 4, 0]]
    error = grid("uniform", weights()["normal"], bits=3, clip="error")
    largest = grid("uniform", weights()["normal"], bits=3)
    assert squared_error(error) < squared_error(largest)


def squared_error(step: nn.Module) -> float:
    weight = weights()["normal"]
    return float((step(weight) - weight).double().square().sum())


def test_logarithmic_by_its_formula() -> None:
    """q = sgn · S · 2^clip(⌊log2(|v / S| · 4/3)⌋); iterating S lowers the error that max|v| begins with."""
    weight = weights()["normal"]
    step = grid("logarithmic", weight, bits=4)
    scale = float(step.code(weight).scales[0, 0])
    exponent = (weight.abs() / scale * 4 / 3).log2().floor().clamp(-7, 0)
    assert torch.allclose(step(weight), weight.sign() * scale * 2**exponent, rtol=1e-6)
    errors = []
    step.scales.copy_(step.largest(weight))
    for _ in range(6):
        level = step.codebook[step.indices(weight, step.scales)]
        errors.append(float((level * step.scales - weight).square().sum()))
        step.scales.copy_(step.refitted(weight))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


@pytest.mark.parametrize(
    ("bits", "values", "levels"),
    [
        (1, [-2.0, 0.0, 0.1], [-1 / 3, 1 / 3, 1 / 3]),
        (2, [0.5, 0.51, -0.5, -3.0, 0.0], [0.25, 0.75, -0.25, -0.75, 0.25]),
        (4, [0.0, 0.06, 0.0625, -0.9, -2.0, 0.8], [0.0, 0.0, 0.125, -0.875, -1.0, 0.75]),
    ],
)
def test_word2bits_by_its_formula(bits: int, values: list[float], levels: list[float]) -> None:
    weight = torch.tensor(values)
    step = grid("word2bits", weight, bits=bits)
    step.scales.fill_(1.0)
    assert step(weight).tolist() == pytest.approx(levels)


def test_nf4_has_the_published_levels() -> None:
    """As printed in the paper's appendix E, to the digits given there."""
    published = [-1.0, -0.6961928, -0.5250730, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0,
                 0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.562617,
                 0.7229568, 1.0]  # fmt: skip
    assert methods.load("quantizers", "nf4").normal_levels().tolist() == pytest.approx(published, abs=2e-6)


def test_fixed_point_by_hand() -> None:
    weight = torch.tensor([1.0, 0.0004, 0.0006, -100.0, 31.9999, -0.25])
    wanted = [1.0, 0.0, 1 / 1024, -32.0, 32767 / 1024, -0.25]
    assert grid("fixed16", weight)(weight).tolist() == wanted


def test_ternary_is_nearly_the_best_of_all_thresholds() -> None:
    """Δ = 0.7 · mean|W| is the paper's approximation of the optimum; α is exact for its Δ."""
    weight = torch.randn(200, 200, generator=torch.Generator().manual_seed(2))
    step = grid("ternary", weight)
    size = weight.abs()
    delta = 0.7 * size.mean()
    found = step(weight)
    assert ((found != 0) == (size > delta)).all()
    assert float(found.max()) == pytest.approx(float(size[size > delta].mean()), rel=1e-3)

    def error(threshold: float) -> float:
        large = size > threshold
        return float((weight - weight.sign() * large * size[large].mean()).square().sum())

    best = min(error(step_ * 0.02) for step_ in range(100))
    assert best <= float((weight - found).square().sum()) < 1.01 * best


def test_binarynet_by_hand() -> None:
    weight = torch.tensor([[0.2, -0.4, 0.0], [1.5, -0.5, -0.5]], requires_grad=True)
    effective = grid("binarynet", weight.detach())(weight)
    third = 2 / 3  # the mean of 1, for more than that counts as 1, 0.5 and 0.5
    assert effective.flatten().tolist() == pytest.approx([0.2, -0.2, 0.2, third, -third, -third], rel=1e-3)
    effective.sum().backward()
    assert weight.grad.tolist() == [[1, 1, 1], [0, 1, 1]]  # none where |w| > 1


@pytest.mark.parametrize(("name", "given"), [("product", {"books": 5}), ("product", {}), ("residual", {})])
def test_vector_quantization_distorts_no_more_than_sklearn(name: str, given: dict) -> None:
    """At equal codebooks: each book's k-means against scikit-learn's best of ten."""
    from sklearn.cluster import KMeans

    weight = torch.randn(60, 40, generator=torch.Generator().manual_seed(4))
    step = grid(name, weight, bits=3, width=2, **given)
    left, books = weight.reshape(-1, 2).numpy().astype(np.float64), given.get("books", 1)
    wanted = 0.0
    for stage in range(2 if name == "residual" else 1):
        fits = [KMeans(8, n_init=10, random_state=stage).fit(left[book::books]) for book in range(books)]
        wanted = sum(fit.inertia_ for fit in fits)
        left = left - (fits[0].cluster_centers_[fits[0].labels_] if books == 1 else 0)
    assert float((step(weight) - weight).detach().square().sum()) <= 1.05 * wanted


def test_obd_takes_the_least_salient() -> None:
    module = methods.load("pruners", "obd")
    weight = torch.tensor([[3.0, 1.0, -2.0]])
    pruner = module.Pruner(weight, module.Options(), fisher=torch.tensor([[0.1, 4.0, 0.3]]))
    assert torch.allclose(pruner.saliency(weight), torch.tensor([[0.45, 2.0, 0.6]]))
    pruner.prune(weight, 2 / 3)
    assert pruner.keep.tolist() == [[False, True, False]]


def least_squares() -> tuple[Tensor, Tensor]:
    """Six weights, and the second derivatives of their squared error over correlated inputs."""
    random = torch.Generator().manual_seed(11)
    inputs = (
        torch.randn(50, 6, generator=random, dtype=torch.float64)
        @ torch.randn(6, 6, generator=random).double()
    )
    return torch.randn(1, 6, generator=random), 2 * inputs.t() @ inputs / 50


def loss(change: Tensor, hessian: Tensor) -> float:
    return float(0.5 * change.double() @ hessian @ change.double())


def test_obs_removes_one_weight_as_an_exhaustive_search_does() -> None:
    """Each removed in turn, the others by least squares: OBS takes the cheapest, with that solution."""
    weight, hessian = least_squares()
    module = methods.load("pruners", "obs")
    pruner = module.Pruner(weight, module.Options(damp=1e-6), hessian=hessian)
    costs, solutions = [], []
    for gone in range(6):
        left = [i for i in range(6) if i != gone]
        others = torch.linalg.solve(hessian[left][:, left], hessian[left] @ weight[0].double())
        solution = torch.zeros(6, dtype=torch.float64).index_copy_(0, torch.tensor(left), others)
        solutions.append(solution)
        costs.append(loss(solution - weight[0], hessian))
    assert pruner.saliency(weight)[0].tolist() == pytest.approx(costs, rel=1e-3)
    pruned = weight.clone()
    pruner.prune(pruned, 1 / 6)
    best = int(np.argmin(costs))
    assert (~pruner.keep).nonzero().tolist() == [[0, best]]
    assert torch.allclose(pruned[0].double(), solutions[best], atol=1e-4)


@pytest.mark.parametrize("columns", [16, 48])
def test_obs_loses_less_than_magnitude_and_ends_at_least_squares(columns: int) -> None:
    """One by one and by blocks: what is left is nearly the least-squares solution for the mask chosen."""
    random = torch.Generator().manual_seed(3)
    mix = torch.randn(columns, columns, generator=random)
    inputs = torch.randn(400, columns, generator=random) @ mix
    hessian, weight = 2 * inputs.t() @ inputs / 400, torch.randn(20, columns, generator=random)
    module = methods.load("pruners", "obs")
    pruner = module.Pruner(weight, module.Options(damp=1e-4, block=8), hessian=hessian)
    pruned, other = weight.clone(), pruned_by("magnitude", weight)
    for sparsity in (0.3, 0.5):
        pruner.prune(pruned, sparsity)
        other.prune(weight, sparsity)

    def total(effective: Tensor) -> float:
        return sum(loss(row, hessian.double()) for row in effective - weight)

    assert total(pruner(pruned)) < 0.6 * total(other(weight))
    best = 0.0
    for row, keep in zip(weight.double(), pruner.keep, strict=True):
        left = keep.nonzero().squeeze(1)
        h = hessian.double()
        change = -row.clone()
        change[left] = torch.linalg.solve(h[left][:, left], h[left] @ row) - row[left]
        best += loss(change, h)
    assert total(pruner(pruned)) < 1.02 * best


@pytest.mark.parametrize("levels", ["kmeans", "uniform"])
def test_rounding_with_calibration_loses_less_than_rounding(levels: str) -> None:
    random = torch.Generator().manual_seed(3)
    inputs = torch.randn(400, 24, generator=random) @ torch.randn(24, 24, generator=random)
    hessian, weight = 2 * inputs.t() @ inputs / 400, torch.randn(32, 24, generator=random)
    module = methods.load("quantizers", "gptq")
    chosen = options.make(module.Options, {"bits": 3, "levels": levels}, "gptq")
    calibrated, plain = (module.Quantizer(weight, chosen, hessian=h) for h in (hessian, None))

    def total(step: nn.Module) -> float:
        return sum(loss(row, hessian.double()) for row in step(weight).detach() - weight)

    assert total(calibrated) < 0.6 * total(plain)
    if levels == "kmeans":  # without statistics it is rounding to the nearest
        nearest = (weight[..., None] - plain.codebook).abs().argmin(-1)
        assert torch.equal(plain.indices.long(), nearest)
