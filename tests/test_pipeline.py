"""From checkpoint to file and back: what is scored is what the file holds, bit for bit."""

import copy
import dataclasses
import itertools
import subprocess
import sys

import pytest
import torch

from tests.toys import small
from tests.toys.data import toy_pairs
from tzip import pipeline
from tzip.compression.variant import Calibration, Variant
from tzip.data import pieces
from tzip.format import container, sizes
from tzip.format import model as model_file
from tzip.nmt import search
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search, Training

VARIANTS = {
    "baseline": Variant(),
    "fp16": Variant(quantize="fp16", scope="all", rest="float16"),
    "kmeans": Variant(quantize="kmeans:bits=2", biases="kmeans:bits=8"),
    "everything": Variant(quantize="kmeans:bits=3", scope="all"),
    "binary-inputs": Variant(quantize="binarynet:activations=true"),
    "binarize": Variant(quantize="binarize:levels=flexible", scope="attention"),
    "pruned": Variant(prune="magnitude:schedule=stepwise,start=0.3,end=0.5"),
    "deep-compression": Variant(prune="magnitude:end=0.8", quantize="kmeans:bits=4", scope="all"),
}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory) -> pieces.Pieces:
    return small.vocabulary(tmp_path_factory.mktemp("pieces"))


@pytest.fixture
def model() -> Transformer:
    return small.model().eval()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_file_holds_what_was_tuned(tmp_path, model, vocabulary, name):
    before = copy.deepcopy(model)
    data = toy_pairs(tmp_path / "toy")
    options = Training(updates=12, batch_tokens=400, learning_rate=1e-3, warmup=3, precision="fp32")
    tune = pipeline.tuning(data, options, seed=1, state=tmp_path / "state", log=tmp_path / "log.jsonl")
    made, costs = pipeline.build(model, vocabulary.model, VARIANTS[name], name=name, seed=1, updates=12, finetune=tune)
    container.write(tmp_path / "model.tzip", made)

    restored, words, read = model_file.restore(tmp_path / "model.tzip")
    if VARIANTS[name].rest == "float16":  # the file rounds what no method touched
        for parameter in model.parameters():
            parameter.data = parameter.data.half().float()
    source, target = torch.tensor([[5, 6, 7, 3]]), torch.tensor([[2, 8, 9]])
    assert torch.equal(restored(source, target), model.eval()(source, target))
    changed = any(not torch.equal(a, b) for a, b in zip(before.parameters(), restored.parameters(), strict=True))
    assert changed
    assert words.model == vocabulary.model
    assert read.history["variant"] == dataclasses.asdict(VARIANTS[name])
    assert costs.finetune > 0
    pruned = VARIANTS[name].prune.rpartition("end=")[2]
    if pruned:
        weight = restored.encoder[0].feed_forward.inner.weight
        assert (weight == 0).sum() == round(float(pruned) * weight.numel())


def test_no_tuning_is_the_checkpoint_itself(tmp_path, model, vocabulary):
    made, costs = pipeline.build(model, vocabulary.model, Variant(), name="baseline", seed=1)
    container.write(tmp_path / "model.tzip", made)
    restored, _, _ = model_file.restore(tmp_path / "model.tzip")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), restored.parameters(), strict=True))
    assert costs.finetune == 0.0


def test_translates_lines(tmp_path, model, vocabulary):
    lines = ["a small house", "", "ein kleines Haus"]
    out = model_file.translate(model, vocabulary, lines, Search(beam=2))
    assert len(out) == 3
    assert out[1] == ""
    assert out == model_file.translate(model, vocabulary, lines, Search(beam=2))


def test_bf16_translates_by_a_copy_made_once(model, vocabulary):
    before, half = copy.deepcopy(model.state_dict()), copy.deepcopy(model).bfloat16()
    lines = [" ".join(pair) for pair in itertools.product(["a", "small", "Haus", "am"], repeat=2)]
    options = Search(beam=2, precision="bf16")
    result = model_file.translate(model, vocabulary, lines, options)
    rows = [list(best.pieces) for (best,) in search.search(half, vocabulary.encode(lines), options)]
    assert result == vocabulary.decode(rows)
    assert result != model_file.translate(model, vocabulary, lines, Search(beam=2))
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])
    assert model_file.cast(half, options) is half
    assert model_file.cast(model, Search()) is model


@pytest.mark.parametrize("form", [{"beam": 1}, {"beam": 4, "nbest": 3, "alpha": 1.0}], ids=str)
def test_engines_translate_alike(tmp_path, model, vocabulary, form):
    made, _ = pipeline.build(model, vocabulary.model, VARIANTS["kmeans"], name="kmeans", seed=1)
    container.write(tmp_path / "model.tzip", made)
    lines = [" ".join(words) for words in itertools.product(["a", "small", "Haus", "am"], repeat=2)] + [""]
    here = torch.device("cpu")
    ours, theirs, rounded = (
        pipeline.translate(tmp_path / "model.tzip", lines, Search(max_ratio=0.5, **how, **form), here)
        for how in ({}, {"engine": "ctranslate2"}, {"engine": "ctranslate2", "precision": "int8"})
    )
    assert len({line[0][0] for line in ours}) > 5
    assert [[text for text, _ in line] for line in theirs] == [[text for text, _ in line] for line in ours]
    assert rounded[-1][0][0] == ""
    assert len(rounded) == len(lines)
    if "nbest" in form:
        scores = [[score for line in found for _, score in line] for found in (ours, theirs)]
        assert scores[0] == pytest.approx(scores[1], abs=2e-4)


