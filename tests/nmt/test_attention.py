"""Attention maps against their formula, their measures against cases known by hand, the script for real."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.toys import small
from tests.toys.run import script
from tzip.data.pieces import BEGIN, END
from tzip.nmt import attention
from tzip.nmt.model import Transformer

SIZES = {"heads": 4, "decoder_layers": 3}


def make(seed: int = 0, **more) -> Transformer:
    return small.model(seed, **SIZES | {"vocabulary": 300} | more).eval()


def some_pairs(count: int, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    rng = np.random.default_rng(seed)
    draw = [(rng.integers(4, 300, rng.integers(3, 9)), rng.integers(4, 300, rng.integers(3, 9))) for _ in range(count)]
    return [([*s.tolist(), END], [BEGIN, *t.tolist()]) for s, t in draw]


def test_maps_are_distributions_over_what_each_position_may_see() -> None:
    probabilities = attention.maps(make(), [5, 6, 7, 8, END], [BEGIN, 9, 10])
    assert {kind: tuple(maps.shape) for kind, maps in probabilities.items()} == {
        "encoder": (2, 4, 5, 5),
        "decoder": (3, 4, 3, 3),
        "cross": (3, 4, 3, 5),
    }
    for maps in probabilities.values():
        torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    assert probabilities["decoder"].triu(1).count_nonzero() == 0


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_first_encoder_map_is_softmax_of_scaled_products(norm: str) -> None:
    model = make(norm=norm)
    source = [5, 6, 7, END]
    with torch.no_grad():
        x = model.source_embedding(torch.tensor(source)) * 4.0 + model.positions[:4]  # 4 = √16
        layer = model.encoder[0]
        x = layer.self_attention_norm(x) if norm == "pre" else x
        query, key = (
            project(x).view(4, 4, 4).transpose(0, 1)
            for project in (layer.self_attention.query, layer.self_attention.key)
        )
        expected = (query @ key.transpose(1, 2) / math.sqrt(4)).softmax(-1)
    torch.testing.assert_close(attention.maps(model, source, [BEGIN])["encoder"][0], expected)


def test_looking_leaves_the_model_as_it_was() -> None:
    model = make().train()
    attention.maps(model, [5, END], [BEGIN])
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(IndexError):
        attention.maps(model, [100_000], [BEGIN])
    assert not any(module._forward_hooks for module in model.modules())


def test_sharpness_is_entropy_in_nats() -> None:
    one_hot = torch.eye(8).expand(2, 3, 8, 8)
    torch.testing.assert_close(attention.sharpness(one_hot), torch.zeros(2, dtype=torch.float64))
    uniform = torch.full((2, 3, 5, 8), 1 / 8)
    torch.testing.assert_close(attention.sharpness(uniform), torch.full((2,), math.log(8), dtype=torch.float64))
    both = torch.cat([one_hot[:1], torch.full((1, 3, 8, 8), 1 / 8)])
    torch.testing.assert_close(attention.sharpness(both), torch.tensor([0, math.log(8)], dtype=torch.float64))


def test_distance_is_total_variation() -> None:
    here, there = torch.eye(4).expand(1, 1, 4, 4), torch.eye(4).flip(0).expand(1, 1, 4, 4)
    assert attention.distance(here, here).item() == 0
    assert attention.distance(here, there).item() == 1
    row = torch.tensor([[[[0.5, 0.3, 0.2]]]])
    other = torch.tensor([[[[0.2, 0.3, 0.5]]]])
    assert attention.distance(row, other).item() == pytest.approx(0.3)
    assert attention.distance(other, row).item() == pytest.approx(0.3)


def test_measuring_a_model_against_itself_and_against_a_sharper_one() -> None:
    baseline, sharper = make(), make()
    with torch.no_grad():
        for layer in sharper.encoder:
            layer.self_attention.query.weight *= 8
    same = attention.summarize(attention.measure(baseline, baseline, some_pairs(6)), seed=1)
    assert same["distance"] == same["distance_high"] == same["sharpness_change"] == 0
    summary = attention.summarize(attention.measure(sharper, baseline, some_pairs(6)), seed=1)
    encoder = summary["by_kind"]["encoder"]
    assert encoder["sharpness_change_high"] < 0 < encoder["distance_low"]
    assert summary["sentences"] == 6
    assert [len(summary["by_layer"]["distance"][kind]) for kind in attention.KINDS] == [2, 3, 3]


def test_a_batchs_measures_are_those_of_each_sentence() -> None:
    model, baseline, pairs = make(1), make(0), some_pairs(30)
    sample = attention.measure(model, baseline, pairs)
    for row in (0, 7, 29):
        own, other = (attention.maps(network, *pairs[row]) for network in (model, baseline))
        for kind in attention.KINDS:
            wanted = attention.sharpness(own[kind]), attention.sharpness(other[kind])
            wanted += (attention.distance(own[kind], other[kind]),)
            np.testing.assert_allclose(sample.values[kind][row], torch.stack(wanted).numpy(), rtol=0, atol=1e-6)


def test_intervals_surround_the_mean_and_follow_the_seed() -> None:
    sample = attention.measure(make(1), make(0), some_pairs(12))
    first, again, other = (attention.summarize(sample, seed) for seed in (3, 3, 4))
    assert first == again != other
    for part in (first, *first["by_kind"].values()):
        for name in ("sharpness", "sharpness_change", "distance"):
            assert part[f"{name}_low"] < part[name] < part[f"{name}_high"]
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    means = [first["by_kind"][kind]["distance"] for kind in attention.KINDS]
    assert first["distance"] == pytest.approx(sum(means) / 3, abs=2e-6)


def test_what_two_models_do_not_have_alike_is_left_out_with_the_reason() -> None:
    student = make(mixer="convolution", decoder_layers=3)
    assert list(attention.maps(student, [5, 6, END], [BEGIN, 9])) == ["cross"]
    summary = attention.summarize(attention.measure(student, make(), some_pairs(4)), seed=1)
    reason = "the model has no such attention"
    assert summary["left_out"] == {"encoder": reason, "decoder": reason}
    assert list(summary["by_kind"]) == ["cross"]
    assert 0 < summary["by_kind"]["cross"]["distance"] < 1
    assert "distance" not in summary
    narrow = attention.summarize(attention.measure(make(heads=2), make(), some_pairs(4)), seed=1)
    assert narrow["by_kind"] == {}
    assert narrow["left_out"]["cross"] == "the model has 3 layers of 2 heads, the baseline 3 layers of 4 heads"
    against = attention.measure(make(), student, some_pairs(4))
    assert against.left_out["encoder"] == "the baseline has no such attention"


def test_where_no_sentence_fits_there_is_a_reason_instead_of_a_measure() -> None:
    summary = attention.summarize(attention.measure(make(), make(), []), seed=1)
    assert summary["by_kind"] == {}
    assert summary["sentences"] == 0
    assert summary["left_out"] == dict.fromkeys(attention.KINDS, "no sentence is short enough for the model")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on disk that share a vocabulary, and twelve sentence pairs."""
    folder = tmp_path_factory.mktemp("attention")
    words = ["the", "a", "cat", "dog", "bird", "sees", "hears", "small", "big", "old", "tree", "house"]
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(400)]
    pieces = small.vocabulary(folder, "\n".join(lines) + "\n", size=285)
    for name, seed in (("baseline", 0), ("other", 1)):
        small.write(folder / f"{name}.tzip", pieces, seed, **SIZES)
    (folder / "dev.en").write_text("\n".join(lines[:12]) + "\n")
    (folder / "dev.de").write_text("\n".join(lines[12:24]) + "\n")
    return folder


