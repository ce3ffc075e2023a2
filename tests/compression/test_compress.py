"""Variants on a real model: which tensors, tied ones once, pruning by the update, codes and the way back."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.toys.codes import same_codes
from tzip import options
from tzip.compression.code import Code, raw
from tzip.compression.compress import encoded, prepare
from tzip.compression.curvature import Statistics, collect
from tzip.compression.variant import Variant, needs, stages
from tzip.format.model import check, load
from tzip.nmt.batches import Batch
from tzip.nmt.dropout import Dropout
from tzip.nmt.model import Transformer, tensors
from tzip.nmt.options import Config

SOURCE = torch.tensor([[4, 5, 6, 3], [7, 8, 3, 0]])
TARGET = torch.tensor([[2, 9, 10, 11, 3], [2, 12, 3, 0, 0]])
MATRICES = {"attention": 12, "linear": 16, "all": 17}  # one layer each side; the tied one counts once
SIZES = {"vocabulary": 40, "d_model": 16, "d_ff": 24, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}

PRUNED = "magnitude:schedule=stepwise,start=0.5,end=0.8"
VARIANTS = {
    "baseline": Variant(),
    "halved": Variant(quantize="fp16", scope="all", rest="float16"),
    "kmeans": Variant(quantize="kmeans:bits=2", biases="kmeans:bits=8"),
    "kmeans-all": Variant(quantize="kmeans:bits=4", scope="all"),
    "binarized": Variant(quantize="binarize:levels=flexible", scope="attention"),
    "pruned": Variant(prune=PRUNED, scope="all"),
    "deep": Variant(prune="magnitude:end=0.7", quantize="kmeans:bits=3", scope="all"),
    "deep-binary": Variant(prune=PRUNED, quantize="binarize", biases="fp16"),
    "biases-only": Variant(biases="kmeans:bits=2"),
    "scaled": Variant(quantize="uniform:bits=3,per=row", scope="all"),
    "ternary": Variant(quantize="ternary:per=32", scope="all"),
    "coded": Variant(quantize="ternary:per=row,scale_steps=8", scope="all", rest="coded"),
    "vectors": Variant(prune="obd:end=0.5", quantize="residual:bits=3,width=2", scope="all"),
    "surgery": Variant(prune="obs:schedule=gradual,end=0.6,select=blind", quantize="gptq:bits=3"),
}

every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


CALIBRATION = [Batch.of(SOURCE[:1], TARGET[:1]), Batch.of(SOURCE[1:, :3], TARGET[1:, :3])]


def transformer(seed: int = 0, tie: str = "all", norm: str = "post") -> Transformer:
    torch.manual_seed(seed)
    model = Transformer(Config(**SIZES, dropout=0.0, norm=norm, tie=tie))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    return model


def tune(model: nn.Module, compression, updates: int) -> None:
    """A fine-tuning in small: what the trainer does with a compression."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    for update in range(updates):
        compression.on_update(update, updates)
        optimizer.zero_grad()
        logits = model(SOURCE, TARGET[:, :-1])
        nn.functional.cross_entropy(logits.flatten(0, 1), TARGET[:, 1:].flatten()).backward()
        optimizer.step()
    compression.on_update(updates, updates)


def measured(model: Transformer, variant: Variant) -> Statistics | None:
    return collect(model, CALIBRATION, tensors(model)) if needs(variant) else None


def compressed(model: Transformer, variant: Variant, updates: int = 12, seed: int = 1) -> dict[str, Code]:
    statistics = measured(model, variant)
    for stage in stages(variant):
        compression = prepare(model, stage, seed, statistics)
        tune(model, compression, updates)
    return compression.codes()


def plan(**given: str) -> Variant:
    return options.make(Variant, given, "mine")


