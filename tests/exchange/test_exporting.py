"""Export to CTranslate2: its own library finds what our search finds, by the compressed file's weights."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch

from tests.nmt.test_model import TOY
from tests.toys import foreign
from tests.toys.data import toy_pairs
from tzip import pipeline
from tzip.compression.variant import Variant
from tzip.data import lists
from tzip.data.pieces import BEGIN, END, PAD, Pieces
from tzip.exchange import exporting, importing, inference, shortlist
from tzip.exchange.exporters import ctranslate2 as ctranslate
from tzip.files import read_json, write_json
from tzip.format import container
from tzip.format import model as model_file
from tzip.nmt import search, train
from tzip.nmt.model import Transformer
from tzip.nmt.options import Config, Search, Training

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(0)
SOURCES = [RANDOM.integers(4, 20, length).tolist() for length in [*range(1, 9), 3, 4, 5, 6, 7, 8]]
SIZE = 280


def untrained(seed: int, **form) -> Transformer:
    """A random model sharp enough to prefer some pieces, with norms and biases that are no constants."""
    model = foreign.model(SIZE, seed, **form)
    with torch.no_grad():
        model.generator.weight.mul_(12.0 if model.config.tie == "none" else 2.0)
        model.generator.bias.normal_(std=0.5)
        model.generator.bias[END] += 3.0
    return model


def exported(folder: Path, model: Transformer, vocabulary: Pieces, shortlist: str | Path = "") -> inference.Translator:
    exporting.write(folder, model, vocabulary, exporting.Options(shortlist=str(shortlist)))
    return inference.Translator(folder)


@pytest.fixture(scope="module")
def trained(vocabulary: Pieces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned how sentences end, at 4 bits, as a file."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    sizes = {"vocabulary": SIZE, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "norm": "pre"}
    model = Transformer(Config(**TOY | sizes | {"dropout": 0.0}))
    settings = Training(updates=100, batch_tokens=500, warmup=20, learning_rate=0.01, precision="fp32")
    data = toy_pairs(folder / "toy")
    train.train(model, data, settings, seed=1, folder=folder / "state", log=folder / "log.jsonl")
    variant = Variant(quantize="kmeans:bits=4", scope="linear")
    made, _ = pipeline.build(model, vocabulary.model, variant, name="kmeans-4bit", seed=1)
    container.write(folder / "model.tzip", made)
    return folder / "model.tzip"


def compare(
    model: Transformer,
    translator: inference.Translator,
    sources: list[list[int]],
    *,
    shortlist: bool = False,
    cut: bool = True,
    **given,
) -> int:
    """Both searches give the same pieces and scores, sentence by sentence; returns on how many they ended.

    cut  compare also what did not end, where CTranslate2 prefers it to what did
    """
    ours = search.search(model, sources, Search(**given))
    options = inference.Options(shortlist=shortlist, **given)
    ended = 0
    for source, expected, found in zip(sources, ours, translator.search(sources, options), strict=True):
        is_cut = len(found[0].pieces) >= min(2 * len(source) + 12, model.config.max_length - 1)
        ended += not is_cut
        if cut or not is_cut:
            assert [one.pieces for one in found] == [one.pieces for one in expected], source
            assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=2e-4), source
    return ended


@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_finds_what_our_search_finds(tmp_path: Path, vocabulary: Pieces, norm: str, tie: str) -> None:
    for seed in range(2):
        model = untrained(seed, norm=norm, tie=tie, encoder_layers=1 + seed)
        translator = exported(tmp_path / str(seed), model, vocabulary)
        compare(model, translator, SOURCES, beam=1)
        compare(model, translator, SOURCES, beam=5, alpha=0.0)
        compare(model, translator, SOURCES, beam=5, alpha=0.6, cut=False)


@pytest.mark.parametrize("sharing", ["sequence", "cycle-reversed"])
def test_a_layer_that_is_used_again_is_exported_for_each_use(tmp_path: Path, vocabulary: Pieces, sharing: str) -> None:
    form = {"encoder_layers": 4, "encoder_unique": 2, "decoder_unique": 1, "sharing": sharing}
    model = untrained(0, **form)
    translator = exported(tmp_path / "exported", model, vocabulary)
    compare(model, translator, SOURCES, beam=1)
    compare(model, translator, SOURCES, beam=5, alpha=0.0)
    exporting.write(tmp_path / "dense", model, vocabulary, exporting.Options(to="safetensors"))
    found = importing.build(importing.read(tmp_path / "dense", importing.Options(format="tzip")))
    assert found.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))


def test_a_translation_that_begins_with_zeros(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(1, begin="zeros", positions="marian")
    translator = exported(tmp_path / "exported", model, vocabulary)
    compare(model, translator, SOURCES, beam=1)
    compare(model, translator, SOURCES, beam=5, alpha=0.0)


def test_a_trained_model_translates_the_same(tmp_path: Path, trained: Path) -> None:
    model, vocabulary, _ = model_file.restore(trained)
    before = [parameter.clone() for parameter in model.parameters()]
    exporting.write(tmp_path / "exported", model, vocabulary)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    translator = inference.Translator(tmp_path / "exported")
    for beam in (1, 5):
        assert compare(model, translator, SOURCES, beam=beam) == len(SOURCES)
        assert compare(model, translator, SOURCES, beam=beam, nbest=min(beam, 3), patience=2.0) == len(SOURCES)
        ours = search.search(model, SOURCES, Search(beam=beam))
        assert len({len(one[0].pieces) for one in ours}) > 3
        found = translator.search(SOURCES, inference.Options(beam=beam, batch_tokens=1000))
        assert [one[0].pieces for one in found] == [one[0].pieces for one in ours]


def test_its_weights_are_those_of_the_compressed_file(tmp_path: Path, trained: Path) -> None:
    model, _, read = model_file.restore(trained)
    spec = ctranslate.specify(model)
    ours = read.codes["encoder.0.feed_forward.inner.weight"].decode()
    assert len(np.unique(ours)) <= 16
    assert np.array_equal(spec.encoder.layer[0].ffn.linear_0.weight, ours)
    self_attention = spec.decoder.layer[0].self_attention.linear[0].weight
    parts = [read.codes[f"decoder.0.self_attention.{name}.weight"].decode() for name in ("query", "key", "value")]
    assert np.array_equal(self_attention, np.concatenate(parts))


@pytest.mark.parametrize("kind", ["int16", "int8"])
def test_fewer_bits_are_smaller_and_translate(tmp_path: Path, trained: Path, kind: str) -> None:
    model, vocabulary, _ = model_file.restore(trained)
    for name in ("float32", kind):
        exporting.write(tmp_path / name, model, vocabulary, exporting.Options(type=name))
    sizes = [(tmp_path / name / "model.bin").stat().st_size for name in ("float32", kind)]
    assert sizes[1] < sizes[0] * (0.75 if kind == "int16" else 0.6)
    full, fewer = (
        inference.Translator(tmp_path / name).search(SOURCES, inference.Options(beam=1)) for name in ("float32", kind)
    )
    assert all(one.pieces for (one,) in fewer)
    lost = [
        score(model, source, one.pieces) - score(model, source, other.pieces)
        for source, (one,), (other,) in zip(SOURCES, full, fewer, strict=True)
    ]
    assert np.mean(lost) < 0.5  # nats per piece by the float32 model (guessing costs 3); processors round differently


def test_weights_of_one_magnitude_keep_to_their_products_in_8_bits(tmp_path: Path, vocabulary: Pieces) -> None:
    """Of 1 bit, each would be 127, and two products beyond 16 bits: cut, unless they are 63."""
    model = untrained(1, norm="post", d_model=64, d_ff=256)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.copy_(parameter.sign() * parameter.abs().mean())
    scores = {}
    for kind in ("float32", "int8"):
        exporting.write(tmp_path / kind, model, vocabulary, exporting.Options(type=kind))
        engine = ctranslate2.Translator(str(tmp_path / kind))
        words = [vocabulary.spell(row) for row in SOURCES]
        scores[kind] = np.concatenate([one.log_probs for one in engine.score_batch(words, words[::-1])])
    assert abs(scores["int8"] - scores["float32"]).mean() < 0.05 * scores["float32"].std()


def score(model: Transformer, source: list[int], pieces: tuple[int, ...]) -> float:
    """Mean log-probability of a translation's pieces, in nats, END left out."""
    target = torch.tensor([[BEGIN, *pieces]])
    with torch.no_grad():
        log_p = model(torch.tensor([[*source, END]]), target[:, :-1]).log_softmax(-1)
    return float(log_p.gather(2, target[:, 1:, None]).mean())