def test_an_engine_refuses_by_name_what_it_lacks(tmp_path, vocabulary):
    model = small.model(mixer="convolution", kernel=3)
    made, _ = pipeline.build(model, vocabulary.model, Variant(), name="baseline", seed=1)
    container.write(tmp_path / "model.tzip", made)
    with pytest.raises(ValueError, match="mixer = convolution: CTranslate2 knows only attention"):
        pipeline.translate(tmp_path / "model.tzip", ["a"], Search(engine="ctranslate2"), torch.device("cpu"))
    for engine, precision in (("torch", "int8"), ("ctranslate2", "bf16")):
        with pytest.raises(ValueError, match=f"precision = {precision}: {engine} does not translate with it"):
            Search(engine=engine, precision=precision)


def test_a_file_that_does_not_fit_its_configuration_is_refused(tmp_path, model, vocabulary):
    made, _ = pipeline.build(model, vocabulary.model, Variant(), name="baseline", seed=1)
    for change, message in [
        ({"d_ff": 64}, r"tensor encoder.0.feed_forward.inner.weight: \(32, 16\) found, \(64, 16\) expected"),
        ({"d_model": 1 << 16, "d_ff": 1 << 20}, "expected"),
        ({"d_model": 1 << 40}, "d_model = 1099511627776 is not an integer at least 2 and at most 65536"),
        ({"encoder_layers": 3}, "nothing found"),
        ({"encoder_layers": 1}, "no such tensor"),
        ({"heads": 3}, "d_model = 16 is not even and a multiple of heads = 3"),
        ({"colour": "red"}, "no option 'colour'"),
    ]:
        container.write(tmp_path / "model.tzip", dataclasses.replace(made, config=made.config | change))
        with pytest.raises(ValueError, match=message):
            model_file.restore(tmp_path / "model.tzip")


@pytest.mark.parametrize("ratio", [4.0, 5.5])
def test_a_budget_is_kept_and_used_up(tmp_path, vocabulary, ratio):
    """Bits differ by tensor, and the file is as small as asked for, not much smaller."""
    model = small.model(d_model=64, d_ff=128).eval()
    data = toy_pairs(tmp_path / "toy")
    variant = Variant(quantize="kmeans", biases="kmeans:bits=8", scope="all", rest="float16", budget=f"{ratio}x")
    statistics = pipeline.calibrated(model, data, Calibration(sentences=8), seed=1)
    made, _ = pipeline.build(model, vocabulary.model, variant, name="mixed", seed=1, statistics=statistics)
    size = container.write(tmp_path / "model.tzip", made)
    achieved = sizes.sizes(container.read(tmp_path / "model.tzip"), size)["ratio_file"]
    assert ratio <= achieved < 1.1 * ratio
    entries = {code.entries for name, code in made.codes.items() if name.endswith("weight") and code.entries}
    assert len(entries) > 1


def test_a_budget_beyond_reach_is_refused(tmp_path, model, vocabulary):
    variant = Variant(quantize="kmeans", scope="all", budget="90x")
    statistics = pipeline.calibrated(model, toy_pairs(tmp_path / "t"), Calibration(sentences=2), seed=1)
    with pytest.raises(ValueError, match=r"the tensors take .* bytes at least, and have room for 0"):
        pipeline.build(model, vocabulary.model, variant, name="mixed", seed=1, statistics=statistics)


def test_what_was_fine_tuned_before_a_restart_is_not_taken_from_the_time_to_compress(model, vocabulary):
    """A fine-tuning that resumed tells the seconds of all its processes."""
    variant = Variant(quantize="kmeans:bits=2")
    _, costs = pipeline.build(model, vocabulary.model, variant, name="a", seed=1, updates=1, finetune=lambda *_: 1000.0)
    assert costs.finetune == 1000.0
    assert 0 < costs.compress < 500


def test_a_file_translates_without_importing_a_method_or_compression_beyond_code(tmp_path, model, vocabulary):
    made, _ = pipeline.build(model, vocabulary.model, VARIANTS["deep-compression"], name="x", seed=1)
    container.write(tmp_path / "model.tzip", made)
    program = """
import sys
from tzip.format.model import restore, translate
from tzip.nmt.options import Search
model, pieces, _ = restore(sys.argv[1])
print(len(translate(model, pieces, ["a small house", ""], Search(beam=2))))
print(*sorted(name for name in sys.modules if name.startswith(("tzip.compression", "tzip.quantizers", "tzip.pruners"))))
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "model.tzip"], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["2", "tzip.compression tzip.compression.code"], done.stderr
