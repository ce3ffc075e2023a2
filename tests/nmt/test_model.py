"""The Transformer: shapes, ties, what padding and the future may not change, and its dropout masks."""

import math

import pytest
import torch

from tzip.data.pieces import BEGIN, PAD
from tzip.nmt.dropout import Dropout, MaskPool
from tzip.nmt.model import Sign, Transformer, binarized, sinusoids
from tzip.nmt.options import PRESETS, Config, configure, settings

TOY = {"vocabulary": 50, "d_model": 16, "d_ff": 32, "heads": 2, "encoder_layers": 2, "decoder_layers": 2}


def toy(**given) -> Transformer:
    torch.manual_seed(0)
    return Transformer(Config(**TOY | given)).double().eval()


def ids(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize(
    "form",
    [{}, *({"mixer": "convolution", "kernel": k} for k in (1, 2, 3, 9)), {"decoder_mixer": "ssru"}],
    ids=str,
)
def test_logits_ignore_padding_and_the_future(norm, form):
    model = toy(norm=norm, **form)
    short = model(ids([5, 6, 7, 3]), ids([BEGIN, 8, 9]))
    padded = model(ids([5, 6, 7, 3, PAD, PAD]), ids([BEGIN, 8, 9, 20, PAD]))
    assert short.shape == (1, 3, 50)
    torch.testing.assert_close(padded[:, :3], short)
    assert not torch.allclose(model(ids([5, 6, 8, 3]), ids([BEGIN, 8, 9])), short)


def reached(change: int, kernel: int, stack: str) -> list[int]:
    """The positions of twelve whose state a piece at `change` changes, in a model of one convolution."""
    model = toy(mixer="convolution", kernel=kernel, encoder_layers=1, decoder_layers=1)
    piece = torch.arange(5, 17)[None]
    other = piece.clone()
    other[0, change] = 30
    source, bias = model.encode(ids([5, 6, 3]))
    states = [model.encode(p)[0] if stack == "encoder" else model.decode(p, source, bias) for p in (piece, other)]
    return (states[0] - states[1]).abs().amax(-1).squeeze(0).gt(1e-9).nonzero().flatten().tolist()


def test_a_convolution_sees_its_kernel_and_a_causal_one_nothing_later():
    assert reached(6, 5, "encoder") == [4, 5, 6, 7, 8]
    assert reached(6, 4, "encoder") == [5, 6, 7, 8]  # an even kernel sees one more before than behind
    assert reached(6, 5, "decoder") == [6, 7, 8, 9, 10]
    assert reached(11, 5, "decoder") == [11]


def test_a_convolution_equals_its_formula():
    """GLU, then at each position and channel the kernel's products, then the last linear layer."""
    layer = toy(mixer="convolution", kernel=3).encoder[0].convolution
    x = torch.randn(1, 4, 16, dtype=torch.float64)
    gated = layer.input(x)[..., :16] * layer.input(x)[..., 16:].sigmoid()
    around = torch.cat([torch.zeros(1, 1, 16), gated, torch.zeros(1, 1, 16)], dim=1)
    taps = layer.depthwise.weight.squeeze(1)  # [channels, kernel]
    mixed = sum(around[:, i : i + 4] * taps[:, i] for i in range(3)) + layer.depthwise.bias
    torch.testing.assert_close(layer(x, layer.keys_values(x), torch.zeros(1, 1, 1, 4)), layer.output(mixed))


@pytest.mark.parametrize(("tie", "count"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_ties(tie, count):
    model = toy(tie=tie)
    matrices = [p for p in model.parameters() if p.shape == (50, 16)]
    assert len(matrices) == count


def test_base_has_the_papers_weights():
    """44,040,192 weights in attention and feed-forward, 18,874,368 of them in attention."""
    with torch.device("meta"):
        model = Transformer(Config(vocabulary=32000, **PRESETS["base"]))
    linear = {n: p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "coder." in n}
    assert sum(linear.values()) == 44_040_192
    assert sum(size for name, size in linear.items() if "attention" in name) == 18_874_368


def test_attention_probabilities_can_be_hooked():
    model, seen = toy(), []
    model.encoder[0].self_attention.weights.register_forward_hook(lambda _, __, out: seen.append(out))
    model.encode(ids([5, 6, 3], [5, 3, PAD]))
    assert seen[0].shape == (2, 2, 3, 3)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 2, 3, dtype=torch.float64))
    assert seen[0][1, :, :, 2].abs().max() == 0


def test_sinusoids_follow_the_formula():
    table = sinusoids(7, 6)
    assert table[5, 2].item() == pytest.approx(math.sin(5 / 10000 ** (2 / 6)), abs=1e-6)
    assert table[5, 3].item() == pytest.approx(math.cos(5 / 10000 ** (2 / 6)), abs=1e-6)


def test_configuration_errors_name_the_option():
    with pytest.raises(ValueError, match=r"d_model = 10 is not even and a multiple of heads = 4"):
        configure({"d_model": 10, "heads": 4})
    with pytest.raises(ValueError, match=r"positions = fairseq: d_model = 2; it needs 4 or more"):
        configure({"d_model": 2, "heads": 1, "positions": "fairseq"})
    with pytest.raises(ValueError, match=r"target_prefix = 3 is no piece of the target: 4 to 49"):
        configure({"vocabulary": 50, "target_prefix": 3})
    with pytest.raises(ValueError, match=r"preset = 'huge' is not one of tiny, small, base"):
        configure({"preset": "huge"})
    with pytest.raises(ValueError, match=r"norm = 'mid' is not one of post, pre"):
        configure({"preset": "tiny", "norm": "mid"})
    with pytest.raises(ValueError, match=r"mixer = 'fourier' is not one of attention, convolution"):
        configure({"preset": "tiny", "mixer": "fourier"})
    assert configure({"preset": "tiny", "dropout": 0.3}).d_model == 128


def test_too_long_a_sentence_is_refused():
    with pytest.raises(ValueError, match="max_length is 4"):
        toy(max_length=4)(ids([5] * 6), ids([BEGIN]))


def pool(seed: int, *updates: int) -> MaskPool:
    masks = MaskPool(seed)
    for update in updates:
        masks.begin(update)
    return masks


def test_masks_depend_on_seed_and_update_alone():
    x = torch.ones(300, 40)
    fresh, continued = pool(7, 12).cut(x, 0.3), pool(7, *range(13)).cut(x, 0.3)
    assert torch.equal(fresh, continued)
    assert not torch.equal(fresh, pool(7, 13).cut(x, 0.3))
    assert not torch.equal(fresh, pool(8, 12).cut(x, 0.3))


def test_a_mask_used_before_is_renewed_with_the_pool():
    used = pool(7, 3)
    used.cut(torch.ones(10), 0.3)
    for update in range(4, 13):
        used.begin(update)
    x = torch.ones(3000)
    assert torch.equal(used.cut(x, 0.3), pool(7, 12).cut(x, 0.3))


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_masks_keep_the_mean(p):
    mask = pool(1, 0).cut(torch.ones(1000, 1000), p)
    assert set(mask.unique().tolist()) == {0.0, torch.tensor(1 / (1 - p)).item()}
    assert mask.mean().item() == pytest.approx(1, abs=0.01)


def test_attention_and_feed_forward_have_rates_of_their_own():
    """Of -1 they are those of the rest."""
    for given, wanted in (({}, (0.3, 0.3, 0.3)), ({"attention_dropout": 0.0}, (0.3, 0.0, 0.3))):
        model = toy(dropout=0.3, **given)
        layer = model.decoder[0]
        found = layer.dropout.p, layer.cross_attention.dropout.p, layer.feed_forward.dropout.p
        assert found == wanted
        assert model.dropout.p == 0.3
    assert toy(activation_dropout=0.2).encoder[0].feed_forward.dropout.p == 0.2


def test_dropout_is_off_in_evaluation():
    layer = Dropout(0.5)
    layer.pool = pool(1, 0)
    x = torch.ones(100)
    assert torch.equal(layer.eval()(x), x)
    assert not torch.equal(layer.train()(x), x)


def test_binary_inputs_are_signs_times_their_mean_magnitude():
    """Of the linear layers of attention alone, or of feed-forward too; never of the output layer."""
    x = torch.tensor([[0.5, -2.0, 0.0, 1.5]], requires_grad=True)
    y = binarized(x)
    assert y.tolist() == [[1.0, -1.0, 1.0, 1.0]]  # times mean |x| = 1
    (gradient,) = torch.autograd.grad(Sign.apply(x).sum(), x)
    assert gradient.tolist() == [[1.0, 0.0, 1.0, 0.0]]  # none where |x| > 1
    for layers, wanted in (("attention", {"query", "key", "value", "output"}), ("linear", None)):
        model = toy(binary_inputs=layers)
        seen: dict[str, torch.Tensor] = {}
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_hook(lambda _, given, __, name=name, seen=seen: seen.update({name: given[0]}))
        model(ids([5, 6, 7, 3]), ids([BEGIN, 8, 9]))
        binary = {name for name, given in seen.items() if given.abs().unique(dim=-1).shape[-1] == 1}
        expected = {name for name in seen if wanted is None or name.rpartition(".")[2] in wanted} - {"generator"}
        assert binary == expected


# ── forms that imported models have ───────────────────────────────────────────────────────────────

FOREIGN = {"activation": "silu", "positions": "halves", "epsilon": 1e-6, "source_end": False}


def test_files_name_the_later_options_only_where_they_say_something():
    always = "vocabulary d_model d_ff heads encoder_layers decoder_layers dropout mixer kernel binary_inputs norm tie"
    assert list(settings(Config(**TOY))) == [*always.split(), "max_length"]
    given = Config(**TOY, **FOREIGN, target_vocabulary=30, tie="none")
    assert Config(**settings(given)) == given
    assert {key: settings(given)[key] for key in FOREIGN} == FOREIGN


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: max(x, 0.0)),
        ("gelu", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        ("silu", lambda x: x / (1 + math.exp(-x))),
    ],
)
def test_activations(name, formula):
    layer = toy(activation=name).encoder[0].feed_forward
    inner = layer.inner(torch.randn(3, 16, dtype=torch.float64))
    bent = torch.tensor([[formula(x) for x in row] for row in inner.tolist()], dtype=torch.float64)
    torch.testing.assert_close(layer.activation(inner.clone()), bent)