def test_never_writes_padding_or_begin_and_stops_at_the_longest(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(0)
    with torch.no_grad():
        model.generator.bias[[PAD, BEGIN]] += 50.0
        model.generator.bias[END] -= 1e4
    translator = exported(tmp_path / "exported", model, vocabulary)
    for beam in (1, 3):
        compare(model, translator, [[5, 6], [7]], beam=beam, max_ratio=1.0)
        found = translator.search([[5, 6]], inference.Options(beam=beam, max_ratio=1.0))
        assert len(found[0][0].pieces) == 13
    model.config.__dict__["max_length"] = 8  # the source is cut, and so is the translation
    translator = exported(tmp_path / "short", model, vocabulary)
    compare(model, translator, [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14]], beam=1)


def test_empty_lines_and_text(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(1)
    translator = exported(tmp_path / "exported", model, vocabulary)
    lines = ["a small house", "", "ein kleines Haus"]
    assert translator.search([[], [5]], inference.Options())[0] == [inference.Hypothesis((), 0.0)]
    ours = model_file.translate(model, vocabulary, lines, Search(beam=1))
    assert translator.translate(lines, inference.Options(beam=1)) == ours


def test_ctranslate2_alone_opens_it(tmp_path: Path, vocabulary: Pieces) -> None:
    """As its own documentation says: tokens in, tokens out."""
    model = untrained(0)
    exporting.write(tmp_path / "exported", model, vocabulary)
    translator = ctranslate2.Translator(str(tmp_path / "exported"))
    words = vocabulary.spell(SOURCES[4])
    (found,) = translator.translate_batch([words], beam_size=1, max_decoding_length=2 * len(words) + 12)
    ((ours,),) = search.search(model, [SOURCES[4]], Search(beam=1))
    assert found.hypotheses[0] == vocabulary.spell(ours.pieces)


# ── forms that imported models have ───────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sides(vocabulary: Pieces) -> Pieces:
    """Two lists, the target's in another order and one shorter, over the same SentencePiece model."""
    source = vocabulary.spell(range(SIZE))
    target = source[:4] + source[-1:4:-1]
    return Pieces(lists.pack(lists.Lists(vocabulary.model, b"", tuple(source), tuple(target), False)))


@pytest.mark.parametrize("imported", [False, True])
def test_the_documented_snippet_needs_nothing_of_this_library(
    tmp_path: Path, vocabulary: Pieces, sides: Pieces, imported: bool
) -> None:
    """Run as it stands on docs/export.md, and in the card of the folder, where tzip cannot be imported."""
    pieces = sides if imported else vocabulary
    torch.manual_seed(0)
    form = {"vocabulary": len(pieces), "target_vocabulary": 0 if pieces.shared else pieces.targets}
    model = Transformer(Config(**TOY | form | {"tie": "none", "source_end": pieces.decides().get("source_end", True)}))
    folder = tmp_path / "exported/int8"
    exporting.write(folder, model.eval(), pieces, exporting.Options(), {})
    (ours,) = inference.Translator(folder).translate(["The child is reading a book."], inference.Options(alpha=0.0))
    printed = []
    for place, page in ((tmp_path, ROOT / "docs/export.md"), (folder, folder / "README.md")):
        snippets = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        (snippet,) = (code for code in snippets if "translate_batch" in code)
        snippet = f"import sys; sys.modules['tzip'] = None\n{snippet}"
        done = subprocess.run([sys.executable, "-c", snippet], cwd=place, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
    assert printed[0] == printed[1] + "\n"  # a blank line stays blank
    words = [text.split() for text in (printed[1], ours)]  # ours leaves out what breaks a line
    assert words[0][0][:20] == words[1][0][:20]  # then its limit of length is another


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_every_form_is_exported(tmp_path: Path, sides: Pieces, activation: str) -> None:
    form = {"activation": activation, "positions": "halves", "epsilon": 1e-3, **sides.decides()}
    model = untrained(0, **form, tie="decoder")
    assert not model.config.source_end
    translator = exported(tmp_path / "exported", model, sides)
    compare(model, translator, SOURCES, beam=1)
    compare(model, translator, SOURCES, beam=5, alpha=0.0)
    lines = ["a small house", "ein kleines Haus"]
    ours = model_file.translate(model, sides, lines, Search(beam=1))
    assert translator.translate(lines, inference.Options(beam=1)) == ours


def test_a_shortlist_of_two_vocabularies(tmp_path: Path, sides: Pieces) -> None:
    data = toy_pairs(tmp_path / "toy")
    learned = shortlist.of(data, sides, shortlist.Options(candidates=3))
    shortlist.write(tmp_path / "list", learned, sides)
    assert set(learned.of) == set(range(4, SIZE))
    copy = sides.spell([sides.copies()[9]], target=True)
    assert copy == sides.spell([9])
    model = untrained(0, **sides.decides(), tie="decoder")
    translator = exported(tmp_path / "exported", model, sides, tmp_path / "list")
    translator.search(SOURCES, inference.Options(shortlist=True))


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"vocabulary": 50}, "280 pieces, but the model has 50"),
        ({"mixer": "convolution"}, "mixer = convolution: CTranslate2 knows only attention"),
        ({"decoder_mixer": "ssru"}, "decoder_mixer = ssru: CTranslate2 knows only attention or same"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path: Path, vocabulary: Pieces, form: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        exporting.write(tmp_path / "exported", Transformer(Config(**TOY | {"vocabulary": SIZE} | form)), vocabulary)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_alone(tmp_path: Path, vocabulary: Pieces) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work").write_text("")
    with pytest.raises(ValueError, match="mine: exists already"):
        exporting.write(tmp_path / "mine", untrained(0), vocabulary)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "work"]


def test_what_is_no_export_is_refused_in_one_line(tmp_path: Path, vocabulary: Pieces) -> None:
    translator = exported(tmp_path / "whole", untrained(0), vocabulary)
    with pytest.raises(ValueError, match="shortlist = true, but the model was exported without one"):
        translator.translate(["a"], inference.Options(shortlist=True))
    with pytest.raises(ValueError, match="nowhere: not a folder of tzip export"):
        inference.Translator(tmp_path / "nowhere")
    for name in ("model.bin", "source.spm", "shared_vocabulary.json"):
        shutil.copytree(tmp_path / "whole", tmp_path / name)
        (tmp_path / name / name).unlink()
        with pytest.raises(ValueError, match="not a folder of tzip export"):
            inference.Translator(tmp_path / name)
    config = read_json(tmp_path / "whole" / "config.json")
    del config["max_length"]
    write_json(tmp_path / "whole" / "config.json", config)
    with pytest.raises(ValueError, match="not a folder of tzip export: 'max_length'"):
        inference.Translator(tmp_path / "whole")