def run(folder: Path, output: str, *more: str) -> tuple[int, str]:
    models = ["--model", folder / "other.tzip", "--baseline", folder / "baseline.tzip", "--sentence", "the old cat"]
    texts = ["--source", folder / "dev.en", "--target", folder / "dev.de", "--sentences", "5"]
    outputs = ["--output", folder / f"{output}.npz", "--json", folder / f"{output}.json"]
    return script("attention", *models, *texts, *outputs, *more)


def test_the_script_writes_the_same_bytes_twice(files: Path) -> None:
    for name in ("one", "two"):
        done = run(files, name, "--translation", "a small dog")
        assert done == (0, "")
    assert (files / "one.npz").read_bytes() == (files / "two.npz").read_bytes()
    assert (files / "one.json").read_bytes() == (files / "two.json").read_bytes()
    with np.load(files / "one.npz", allow_pickle=False) as arrays:
        assert "".join(arrays["source"]) == "▁the▁old▁cat</s>"
        assert "".join(arrays["target"]) == "<s>▁a▁small▁dog"
        assert arrays["cross"].shape == (3, 4, len(arrays["target"]), len(arrays["source"]))
    summary = json.loads((files / "one.json").read_text())
    assert summary["sentences"] == 5
    assert 0 < summary["distance_low"] <= summary["distance"] <= summary["distance_high"] < 1


def test_without_a_translation_only_the_encoder_is_recorded(files: Path) -> None:
    assert run(files, "encoder")[0] == 0
    with np.load(files / "encoder.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"source", "target", "encoder", "baseline"}


def test_maps_over_other_pieces_are_drawn_and_not_compared(files: Path) -> None:
    own = small.vocabulary(files, (files / "text").read_text(), size=280)
    small.write(files / "own.tzip", own, 1, **SIZES)
    assert run(files, "own", "--model", str(files / "own.tzip"))[0] == 0
    with np.load(files / "own.npz", allow_pickle=False) as arrays:
        assert "".join(arrays["source"]) == "▁the▁old▁cat</s>"
    summary = json.loads((files / "own.json").read_text())
    assert summary["left_out"] == dict.fromkeys(attention.KINDS, "the model has pieces of its own")
    assert summary["by_kind"] == {}


def test_unequal_sides_are_one_line(files: Path) -> None:
    (files / "short.de").write_text("one line\n")
    status, message = run(files, "bad", "--target", str(files / "short.de"))
    assert status == 1
    assert message.splitlines() == [f"error: {files}/short.de: 1 lines, but {files}/dev.en has 12"]
    assert not (files / "bad.json").exists()