@every_variant
def test_the_decoded_model_computes_bit_for_bit_what_the_parametrized_one_did(variant: Variant) -> None:
    model = transformer()
    codes = compressed(model, variant)
    assert list(codes) == [name for name, _ in transformer().named_parameters()]
    plain = transformer(seed=9)
    load(plain, codes)
    rounded = {name for name, code in codes.items() if variant.rest != "float32" and code.codebook is None}
    with torch.no_grad():
        for name, places in tensors(model).items():
            for module, attribute in places:
                effective = getattr(module, attribute)
                wanted = encoded(effective.numpy(), variant.rest).decode() if name in rounded else effective.numpy()
                assert codes[name].decode().tobytes() == wanted.tobytes(), name
        if not rounded:
            assert torch.equal(plain(SOURCE, TARGET), model(SOURCE, TARGET))


def test_what_no_method_touches_is_coded_as_the_variant_says() -> None:
    """Coded: vectors as fixed-point numbers, matrices in half precision."""
    codes = prepare(transformer(), plan(quantize="ternary", scope="attention", rest="coded"), 1).codes()
    vectors = {name for name, code in codes.items() if code.exponent is not None}
    assert vectors == {name for name, code in codes.items() if len(code.shape) == 1}
    assert {code.symbols.dtype.name for name, code in codes.items() if "feed_forward" in name} == {"float16", "int16"}


@every_variant
def test_the_same_seed_gives_the_same_codes(variant: Variant) -> None:
    assert same_codes(compressed(transformer(), variant), compressed(transformer(), variant))


@every_variant
@pytest.mark.parametrize("updates", [0, 12])
def test_what_a_variant_names_is_coded_and_nothing_else(variant: Variant, updates: int) -> None:
    codes = compressed(transformer(), variant, updates=updates)
    touched = {name for name, code in codes.items() if code.codebook is not None or code.mask is not None}
    if "fp16" not in (variant.quantize, variant.biases):
        matrices = {name for name in touched if name.endswith(".weight")}
        assert len(matrices) == (MATRICES[variant.scope] if variant.quantize or variant.prune else 0)
        assert not any("norm" in name for name in touched)
        assert any(name.endswith(".bias") for name in touched) == bool(variant.biases)
    if variant.prune:
        end = float(re.search("end=([0-9.]+)", variant.prune)[1])
        pruned = [code for name, code in codes.items() if name in touched and name.endswith(".weight")]
        gone = [np.count_nonzero(~code.mask) for code in pruned]
        assert sum(gone) == pytest.approx(end * sum(code.size for code in pruned), abs=len(pruned))
        if "select" not in variant.prune:
            assert gone == [round(end * code.size) for code in pruned]
        assert all(np.count_nonzero(c.decode()) <= c.size - n for c, n in zip(pruned, gone, strict=True))


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
def test_codes_have_the_plain_models_names_in_its_order(tie: str, norm: str) -> None:
    model = transformer(tie=tie, norm=norm)
    names = [name for name, _ in model.named_parameters()]
    codes = prepare(model, Variant(quantize="kmeans", biases="fp16", scope="all"), 1).codes()
    assert list(codes) == names
    load(transformer(seed=3, tie=tie, norm=norm), codes)


@pytest.mark.parametrize("spec", ["kmeans:bits=3", "binarize", "fp16"])
def test_a_tied_tensor_is_one_and_gathers_the_gradients_of_all_its_uses(spec: str) -> None:
    model = transformer()
    prepare(model, Variant(quantize=spec, scope="all"), 1)
    owners = [model.source_embedding, model.target_embedding, model.generator]
    first = owners[0].parametrizations.weight
    for owner in owners[1:]:
        assert owner.parametrizations.weight.original is first.original
        assert owner.parametrizations.weight[0] is first[0]
        assert torch.equal(owner.weight, owners[0].weight)
    trained = [name for name, p in model.named_parameters() if p.requires_grad and "embedding" in name]
    assert all(name.startswith("source_embedding") for name in trained)
    assert trained

    def gradient(*uses: nn.Module) -> torch.Tensor:
        model.zero_grad()
        sum((i + 1) * use.weight.square().sum() for i, use in enumerate(uses)).backward()
        return dict(model.named_parameters())[trained[-1]].grad.clone()

    one = gradient(owners[0])
    assert torch.allclose(gradient(*owners), 6 * one, rtol=1e-4)


