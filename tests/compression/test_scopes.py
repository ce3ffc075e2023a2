"""Which layers a scope takes: the paper's, and what stands in their place."""

import dataclasses

import pytest
import torch

from tests.compression.test_compress import MATRICES, SIZES, SOURCE, TARGET, transformer
from tzip.compression.compress import prepare
from tzip.compression.variant import SCOPES, Variant
from tzip.format.model import load
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config


def test_scopes_are_the_papers_and_the_choices() -> None:
    (scope,) = [field for field in dataclasses.fields(Variant) if field.name == "scope"]
    assert scope.metadata["choices"] == tuple(SCOPES)
    names = {}
    for choice in SCOPES:
        codes = prepare(transformer(tie="none"), Variant(quantize="kmeans:bits=1", scope=choice), 1).codes()
        names[choice] = {name for name, code in codes.items() if code.codebook is not None}
    assert all(name.endswith(".weight") for name in names["attention"])
    assert {name.split(".")[2] for name in names["attention"]} == {"self_attention", "cross_attention"}
    assert {name.split(".")[2] for name in names["linear"] - names["attention"]} == {"feed_forward"}
    assert names["all"] - names["linear"] == {"source_embedding.weight", "target_embedding.weight", "generator.weight"}
    assert (len(names["attention"]), len(names["linear"])) == (MATRICES["attention"], MATRICES["linear"])


@pytest.mark.parametrize(("scope", "matrices"), [("attention", 8), ("linear", 12), ("all", 13)])
def test_a_convolution_is_in_the_scope_of_the_attention_that_it_replaces(scope: str, matrices: int) -> None:
    model = Transformer(Config(**SIZES, mixer="convolution", kernel=3))
    codes = prepare(model, Variant(quantize="kmeans:bits=2", scope=scope), 1).codes()
    coded = [name for name, code in codes.items() if code.codebook is not None]
    assert len(coded) == matrices
    assert {"encoder.0.convolution.input.weight", "decoder.0.convolution.output.weight"} <= set(coded)
    assert codes["encoder.0.convolution.depthwise.weight"].shape == (16, 1, 3)
    plain = Transformer(model.config)
    load(plain, codes)
    torch.testing.assert_close(plain.eval()(SOURCE, TARGET), model.eval()(SOURCE, TARGET))


@pytest.mark.parametrize(("scope", "matrices"), [("attention", 10), ("linear", 14), ("all", 15)])
def test_so_is_a_recurrent_unit(scope: str, matrices: int) -> None:
    """Both of its matrices; `biases` quantizes the one bias that it has."""
    model = Transformer(Config(**SIZES, decoder_mixer="ssru"))
    variant = Variant(quantize="kmeans:bits=2", biases="kmeans:bits=2", scope=scope)
    codes = prepare(model, variant, 1).codes()
    coded = {name for name, code in codes.items() if code.codebook is not None}
    assert sum(name.endswith(".weight") for name in coded) == matrices
    assert {f"decoder.0.ssru.{part}" for part in ("input.weight", "forget.weight", "forget.bias")} <= coded
    plain = Transformer(model.config)
    load(plain, codes)
    torch.testing.assert_close(plain.eval()(SOURCE, TARGET), model.eval()(SOURCE, TARGET))
