"""Each quantizer against its formula, worked out by hand or by brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys.weights import layer, loss, weights
from tzip import options
from tzip.compression import registry


def quantizer(name: str, weight: Tensor, statistics: dict | None = None, keep: Tensor | None = None, **given: Any):
    """A quantizer with these options, fitted to the weight."""
    module = registry.load("quantizers", name)
    return module.Quantizer(weight, options.make(module.Options, given, name), keep=keep, **(statistics or {}))


def squared_error(step: nn.Module) -> float:
    weight = weights()["normal"]
    return float((step(weight) - weight).double().square().sum())


def test_kmeans_trains_centroids_by_the_sum_over_their_weights() -> None:
    weight = torch.tensor([[0.0, 0.1, 1.0, 1.1, 9.0]])
    keep = torch.tensor([[True, True, True, True, False]])
    step = quantizer("kmeans", weight, keep=keep, bits=1)
    assert step.codebook.tolist() == pytest.approx([0.05, 1.05])
    step(weight).backward(torch.tensor([[1.0, 2.0, 3.0, 4.0, 100.0]]))
    assert step.codebook.grad.tolist() == [3.0, 7.0]
    assert not step.trains_latent


@pytest.mark.parametrize("gradient", ["latent", "levels"])
@pytest.mark.parametrize("levels", ["fixed", "flexible"])
def test_binarize_by_hand(levels: str, gradient: str) -> None:
    """Levels at the two centroids, the midpoint decides, and the gradient reaches what the options say."""
    weight = torch.tensor([0.0, 0.2, 1.0, 1.2, 0.6], requires_grad=True)
    step = quantizer("binarize", weight.detach()[:4], levels=levels, gradient=gradient)
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
    weight = torch.tensor([1 / 3, 1e9, 1.0], requires_grad=True)
    step = quantizer("fp16", weight.detach())
    effective = step(weight)
    assert effective.tolist() == [float(np.float16(1 / 3)), 65504.0, 1.0]
    effective.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert weight.grad.tolist() == [1.0, 2.0, 3.0]
    assert step.code(weight).symbols.dtype == np.float16


def test_uniform_by_hand() -> None:
    """3 bits: the levels k/3, |k| ≤ 3, times each row's largest magnitude."""
    weight = torch.tensor([[3.0, 1.4, -1.6, 0.4], [-6.0, 2.9, 3.1, 0.0]])
    assert quantizer("uniform", weight, bits=3)(weight).tolist() == [[3, 1, -2, 0], [-6, 2, 4, 0]]
    assert quantizer("uniform", weight, bits=3, per="tensor")(weight).tolist() == [[4, 2, -2, 0], [-6, 2, 4, 0]]
    error = quantizer("uniform", weights()["normal"], bits=3, clip="error")
    largest = quantizer("uniform", weights()["normal"], bits=3)
    assert squared_error(error) < squared_error(largest)


def test_logarithmic_by_its_formula() -> None:
    """q = sgn · S · 2^clip(⌊log2(|v / S| · 4/3)⌋); iterating S lowers the error that max|v| begins with."""
    weight = weights()["normal"]
    step = quantizer("logarithmic", weight, bits=4)
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
    step = quantizer("word2bits", weight, bits=bits)
    assert step.codebook[step.indices(weight, torch.ones(1, 1))].tolist() == pytest.approx(levels)


@pytest.mark.parametrize(
    ("name", "given"), [("uniform", {"bits": 4, "clip": "error"}), ("word2bits", {"bits": 2}), ("logarithmic", {})]
)
def test_levels_follow_weights_that_grow(name: str, given: dict) -> None:
    """After a training in which they doubled, the error is near that of scales fitted to them as they are."""
    weight = weights()["normal"]
    step = quantizer(name, weight, **given)
    for factor in [*torch.linspace(1.0, 2.0, 20).tolist(), *[2.0] * 20]:
        step(factor * weight)
    step.eval()
    fresh = quantizer(name, 2.0 * weight, **given).eval()
    errors = [float((quantized(2.0 * weight) - 2.0 * weight).square().mean()) for quantized in (step, fresh)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)  # from below, it can be another local minimum


def test_nf4_has_the_published_levels() -> None:
    """As printed in the paper's appendix E, to the digits given there."""
    below = [-1.0, -0.6961928, -0.5250730, -0.3949175, -0.2844414, -0.1847734, -0.0910500]
    above = [0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.562617, 0.7229568, 1.0]
    levels = registry.load("quantizers", "nf4").normal_levels()
    assert levels.tolist() == pytest.approx([*below, 0.0, *above], abs=2e-6)


def test_fixed_point_by_hand() -> None:
    weight = torch.tensor([1.0, 0.0004, 0.0006, -100.0, 31.9999, -0.25])
    wanted = [1.0, 0.0, 1 / 1024, -32.0, 32767 / 1024, -0.25]
    assert quantizer("fixed16", weight)(weight).tolist() == wanted


def test_ternary_is_nearly_the_best_of_all_thresholds() -> None:
    """Δ = 0.7 · mean|W| is the paper's approximation of the optimum; α is exact for its Δ."""
    weight = torch.randn(200, 200, generator=torch.Generator().manual_seed(2))
    step = quantizer("ternary", weight)
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
    effective = quantizer("binarynet", weight.detach())(weight)
    third = 2 / 3  # the mean of 1, for more than that counts as 1, 0.5 and 0.5
    assert effective.flatten().tolist() == pytest.approx([0.2, -0.2, 0.2, third, -third, -third], rel=1e-3)
    effective.sum().backward()
    assert weight.grad.tolist() == [[1, 1, 1], [0, 1, 1]]  # none where |w| > 1


@pytest.mark.parametrize(("name", "given"), [("product", {"books": 5}), ("product", {}), ("residual", {})])
def test_vector_quantization_distorts_no_more_than_sklearn(name: str, given: dict) -> None:
    """At equal codebooks: each book's k-means against scikit-learn's best of ten."""
    from sklearn.cluster import KMeans

    weight = torch.randn(60, 40, generator=torch.Generator().manual_seed(4))
    step = quantizer(name, weight, bits=3, width=2, **given)
    left, books = weight.reshape(-1, 2).numpy().astype(np.float64), given.get("books", 1)
    wanted = 0.0
    for stage in range(2 if name == "residual" else 1):
        fits = [KMeans(8, n_init=10, random_state=stage).fit(left[book::books]) for book in range(books)]
        wanted = sum(fit.inertia_ for fit in fits)
        left = left - (fits[0].cluster_centers_[fits[0].labels_] if books == 1 else 0)
    assert float((step(weight) - weight).detach().square().sum()) <= 1.05 * wanted


@pytest.mark.parametrize("levels", ["kmeans", "uniform"])
def test_rounding_with_calibration_loses_less_than_rounding(levels: str) -> None:
    weight, hessian = layer(32, 24)
    calibrated, plain = (quantizer("gptq", weight, {"hessian": h}, bits=3, levels=levels) for h in (hessian, None))
    losses = [loss(step(weight).detach() - weight, hessian) for step in (calibrated, plain)]
    assert losses[0] < 0.6 * losses[1]
    if levels == "kmeans":  # without statistics it is rounding to the nearest
        nearest = (weight[..., None] - plain.codebook).abs().argmin(-1)
        assert torch.equal(plain.indices.long(), nearest)
