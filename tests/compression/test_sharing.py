"""Compression of a model whose layers are used several times: each tensor once, with what all its uses say of it."""

import copy
from pathlib import Path

import torch

from tests.compression.test_compress import CALIBRATION, SOURCE, TARGET, VARIANTS, compressed, measured
from tests.nmt.test_sharing import separate
from tests.toys import small
from tests.toys.data import toy_pairs
from tzip import pipeline
from tzip.compression.compress import prepare
from tzip.compression.curvature import collect
from tzip.format import container, sizes
from tzip.format import model as model_file
from tzip.nmt.model import Transformer, tensors
from tzip.nmt.options import Training

FORM = {"encoder_layers": 2, "encoder_unique": 1, "decoder_layers": 3, "decoder_unique": 2, "dropout": 0.0}


def shared(**more) -> Transformer:
    return small.model(3, **FORM | {"d_ff": 24} | more).eval()


def test_statistics_are_of_the_inputs_and_gradients_of_all_uses() -> None:
    model, (sentence, *_) = shared(), CALIBRATION
    apart = separate(model)
    (ours, theirs) = (collect(one, [sentence], tensors(one)) for one in (model, apart))
    gradients = {name: parameter.grad for name, parameter in _with_gradients(apart, sentence).named_parameters()}
    for name in tensors(model):
        stack, number, rest = (*name.split(".", 2), "")[:3]
        order = model.config.order(stack) if stack in ("encoder", "decoder") else []
        uses = [f"{stack}.{depth}.{rest}" for depth, use in enumerate(order) if use == int(number)] or [name]
        torch.testing.assert_close(ours[f"fisher/{name}"], sum(gradients[use] for use in uses).square())
        if f"hessian/{name}" in ours:
            inputs = torch.stack([theirs[f"hessian/{use}"] for use in uses]).mean(0)
            torch.testing.assert_close(ours[f"hessian/{name}"], inputs)
    assert len([name for name in ours if name.startswith("hessian/")]) == 6 + 2 * 10 + 1


def _with_gradients(model: Transformer, sentence) -> Transformer:
    """The model with the gradient of a sentence's negative log-likelihood."""
    model = copy.deepcopy(model)
    logits = model(sentence.source, sentence.target[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), sentence.target[:, 1:].flatten(), reduction="sum")
    loss.backward()
    return model


def test_each_tensor_is_coded_once_as_it_was_trained() -> None:
    """Pruned and quantized by the statistics of all uses, fine-tuned after each."""
    model, start = shared(), shared()
    codes = compressed(model, VARIANTS["surgery"], updates=2)
    assert list(codes) == [tensor for tensor, _ in start.named_parameters()]
    assert not any(tensor.startswith(("encoder.1", "decoder.2")) for tensor in codes)
    plain = Transformer(start.config).eval()
    model_file.load(plain, codes)
    assert torch.equal(plain(SOURCE, TARGET), model(SOURCE, TARGET))
    assert not torch.equal(start(SOURCE, TARGET), model(SOURCE, TARGET))
    assert torch.equal(plain(SOURCE, TARGET), separate(plain)(SOURCE, TARGET))


def test_a_parametrization_is_one_for_all_uses() -> None:
    model, variant = shared(), VARIANTS["deep"]
    compression = prepare(model, variant, 1, measured(model, variant))
    assert len(compression.pruners) == 6 + 2 * 10 + 1
    first, last = model.encoder[0].feed_forward.inner, model.encoder[1].feed_forward.inner
    assert first.parametrizations.weight[1] is last.parametrizations.weight[1]
    fresh = shared()
    prepare(fresh, variant, 2)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(SOURCE, TARGET), model(SOURCE, TARGET))


def test_from_a_checkpoint_to_a_file_and_back(tmp_path: Path) -> None:
    """Fine-tuned by the trainer; the file holds each layer once, and the model that was trained."""
    pieces, data = small.vocabulary(tmp_path), toy_pairs(tmp_path / "toy")
    options = Training(updates=3, batch_tokens=400, learning_rate=1e-3, warmup=2, precision="fp32")
    tune = pipeline.tuning(data, options, seed=1, state=tmp_path / "state", log=tmp_path / "log.jsonl")
    files = {}
    for name, model in (("shared", shared()), ("apart", separate(shared()))):
        done = {"updates": 3, "finetune": tune, "name": name, "seed": 1}
        archive, _ = pipeline.build(model, pieces.model, VARIANTS["deep"], **done)
        files[name] = tmp_path / f"{name}.tzip"
        container.write(files[name], archive)
        restored, _, _ = model_file.restore(files[name])
        assert torch.equal(restored(SOURCE, TARGET), model.eval()(SOURCE, TARGET))
    read = container.read(files["shared"])
    assert {key: read.config.get(key) for key in ("encoder_unique", "decoder_unique")} == {
        "encoder_unique": 1,
        "decoder_unique": 2,
    }
    assert "encoder_unique" not in container.read(files["apart"]).config
    counted = sizes.sizes(read, files["shared"].stat().st_size)
    assert counted["weights"] == sum(weights.numel() for weights in shared().parameters())
    assert files["shared"].stat().st_size < 0.9 * files["apart"].stat().st_size
