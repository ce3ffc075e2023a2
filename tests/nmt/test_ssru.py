"""The recurrent unit against its formula, position by position, and a decoder of such units."""

import pytest
import torch

from tests.nmt.test_model import ids, toy
from tzip.data.pieces import BEGIN
from tzip.nmt.model import sinusoids
from tzip.nmt.ssru import SSRU


def recurrence(unit: SSRU, x_BTD: torch.Tensor) -> torch.Tensor:
    """The states by the formula of Kim et al. (2019), one position after the other."""
    state, states = torch.zeros_like(x_BTD[:, 0]), []
    for x in x_BTD.unbind(1):
        f = torch.sigmoid(x @ unit.forget.weight.T + unit.forget.bias)
        state = f * state + (1 - f) * (x @ unit.input.weight.T)
        states.append(state)
    return torch.stack(states, 1)


def unit(width: int, spread: float = 1.0) -> SSRU:
    torch.manual_seed(3)
    result = SSRU(width)
    torch.nn.init.normal_(result.forget.weight, std=spread)
    torch.nn.init.normal_(result.forget.bias, std=spread)
    return result


@pytest.mark.parametrize("length", [1, 2, 3, 8, 37])
def test_a_whole_sequence_equals_the_recurrence_and_so_do_its_gradients(length):
    layer = unit(6).double()
    x = torch.randn(2, length, 6, dtype=torch.float64, requires_grad=True)
    (states,) = layer.keys_values(x)
    expected = recurrence(layer, x)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(layer(x, (states,), None), expected.relu())
    weights = torch.randn_like(states)
    inputs = [x, *layer.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((states * weights).sum(), inputs), torch.autograd.grad((expected * weights).sum(), inputs)
    )


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_long_sequences_are_right_in_float32(spread):
    """Gates near 0, near 1 and between: no more than the rounding of the products."""
    layer = unit(16, spread)
    x = torch.randn(2, 300, 16)
    (states,) = layer.keys_values(x)
    expected = recurrence(layer.double(), x.double())
    assert (states.double() - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_step_at_a_time_equals_the_whole_sequence():
    layer, state = unit(6).double(), None
    x = torch.randn(3, 9, 6, dtype=torch.float64)
    for i, expected in enumerate(layer.keys_values(x)[0].unbind(1)):
        state = layer.step(x[:, i], state)
        torch.testing.assert_close(state, expected)


def test_states_are_in_float32_where_products_are_not():
    layer = unit(8).bfloat16()
    x = torch.randn(1, 5, 8).bfloat16()
    (states,) = layer.keys_values(x)
    assert states.dtype == torch.float32
    assert layer(x, (states,), None).dtype == torch.bfloat16


def test_only_the_decoder_has_the_unit():
    model = toy(decoder_mixer="ssru")
    names = [name for name, _ in model.named_parameters() if ".ssru" in name]
    assert {name.rpartition("decoder.")[2].partition(".")[2] for name in names} == {
        "ssru.input.weight",
        "ssru.forget.weight",
        "ssru.forget.bias",
        "ssru_norm.weight",
        "ssru_norm.bias",
    }
    assert not any(name.startswith("encoder") for name in names)
    assert not hasattr(model.decoder[0], "self_attention")
    assert toy(mixer="convolution", kernel=3, decoder_mixer="attention").config.mixers == ("convolution", "attention")


def test_a_translation_can_begin_with_zeros():
    """Position 0 of the decoder is then its position encoding alone, whatever BEGIN's row holds."""
    model = toy(begin="zeros", positions="marian")
    embedded = model.embed(model.target_embedding, ids([BEGIN, 7]))
    torch.testing.assert_close(embedded[0, 0], sinusoids(1, 16, "marian")[0].double())
    before = model(ids([5, 6, 3]), ids([BEGIN, 8]))
    with torch.no_grad():
        bias = model.generator.bias.clone()
        model.target_embedding.weight[BEGIN] += 1.0
        after = model(ids([5, 6, 3]), ids([BEGIN, 8]))
        model.generator.bias.copy_(bias)
    others = [piece for piece in range(50) if piece != BEGIN]  # whose own score its row still makes
    assert torch.equal(before[..., others], after[..., others])


def test_marians_positions_have_a_divisor_of_their_own():
    """exp(-i ln(10000) / (d/2 - 1)) in the first half's sines and the second half's cosines."""
    table, angle = sinusoids(6, 8, "marian"), 5 * 10000 ** -(torch.arange(4) / 3)
    torch.testing.assert_close(table[5], torch.cat([angle.sin(), angle.cos()]))
    assert (table - sinusoids(6, 8, "halves")).abs().max() > 0.1
