"""Each quantizer against its formula, worked out by hand or by brute force."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.toys.weights import layer, loss, weights
from tzip import options
from tzip.compression import registry
from tzip.compression.code import entropy_bits


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


def test_scales_lie_on_steps_of_an_octave_and_levels_follow() -> None:
    """What is trained has the rounded scales; zero stays zero; the error grows by what the steps explain."""
    weight = weights()["normal"].clone()
    weight[1] = 0.0
    for steps, error in ((8, 2 ** (1 / 16) - 1), (32, 2 ** (1 / 64) - 1)):
        exact, stepped = (quantizer("ternary", weight, per="row", scale_steps=number) for number in (0, steps))
        scales = stepped.code(weight).scales.astype(np.float64)[:, 0]
        numbers = np.log2(scales, where=scales > 0, out=np.zeros_like(scales)) * steps
        assert numbers == pytest.approx(numbers.round(), abs=0.05)
        assert scales == pytest.approx(exact.code(weight).scales.astype(np.float64)[:, 0], rel=error + 0.001)
        assert scales[1] == 0.0
        assert stepped(weight).numpy().tobytes() == stepped.code(weight).decode().tobytes()
    largest = quantizer("uniform", weight, bits=4, scale_steps=8)
    assert squared_error(largest) < 1.2 * squared_error(quantizer("uniform", weight, bits=4))


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


def costs(step: nn.Module, scaled: Tensor) -> Tensor:
    """Squared error and price of each of these weights [N] at each level of ecsq; [N, K]."""
    bits = (step.counts.sum() / step.counts).log2()  # infinite where a level is gone
    rate = step.options.price * bits if step.options.price else torch.where(step.counts > 0, 0.0, torch.inf)
    return (scaled.double()[:, None] - step.levels.double()).square() + rate


def test_ecsq_by_hand() -> None:
    """Two levels of 3 and 1 weights cost log2(4/3) and 2 bits: the boundary moves from 0.5 towards the rare one."""
    module = registry.load("quantizers", "ecsq")

    def boundaries(levels: list[float], counts: list[float], price: float) -> list[float]:
        given = (torch.tensor(values, dtype=torch.float64) for values in (levels, counts))
        return module.boundaries(*given, price).tolist()

    assert boundaries([0, 1], [3, 1], 0.0) == [0.5]
    assert boundaries([0, 1], [3, 1], 0.1) == pytest.approx([0.5 + 0.05 * np.log2(3)])
    assert boundaries([-1, 0.1, 1], [50, 1, 50], 1.0) == pytest.approx([0.0, 0.0])  # the middle one is too dear
    assert boundaries([-1, 0, 1], [1, 0, 3], 0.0) == [0.0, 0.0]  # and here gone
    weight = torch.tensor([[0.0, 0.0, 0.0, 2.0]])  # σ = 1
    step = quantizer("ecsq", weight, bits=2, price=0.1)
    assert (step.levels.tolist(), step.counts.tolist()) == ([0.0, 2.0, 0.0], [3.0, 1.0, 0.0])
    assert step(weight).tolist() == weight.tolist()


@pytest.mark.parametrize("price", [0.0, 0.01, 0.1, 0.5])
def test_ecsq_takes_the_cheapest_level_of_all(price: float) -> None:
    """By brute force, with one level gone; without a price it is the nearest."""
    weight = weights()["normal"]
    step = quantizer("ecsq", weight, bits=4, price=price)
    scaled = step.scaled(weight)[0].flatten()
    assert float(scaled.square().mean()) == pytest.approx(1.0, rel=2e-3)  # what the price is a share of
    step.counts[1] = 0
    assert torch.equal(step.indices(scaled).long(), costs(step, scaled).argmin(1))
    assert len(step.indices(scaled).unique()) > 1
    if not price:
        distance = (scaled[:, None] - step.levels).abs().index_fill(1, torch.tensor([1]), torch.inf)
        assert torch.equal(step.indices(scaled).long(), distance.argmin(1))


@pytest.mark.parametrize("per", ["tensor", "row"])
def test_ecsq_never_iterates_uphill_and_starts_at_a_fixed_point(per: str) -> None:
    weight = weights()["normal"]
    keep = torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    step = quantizer("ecsq", weight, keep=keep, bits=4, price=0.1, per=per)
    scaled = step.scaled(weight * keep)[0]
    at_start, reached = float(costs(step, scaled[keep]).amin(1).mean()), []
    step.levels.copy_(torch.linspace(-4, 4, 15))
    step.counts.fill_(1)
    for _ in range(60):
        reached.append(float(costs(step, scaled[keep]).amin(1).mean()))
        step.refresh(weight * keep)
    assert all(later <= sooner + 1e-9 for sooner, later in itertools.pairwise(reached))
    assert at_start <= 1.001 * reached[-1] < 0.95 * reached[0]
    before = step.levels.clone()
    step.refresh(weight * keep)
    assert torch.equal(step.levels, before)
    indices = step.indices(scaled)
    assert step.counts.tolist() == [int((indices[keep] == index).sum()) for index in range(15)]
    for index in indices[keep].unique():
        took = scaled[(indices == index) & keep]
        assert float(step.levels[index]) == pytest.approx(float(took.double().mean()), abs=1e-6)


def test_ecsq_takes_fewer_bits_for_a_higher_price_and_follows_weights_in_training() -> None:
    weight = weights()["normal"]
    bits = [entropy_bits(quantizer("ecsq", weight, price=price).code(weight)) for price in (0.0, 0.01, 0.1, 1.0)]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 4 * weight.numel() > weight.numel() > bits[3]
    step, other = quantizer("ecsq", weight), weight.abs().sqrt() - 0.2
    fresh, learned = quantizer("ecsq", other), step.levels.clone()
    for _ in range(30):
        step(other)
    step.eval()
    step(weight)
    assert not torch.equal(step.levels, learned)
    errors = [float(costs(one, one.scaled(other)[0].flatten()).amin(1).mean()) for one in (step, fresh)]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


@pytest.mark.parametrize("per", ["row", "tensor", "32"])
@pytest.mark.parametrize("bits", [2, 3])
def test_lsq_by_the_papers_formulas(bits: int, per: str) -> None:
    """Value, start, and both gradients: equations 1 to 5 with the gradient scale of section 2.2."""
    top = 2 ** (bits - 1) - 1
    random = torch.Generator().manual_seed(bits)
    weight, slope = (8 * torch.randn(2, 2, 64, generator=random)).round() / 8  # sums of these are exact
    keep = torch.rand(2, 64, generator=random) < 0.8
    weight.requires_grad_()
    step = quantizer("lsq", weight.detach(), keep=keep, bits=bits, per=per)
    form = {"row": (2, 1), "tensor": (1, 1), "32": (2, 2)}[per]

    def summed(values: torch.Tensor) -> torch.Tensor:
        """The sums of the weights that share a step."""
        return values.reshape(*form, -1).sum(2)

    count = summed(keep.float())  # of the weights that are kept
    assert torch.allclose(step.step.detach(), 2 * summed(weight.detach().abs() * keep) / count / top**0.5)
    step.step.data = torch.tensor([[0.25, 0.125], [0.5, 1.0]])[:, : form[1]][: form[0]].clone()  # exact in 16 bits
    each = step.step.detach().repeat_interleave(64 // form[1], 1).expand(2, 64)
    ratio = weight.detach() / each
    level = ratio.round().clamp(-top, top) * keep
    effective = step(weight)
    assert effective.tolist() == (level * each).tolist()
    effective.backward(slope)
    inside = (ratio.abs() < top) & keep
    assert torch.equal(weight.grad, slope * inside)
    by_step = torch.where(inside, level - ratio, level)  # equation 3: ±Q from the clip on
    assert torch.allclose(step.step.grad, summed(slope * by_step) / torch.sqrt(count * top))


def test_lsq_steps_follow_weights_that_grow() -> None:
    """A step that is trained finds the error of one that is fitted, whatever it began as."""
    weight = weights()["normal"]
    step = quantizer("lsq", weight, bits=3)
    optimizer = torch.optim.Adam(step.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (step(3 * weight) - 3 * weight).square().mean().backward()
        optimizer.step()
    fitted = quantizer("uniform", 3 * weight, bits=3, per="tensor", clip="error")
    errors = [float((one(3 * weight) - 3 * weight).detach().square().mean()) for one in (step, fitted)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