def test_positions_in_halves_are_the_interleaved_ones_in_another_order():
    by_turns, halves = sinusoids(50, 16), sinusoids(50, 16, "halves")
    assert torch.equal(halves, torch.cat([by_turns[:, 0::2], by_turns[:, 1::2]], dim=1))
    single = sinusoids(300, 16, "single")
    assert 0 < (single - sinusoids(300, 16)).abs().max() < 1e-4


def test_positions_of_fairseq_begin_at_two_and_reach_a_ten_thousandth():
    table = sinusoids(40, 16, "fairseq")
    for position, i in ((0, 0), (7, 3), (39, 7)):
        angle = (position + 2) * 10000 ** (-i / 7)
        assert table[position, [i, 8 + i]].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)


def test_every_norm_has_the_epsilon_of_the_configuration():
    norms = [m for m in toy(norm="pre", epsilon=1e-6).modules() if isinstance(m, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-6}
    assert len(norms) == 2 * 2 + 2 * 3 + 2


def test_a_target_with_pieces_of_its_own():
    model = toy(target_vocabulary=30, tie="decoder")
    assert model(ids([49, 6, 3]), ids([BEGIN, 29])).shape == (1, 2, 30)
    assert model.source_embedding.weight.shape == (50, 16)
    assert model.generator.weight is model.target_embedding.weight
    with pytest.raises(ValueError, match="tie = all: the target has a vocabulary of its own"):
        Config(**TOY, target_vocabulary=30)
