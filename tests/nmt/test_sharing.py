"""Layers that are used several times: the order of their use, and a model equal to one of as many copies."""

import copy

import pytest
import torch

from tests.nmt.test_model import TOY, ids, toy
from tests.nmt.test_search import SOURCES, trained_to_end
from tests.toys.data import toy_pairs
from tzip.data.pieces import BEGIN
from tzip.files import read_json
from tzip.nmt import attention, checkpoint
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Search, Training, settings
from tzip.nmt.search import search
from tzip.nmt.teacher import inherit
from tzip.nmt.train import train

SHARED = {"encoder_layers": 4, "encoder_unique": 2, "decoder_layers": 3, "decoder_unique": 1}
FORMS = [
    SHARED | {"sharing": "sequence"},
    SHARED | {"sharing": "cycle-reversed", "norm": "pre", "mixer": "convolution"},
]
PAIR = ids([5, 6, 7, 3]), ids([BEGIN, 8, 9])


def separate(model: Transformer) -> Transformer:
    """The same model with a copy of a layer for each of its uses."""
    apart = Transformer(Config(**vars(model.config) | {"encoder_unique": 0, "decoder_unique": 0, "sharing": "cycle"}))
    apart.to(model.generator.weight.dtype).load_state_dict(model.state_dict())
    return apart.eval()


@pytest.mark.parametrize(
    ("layers", "unique", "orders"),
    [
        (6, 0, ["012345"] * 3),
        (6, 6, ["012345"] * 3),
        (6, 3, ["001122", "012012", "012210"]),
        (6, 2, ["000111", "010101", "010110"]),
        (4, 1, ["0000"] * 3),
        (5, 2, ["00011", "01010", "01011"]),
    ],
)
def test_distinct_layers_are_used_in_the_papers_orders(layers, unique, orders):
    for sharing, order in zip(("sequence", "cycle", "cycle-reversed"), orders, strict=True):
        config = Config(**TOY | {"decoder_layers": layers}, decoder_unique=unique, sharing=sharing)
        assert "".join(map(str, config.order("decoder"))) == order
        assert config.order("encoder") == [0, 1]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_computes_what_as_many_copies_compute_with_fewer_weights(form):
    model = toy(**form)
    apart = separate(model)
    assert torch.equal(model(*PAIR), apart(*PAIR))
    first, other = (sum(weights.numel() for weights in one.parameters()) for one in (model, apart))
    once = toy(**form | {"encoder_layers": 2, "decoder_layers": 1, "encoder_unique": 0, "decoder_unique": 0})
    assert first == sum(weights.numel() for weights in once.parameters()) < other
    for one in (model, apart):
        one(*PAIR).square().sum().backward()
    name = "feed_forward.inner.weight"
    gradients = [layer.get_parameter(name).grad for layer in apart.decoder]
    torch.testing.assert_close(model.decoder[0].get_parameter(name).grad, sum(gradients))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_the_search_keeps_what_each_use_needs(form):
    model = trained_to_end(1, **form)
    for beam in (1, 3):
        options = Search(beam=beam, max_ratio=0.5)
        assert search(model, SOURCES, options) == search(separate(model), SOURCES, options)


def test_every_use_has_attention_maps():
    model = toy(**FORMS[0]).float()
    ours, theirs = (attention.maps(one, [5, 6, 3], [BEGIN, 8]) for one in (model, separate(model)))
    assert {kind: len(maps) for kind, maps in ours.items()} == {"encoder": 4, "decoder": 3, "cross": 3}
    assert all(torch.equal(ours[kind], theirs[kind]) for kind in ours)


def test_a_checkpoint_has_each_layer_once(tmp_path):
    model = toy(**FORMS[0]).float()
    checkpoint.save(tmp_path / "shared", model, b"pieces")
    checkpoint.save(tmp_path / "apart", separate(model), b"pieces")
    sizes = [(tmp_path / name / checkpoint.WEIGHTS).stat().st_size for name in ("shared", "apart")]
    assert sizes[0] < 0.6 * sizes[1]
    loaded, _ = checkpoint.load(tmp_path / "shared")
    assert loaded.config == model.config
    assert loaded.encoder[0] is loaded.encoder[1]
    assert torch.equal(loaded(*PAIR), model(*PAIR))
    assert "sharing" not in read_json(tmp_path / "apart" / checkpoint.CONFIG)
    assert settings(toy(**SHARED).config) == settings(toy().config) | SHARED  # cycle is the default


def test_training_goes_on_from_a_saved_state(tmp_path):
    data, start = toy_pairs(tmp_path / "toy"), toy(**SHARED, dropout=0.0).float()
    options = Training(updates=4, batch_tokens=200, warmup=2, learning_rate=3e-3, every=2, average=2)

    def trained(folder, stop=None):
        def on_update(update):
            if update == stop:
                raise KeyboardInterrupt

        model, log = copy.deepcopy(start), tmp_path / folder / "log.jsonl"
        train(model, data, options, seed=1, folder=tmp_path / folder, log=log, on_update=on_update)
        return model

    straight = trained("straight")
    assert straight.decoder[0] is straight.decoder[2]
    with pytest.raises(KeyboardInterrupt):
        trained("stopped", stop=3)
    resumed = trained("stopped", stop=0)  # which it has behind it
    assert torch.equal(resumed(*PAIR), straight(*PAIR))
    assert not torch.equal(straight(*PAIR), start(*PAIR))


@pytest.mark.parametrize(("sharing", "begins"), [("sequence", [0, 0, 4, 4]), ("cycle", [0, 4, 0, 4])])
def test_a_layer_that_is_used_again_begins_as_one_of_the_teachers(sharing, begins):
    teacher = toy(encoder_layers=5)
    student = toy(encoder_layers=4, encoder_unique=2, decoder_layers=3, decoder_unique=1, sharing=sharing)
    inherit(student, teacher)
    name = "feed_forward.inner.weight"
    for layer, source in zip(student.encoder, begins, strict=True):
        assert torch.equal(layer.get_parameter(name), teacher.encoder[source].get_parameter(name))
    assert torch.equal(student.decoder[2].get_parameter(name), teacher.decoder[0].get_parameter(name))
    with pytest.raises(ValueError, match="3 decoder layers cannot start from a teacher of 2"):
        inherit(toy(decoder_layers=4, decoder_unique=3), teacher)


def test_more_distinct_layers_than_layers_are_refused():
    with pytest.raises(ValueError, match=r"^encoder_unique = 3 is more than encoder_layers = 2$"):
        toy(encoder_unique=3)