@every_variant
def test_a_state_dict_resumes_on_a_model_prepared_afresh(variant: Variant) -> None:
    """Also into one whose pruning stage has not run: what was pruned is in the state."""
    model, fresh = transformer(), transformer()
    codes = compressed(model, variant)
    statistics = measured(transformer(), variant)
    for stage in stages(variant):
        compression = prepare(fresh, stage, 1, statistics)
    fresh.load_state_dict(model.state_dict())
    assert same_codes(compression.codes(), codes)
    trained = [{n for n, p in network.named_parameters() if p.requires_grad} for network in (fresh, model)]
    assert trained[0] == trained[1]


def test_stages_prune_first_and_quantize_what_is_left() -> None:
    both = plan(prune=PRUNED, quantize="kmeans:bits=4", biases="kmeans:bits=8", scope="all", rest="float16")
    first, second = stages(both)
    assert first == plan(prune=PRUNED, scope="all", rest="float16")
    assert second == plan(quantize="kmeans:bits=4", biases="kmeans:bits=8", scope="all", rest="float16")
    for name in ("baseline", "kmeans", "pruned", "biases-only"):
        assert stages(VARIANTS[name]) == [VARIANTS[name]]


def test_both_at_once_prunes_to_the_end_before_it_quantizes() -> None:
    codes = prepare(transformer(), VARIANTS["deep"], 1).codes()
    code = codes["decoder.0.feed_forward.inner.weight"]
    assert np.count_nonzero(~code.mask) == round(0.7 * code.size)
    assert len(code.codebook) <= 8
    assert not np.any(np.abs(code.codebook) < 1e-4)  # no centroid was spent on the zeros


def test_pruning_follows_the_schedule_while_the_weights_train() -> None:
    model = transformer()
    compression = prepare(model, VARIANTS["pruned"], 1)
    pruner, weight = compression.pruners[0]
    assert pruner.keep.all()
    shares = []
    for update in (0, 1000, 1001, 5005, 9008, 9009, 10_000):
        compression.on_update(update, 10_000)
        shares.append(int((~pruner.keep).sum()))
    wanted = (0.5, 0.5, 0.5 + 0.3 / 9, 0.5 + 0.3 * 5 / 9, 0.5 + 0.3 * 8 / 9, 0.8, 0.8)
    assert shares == [round(share * weight.numel()) for share in wanted]


def test_every_weight_that_is_left_and_no_codebooks_latent_is_trained() -> None:
    for name, latents in {"pruned": True, "binarized": True, "kmeans": False}.items():
        model = transformer()
        prepare(model, VARIANTS[name], 1)
        originals = [p for n, p in model.named_parameters() if n.endswith("weight.original")]
        assert originals
        assert all(parameter.requires_grad == latents for parameter in originals)
        assert model.encoder[0].feed_forward_norm.weight.requires_grad


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quantize": "kmean:bits=4"}, "no quantizer 'kmean'; choose from binarize, binarynet, ecsq, fixed16"),
        ({"quantize": "kmeans:bits=9"}, "quantize: kmeans: bits = '9' is not an integer at least 1 and at most 8"),
        ({"quantize": "kmeans:bit=4"}, "quantize: kmeans: no option 'bit'; choose from bits, optimizer, start"),
        ({"biases": "binarize:levels=x"}, "biases: binarize: levels = 'x' is not one of fixed, flexible"),
        ({"prune": "magnitud"}, "no pruner 'magnitud'; choose from magnitude"),
        ({"prune": "../code"}, "no pruner '../code'; choose from magnitude"),
        ({"prune": "magnitude:stop=1"}, "prune: magnitude: no option 'stop'; choose from schedule, start, end"),
        ({"prune": "magnitude:start=0.3"}, "prune: magnitude: start = 0.3 has no meaning"),
        ({"budget": "8x"}, "mine: budget = 8x needs a quantizer whose bits it may choose"),
        ({"budget": "8", "quantize": "kmeans"}, "mine: budget = '8' is not a ratio above 1, as 8x"),
        ({"quantize": "obs"}, "no quantizer 'obs'"),
        ({"prune": "obd"}, "obd needs statistics (fisher) of the model; calibrate it first"),
        ({"scope": "everything"}, "mine: scope = 'everything' is not one of attention, linear, all"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        prepare(transformer(), plan(**given), 1)
    assert message in str(caught.value)


def test_a_weight_that_cannot_be_coded_is_named() -> None:
    model = transformer()
    with torch.no_grad():
        model.encoder[0].feed_forward.outer.weight[3, 4] = float("nan")
    with pytest.raises(ValueError, match=r"^tensor encoder\.0\.feed_forward\.outer\.weight: .*not finite"):
        prepare(model, VARIANTS["kmeans"], 1)
    model = transformer()
    with torch.no_grad():
        model.generator.bias[0] = 1e6
    with pytest.raises(ValueError, match=r"^tensor generator\.bias: .*float16"):
        prepare(model, plan(rest="float16"), 1).codes()


@pytest.mark.parametrize("spec", ["kmeans:bits=3", "binarize", "fp16"])
def test_weights_that_fine_tuning_has_ruined_are_refused(spec: str) -> None:
    model = transformer()
    compression = prepare(model, Variant(quantize=spec), 1)
    steps = model.encoder[0].self_attention.key.parametrizations.weight
    with torch.no_grad():
        for parameter in (steps.original, *steps[0].parameters()):
            parameter.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"^tensor encoder\.0\.self_attention\.key\.weight: .*not finite"):
        compression.codes()


