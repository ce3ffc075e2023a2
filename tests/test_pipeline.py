"""From checkpoint to file and back: what is scored is what the file holds, bit for bit."""

import copy
import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.toys import small
from tests.toys.data import toy_pairs
from tests.toys.run import script
from tzip import pipeline
from tzip.compression.curvature import Statistics
from tzip.compression.variant import Calibration, Variant
from tzip.data import pieces
from tzip.files import read_json
from tzip.format import container, sizes
from tzip.format import model as model_file
from tzip.nmt import search
from tzip.nmt.model import Transformer
from tzip.nmt.options import Search, Training
from tzip.report import clock

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


def test_a_control_is_fine_tuned_in_every_matrix(tmp_path, vocabulary):
    """fp16 with updates: every tensor moves, embeddings, biases and norms too."""
    data, control = toy_pairs(tmp_path / "toy"), Variant(quantize="fp16", scope="all", rest="float16")
    options = Training(updates=6, batch_tokens=400, learning_rate=1e-2, warmup=1, precision="fp32")
    tune = pipeline.tuning(data, options, seed=1, state=tmp_path / "state", log=tmp_path / "log.jsonl")
    for name, tuning in (("control", {"updates": 6, "finetune": tune}), ("fp16", {})):
        made, _ = pipeline.build(small.model(), vocabulary.model, control, name=name, seed=1, **tuning)
        container.write(tmp_path / f"{name}.tzip", made)
    tuned, still = (dict(model_file.restore(tmp_path / f"{n}.tzip")[0].named_parameters()) for n in ("control", "fp16"))
    assert [key for key in tuned if torch.equal(tuned[key], still[key])] == []


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


def test_rows_are_timed_in_turns_on_the_same_sentences(tmp_path, vocabulary):
    models = [small.write(tmp_path / row / "model.tzip", vocabulary) for row in ("baseline", "bs-fixed")]
    (tmp_path / "source").write_text("a small house\n" * 130, encoding="utf-8")
    given = ["--source", tmp_path / "source", "--rounds", "2", "--threads", "1", "--beam", "1", "--max-ratio", "1"]
    assert script("rounds", "--models", *models, *given, "--output", tmp_path / "seed-1" / "rounds.json") == (0, "")
    record = read_json(tmp_path / "seed-1" / "rounds.json")
    assert (record["sentences"], record["words"]) == (44, 132)  # every third of them
    assert {row: len(seconds) for row, seconds in record["seconds"].items()} == {"baseline": 2, "bs-fixed": 2}
    assert all(second > 0 for seconds in record["seconds"].values() for second in seconds)
    assert len(clock.read(tmp_path, [1])["bs-fixed"]) == 2


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


def test_a_later_stages_statistics_are_those_of_the_pruned_model(tmp_path, vocabulary):
    """GPTQ after pruning and fine-tuning rounds by the inputs that its layers have then."""
    data, calibration = toy_pairs(tmp_path / "toy"), Calibration(sentences=3)
    variant = Variant(prune="obd:end=0.6", quantize="gptq:bits=2", scope="attention")
    options = Training(updates=3, batch_tokens=200, learning_rate=1e-2, warmup=1, precision="fp32")
    seen = []

    def measure(measured: Transformer) -> Statistics:
        seen.append((copy.deepcopy(measured), pipeline.calibrated(measured, data, calibration, seed=1)))
        return seen[-1][1]

    def build(plan: Variant, model: Transformer, folder: str, **given) -> container.Archive:
        tune = pipeline.tuning(data, options, seed=1, state=tmp_path / folder, log=tmp_path / "log.jsonl")
        given |= {"finetune": tune, "updates": options.updates}
        return pipeline.build(model, vocabulary.model, plan, name="x", seed=1, **given)[0]

    dense = pipeline.calibrated(small.model(), data, calibration, seed=1)
    made = build(variant, small.model(), "both", statistics=dense, measure=measure)
    ((second, found),) = seen  # those of the first stage were given
    pruned = build(dataclasses.replace(variant, quantize=""), small.model(), "pruned", statistics=dense)
    alone = small.model()
    model_file.load(alone, pruned.codes)
    assert all(torch.equal(a, b) for a, b in zip(second.parameters(), alone.parameters(), strict=True))
    expected = pipeline.calibrated(alone, data, calibration, seed=1)
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    name = "decoder.1.self_attention.output.weight"
    assert not torch.allclose(found[f"hessian/{name}"], dense[f"hessian/{name}"], rtol=0.01)
    stale = build(variant, small.model(), "stale", statistics=dense, measure=lambda _: dense)
    assert not np.array_equal(stale.codes[name].symbols, made.codes[name].symbols)
    assert np.array_equal(stale.codes[name].mask, made.codes[name].mask)
    assert len(seen) == 1
    quick = dataclasses.replace(variant, quantize="kmeans:bits=1")
    pipeline.build(small.model(), vocabulary.model, quick, name="x", seed=1, measure=measure)
    assert all(torch.equal(seen[1][1][key], value) for key, value in dense.items())  # where they are not given


def test_what_a_later_stage_measures_needs_text(model, vocabulary):
    chain = Variant(prune="magnitude:end=0.5", quantize="gptq:bits=3")
    dense = {"hessian/x": torch.eye(2)}
    with pytest.raises(ValueError, match=r"^a method of this variant measures the model before it .*; give --data$"):
        pipeline.build(model, vocabulary.model, chain, name="x", seed=1, statistics=dense)


def test_a_budget_of_what_is_pruned_first(tmp_path, vocabulary):
    model, data = small.model(d_model=64, d_ff=256), toy_pairs(tmp_path / "toy")
    variant = Variant(prune="magnitude:end=0.5", quantize="uniform", scope="all", rest="float16", budget="8x")

    def measure(measured: Transformer) -> Statistics:
        return pipeline.calibrated(measured, data, Calibration(sentences=2), seed=1)

    made, _ = pipeline.build(model, vocabulary.model, variant, name="x", seed=1, measure=measure)
    size = container.write(tmp_path / "model.tzip", made)
    assert 8 <= sizes.sizes(container.read(tmp_path / "model.tzip"), size)["ratio_file"] < 9


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