def test_tensors_that_do_not_fit_a_model_are_named() -> None:
    model = transformer()
    codes = prepare(transformer(), Variant(), 1).codes()
    check(model, codes)
    missing = {name: code for name, code in codes.items() if name != "generator.bias"}
    wrong = codes | {"generator.bias": raw(np.zeros(7, np.float32))}
    more = codes | {"generator.biases": raw(np.zeros(7, np.float32))}
    for given, message in [
        (missing, r"tensor generator\.bias: nothing found, \(40,\) expected"),
        (wrong, r"tensor generator\.bias: \(7,\) found, \(40,\) expected"),
        (more, r"tensor generator\.biases: \(7,\) found"),
    ]:
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            load(model, given)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_quality_prunes_each_layer_below_its_own_threshold() -> None:
    """Han et al.: whatever is smaller than quality · the layer's standard deviation goes."""
    model = transformer()
    before = {name: getattr(*places[0]).detach().clone() for name, places in tensors(model).items()}
    compression = prepare(model, plan(prune="magnitude:select=distribution,quality=0.5"), 1)
    compression.on_update(0, 10)
    codes = compression.codes()
    pruned = [name for name, code in codes.items() if code.mask is not None]
    assert len(pruned) == MATRICES["linear"]
    for name in pruned:
        small = before[name].abs() < 0.5 * before[name].std(correction=0)
        assert np.array_equal(~codes[name].mask, small.flatten().numpy()), name


@pytest.mark.parametrize(("given", "before", "after"), [(-1.0, 0.4, 0.2), (0.1, 0.1, 0.05), (0.0, 0.0, 0.0)])
def test_a_variant_has_a_dropout_of_its_own_from_which_it_falls(given, before, after) -> None:
    model = Transformer(Config(**SIZES, dropout=0.4))
    compression = prepare(model, plan(prune="magnitude:end=0.75,dropout=scaled", dropout=given), 1)
    assert {module.p for module in model.modules() if isinstance(module, Dropout)} == {before}
    compression.on_update(0, 10)
    assert {module.p for module in model.modules() if isinstance(module, Dropout)} == {after}


def test_a_variants_dropout_leaves_rates_that_layers_have_of_their_own() -> None:
    model = Transformer(Config(**SIZES, dropout=0.4, attention_dropout=0.0))
    prepare(model, plan(quantize="kmeans:bits=4", dropout=0.1), 1)
    assert {module.p for module in model.modules() if isinstance(module, Dropout)} == {0.1, 0.0}
