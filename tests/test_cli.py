"""The `tzip` command on a small model: compress, inspect, translate, score, decompress, one-line errors."""

import dataclasses
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

from tests.toys import commands, small
from tests.toys.data import toy_pairs
from tests.toys.run import WORDS, corrupt
from tzip import cli, pipeline
from tzip.compression import registry
from tzip.compression.variant import Variant
from tzip.format import container, sizes
from tzip.nmt import checkpoint
from tzip.quantizers import kmeans


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint folder of an untrained model, and a small test set."""
    folder = tmp_path_factory.mktemp("cli")
    checkpoint.save(folder / "checkpoint", small.model(), small.vocabulary(folder).model)
    (folder / "source").write_text("a small house\n\nthe lake\n", encoding="utf-8")
    (folder / "reference").write_text("ein kleines Haus\nx\nSee\n", encoding="utf-8")
    toy_pairs(folder / "toy")
    return folder


def tzip(*arguments: str | Path, input: str = "") -> subprocess.CompletedProcess:
    """A process of its own; `input` may have lone bytes, as surrogates."""
    command = [sys.executable, "-m", "tzip", *map(str, arguments)]
    return subprocess.run(
        command, input=input, capture_output=True, text=True, encoding="utf-8", errors="surrogateescape"
    )


def call(monkeypatch, capsys, *arguments: str | Path) -> str:
    """The command in this process, which spares the start of torch; what it prints."""
    monkeypatch.setattr(sys, "argv", ["tzip", *map(str, arguments)])
    cli.main()
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def compressed(folder: Path) -> Path:
    method = ["--quantize", "kmeans:bits=4", "--scope", "all", "--threads", "1"]
    done = tzip("compress", folder / "checkpoint", folder / "model.tzip", *method)
    assert done.returncode == 0, done.stderr
    assert "x smaller" in done.stdout
    return folder / "model.tzip"


def test_translate_reads_standard_input(folder, compressed, monkeypatch, capsys):
    source = (folder / "source").read_text()
    piped = tzip("translate", compressed, "--beam", "2", "--threads", "1", input=source)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.count("\n") == 3
    assert piped.stdout.split("\n")[1] == ""
    named = call(monkeypatch, capsys, "translate", compressed, folder / "source", "--beam", "2", "--threads", "1")
    assert named == piped.stdout
    broken = tzip("translate", compressed, "--threads", "1", input="a line\n\udcff\n")
    assert broken.stderr == "error: standard input: line 2 is not UTF-8\n"


def test_inspect_accounts_for_every_byte(compressed, monkeypatch, capsys):
    lines = call(monkeypatch, capsys, "inspect", compressed).splitlines()
    rows = [line.split() for line in lines[1 : lines.index("")]]
    assert sum(int(row[-2].replace(",", "")) for row in rows) == compressed.stat().st_size
    assert {row[0] for row in rows} >= {"source_embedding.weight", "(vocabulary)", "(header)"}
    assert lines[-1] == "model: quantize kmeans:bits=4, rest float32, scope all"


def test_decompress_gives_back_the_weights_of_the_file(compressed, tmp_path, monkeypatch, capsys):
    call(monkeypatch, capsys, "decompress", compressed, tmp_path / "out")
    model, vocabulary = checkpoint.load(tmp_path / "out")
    archive = container.read(compressed)
    assert vocabulary == archive.vocabulary
    for name, parameter in model.named_parameters():
        assert (parameter.detach().numpy() == archive.codes[name].decode()).all(), name


def test_score_prints_interval_and_signature(folder, compressed, monkeypatch, capsys):
    arguments = [compressed, folder / "source", folder / "reference", "--beam", "1", "--threads", "1"]
    out = call(monkeypatch, capsys, "score", *arguments)
    assert "nrefs:1" in out.splitlines()[0]
    assert len(out.splitlines()) == 2


def test_score_says_what_a_difference_is_worth(folder, compressed, tmp_path):
    """Of any two translations, or of two models; a difference with its paired interval and its p-value."""
    rng = random.Random(1)
    references = [" ".join(rng.choices(WORDS, k=9)) for _ in range(60)]
    for name, lines in (
        ("ref", references),
        ("a", corrupt(references, "a", 0.1)),
        ("b", corrupt(references, "b", 0.3)),
    ):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    fast = ["--samples", "100", "--trials", "200"]
    report = tmp_path / "report.json"
    for one, other, sign in (("a", "b", "+"), ("b", "a", "-"), ("a", "a", "+")):
        arguments = ["score", tmp_path / one, tmp_path / "ref", "--against", tmp_path / other, *fast]
        said = commands.tzip(*arguments).stdout.splitlines()[-1]
        commands.tzip(*arguments, "--output", report, "--force")
        pair = json.loads(report.read_text())["paired"]
        assert pair["baseline"] == str(tmp_path / other)
        low, high, p = (pair[key] for key in ("low", "high", "p_value"))
        interval = f"{pair['difference']:+6.2f}  [{low:+.2f}, {high:+.2f}]"
        assert said == f"{interval}  BLEU minus that of {tmp_path / other}; p = {p:.4f}"
        assert said.strip()[0] == sign
        assert low <= pair["difference"] <= high
        assert (p < 0.05) == (one != other)
    model = ["score", compressed, folder / "source", folder / "reference", "--beam", "1", "--threads", "1", *fast]
    same = commands.tzip(*model, "--against", compressed)
    assert same.stdout.splitlines()[-1] == f" +0.00  [+0.00, +0.00]  BLEU minus that of {compressed}; p = 1.0000"
    short = commands.tzip("score", tmp_path / "a", tmp_path / "ref", "--against", folder / "source")
    assert short.stderr == f"error: {folder}/source: 3 lines, but {tmp_path}/ref has 60\n"


TUNED = ["--updates", "3", "--batch-tokens", "200", "--warmup", "1", "--threads", "1"]


def test_compress_fine_tunes_on_data(folder, tmp_path, monkeypatch, capsys):
    base = [folder / "checkpoint", tmp_path / "tuned.tzip", "--prune", "magnitude:end=0.5"]
    call(monkeypatch, capsys, "compress", *base, "--data", folder / "toy", *TUNED)
    archive = container.read(tmp_path / "tuned.tzip")
    assert archive.history["updates"] == 3
    weight = archive.codes["encoder.0.feed_forward.inner.weight"]
    assert weight.mask.sum() == weight.size // 2


def test_a_chains_updates_are_those_of_both_its_stages(folder, tmp_path):
    chain = ["--prune", "magnitude:end=0.5", "--quantize", "kmeans:bits=2", "--data", folder / "toy", *TUNED]
    commands.tzip("compress", folder / "checkpoint", tmp_path / "x", *chain, "--summary", tmp_path / "x.json")
    assert container.read(tmp_path / "x").history["updates"] == 6
    assert json.loads((tmp_path / "x.json").read_text())["updates"] == 6


def test_data_for_statistics_alone_do_not_imply_fine_tuning(folder, tmp_path):
    method = ["--quantize", "gptq:bits=4", "--data", folder / "toy", "--threads", "1"]
    for name, more, updates in (("measured", [], 0), ("tuned", TUNED, 3)):
        done = commands.tzip("compress", folder / "checkpoint", tmp_path / name, *method, *more)
        assert container.read(tmp_path / name).history["updates"] == updates
        said = "fine-tuning: 3 updates of 400 tokens per stage\ntraining: 3 updates\n"
        assert done.stderr == (said if updates else "")


def test_a_chain_measures_what_its_first_stage_left(folder, tmp_path):
    """On as many sentences as are asked for; statistics of the checkpoint do not serve, and no data are an error."""
    chain = ["--prune", "magnitude:end=0.5", "--quantize", "gptq:bits=2", "--name", "x", "--threads", "1"]
    calibrated = ["calibrate", folder / "checkpoint", tmp_path / "dense", "--data", folder / "toy", "--sentences", "1"]
    assert commands.tzip(*calibrated).returncode == 0
    statistics = ["--statistics", tmp_path / "dense"]
    done = commands.tzip("compress", folder / "checkpoint", tmp_path / "x", *chain, *statistics)
    said = "error: a method of this variant measures the model before it on training text; give --data\n"
    assert (done.returncode, done.stderr) == (1, said)
    chain += ["--data", folder / "toy"]
    for name, more in (("one", ["--sentences", "1"]), ("same", ["--sentences", "1", *statistics]), ("all", [])):
        done = commands.tzip("compress", folder / "checkpoint", tmp_path / name, *chain, *more)
        assert container.read(tmp_path / name).history["updates"] == 0, done.stderr
    one, same, every = ((tmp_path / name).read_bytes() for name in ("one", "same", "all"))
    assert one == same != every


def test_compress_fine_tunes_under_a_teacher(folder, tmp_path, monkeypatch, capsys):
    """By default the checkpoint itself, uncompressed; another must have its vocabulary."""
    tuned = ["--quantize", "kmeans:bits=1", "--data", folder / "toy", *TUNED, "--factor", "1", "--teacher"]
    for share in ("0", "0.5"):
        call(monkeypatch, capsys, "compress", folder / "checkpoint", tmp_path / f"{share}.tzip", *tuned, share)
    alone, taught = (container.read(tmp_path / f"{share}.tzip").codes for share in ("0", "0.5"))
    name = "encoder.0.feed_forward.inner.weight"
    assert (alone[name].symbols == taught[name].symbols).all()
    assert (alone[name].codebook != taught[name].codebook).all()
    other = tmp_path / "other"
    checkpoint.save(other, small.model(vocabulary=50), b"pieces")
    wrong = [folder / "checkpoint", tmp_path / "x.tzip", *tuned, "0.5", "--teacher-checkpoint", other]
    done = commands.tzip("compress", *wrong)
    assert (done.returncode, done.stderr) == (1, f"error: {other}: the teacher's vocabulary is not the student's\n")


def test_soft_targets_serve_in_a_teachers_place(folder, tmp_path):
    """The file saves computing, and changes nothing."""
    made = commands.tzip("soften", folder / "checkpoint", tmp_path / "soft.npy", "--data", folder / "toy", "--top", "4")
    assert re.fullmatch(r".*soft.npy: 4 pieces at each of [\d,]+ positions, [\d,]+ bytes\n", made.stdout), made.stderr
    tuned = ["--quantize", "kmeans:bits=1", "--data", folder / "toy", *TUNED, "--teacher", "0.5", "--top", "4"]
    tuned += ["--name", "x", "--threads", "1"]
    given = ["--soft-targets", tmp_path / "soft.npy"]
    for name, more in (("computed", []), ("given", given)):
        commands.tzip("compress", folder / "checkpoint", tmp_path / name, *tuned, *more)
    assert (tmp_path / "computed").read_bytes() == (tmp_path / "given").read_bytes()
    for flags, says in (([*tuned, "--top", "0"], "give --top"), ([*tuned, "--teacher", "0"], "give --teacher")):
        done = commands.tzip("compress", folder / "checkpoint", tmp_path / "x", *flags, *given)
        assert done.returncode == 1
        assert says in done.stderr


def test_compressing_and_translating_start_without_torchs_compiler(folder, tmp_path):
    """Whose import takes longer than both here."""
    compress = ["compress", folder / "checkpoint", tmp_path / "x.tzip", "--quantize", "kmeans:bits=2"]
    translate = ["translate", tmp_path / "x.tzip", folder / "toy.src"]
    (folder / "toy.src").write_text("a b c\n")
    for words in (compress, translate):
        code = f"import sys; sys.argv[1:] = {list(map(str, words))}; from tzip.cli import main; main()"
        code += "; sys.exit('torch._dynamo' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_weights_that_overflow_are_one_line(folder, tmp_path):
    model, pieces = checkpoint.load(folder / "checkpoint")
    with torch.no_grad():
        for layer in model.encoder:
            layer.feed_forward.inner.weight.mul_(1e30)
            layer.feed_forward.outer.weight.mul_(1e30)
    checkpoint.save(tmp_path / "checkpoint", model, pieces)
    archive, _ = pipeline.build(model, pieces, Variant(), name="large", seed=1)
    container.write(tmp_path / "large.tzip", archive)
    said = "error: the model's scores are not numbers; its weights are damaged, or too large for float32\n"
    for command in (
        ("translate", tmp_path / "large.tzip", folder / "source"),
        ("score", tmp_path / "large.tzip", folder / "source", folder / "reference"),
        ("compress", tmp_path / "checkpoint", tmp_path / "new.tzip", "--quantize", "kmeans:bits=4"),
        ("export", tmp_path / "large.tzip", "--to", "safetensors", "--output", tmp_path / "exported"),
    ):
        done = commands.tzip(*command)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "large.tzip"}


def test_methods_are_listed_and_described():
    """Every method with its first line and its source; of one method every option with its default."""
    listed = commands.tzip("methods")
    assert (listed.returncode, listed.stderr) == (0, "")
    names = {line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ")}
    assert names == {name for kind in registry.KINDS for name in registry.names(kind)}
    assert "  fp16         Half precision: the baseline that every other method must beat. [IEEE" in listed.stdout
    described = commands.tzip("methods", "kmeans")
    assert (described.returncode, described.stderr) == (0, "")
    assert described.stdout.startswith("kmeans: K-means quantization: one codebook per tensor")
    for field in dataclasses.fields(kmeans.Options):
        assert f"  {field.name}={field.default} " in described.stdout
    assert "(exact, lloyd, minibatch)" in described.stdout


def test_ctrl_c_ends_the_command_with_130_and_no_traceback(compressed):
    """130, as shells have it after an interrupt."""
    with mock.patch.object(sizes, "lines", side_effect=KeyboardInterrupt):
        done = commands.tzip("inspect", compressed)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("inspect nowhere.tzip", "nowhere.tzip"),
        ("inspect text", "text: not a .tzip file"),
        ("compress nowhere x.tzip", "nowhere: not a checkpoint"),
        ("compress checkpoint x.tzip --quantize kmean", "kmeans"),
        ("compress checkpoint x.tzip --quantize kmeans:bits=9", "bits = '9'"),
        ("compress checkpoint x.tzip --scope some", "scope = 'some' is not one of attention, linear"),
        ("compress checkpoint x.tzip --data nowhere", "nowhere"),
        ("compress checkpoint x.tzip --updates 5", "--updates is for fine-tuning, which needs --data"),
        ("compress checkpoint x.tzip --teacher-checkpoint checkpoint", "give --teacher"),
        ("translate model.tzip source --beam 0", "beam = '0'"),
        (
            "export model.tzip --output x --to onnx",
            "to = 'onnx' is not one of ctranslate2, firefox, marian, marian_nmt, s",
        ),
        ("export model.tzip --output x --type int4", "type = 'int4' is not one of float32, float16, int16, int8"),
        ("export model.tzip --output x --to marian --type int8", "type = int8: marian has float32, float16"),
        ("export model.tzip --output x --to safetensors --shortlist text", "shortlist: safetensors has no such option"),
        ("export model.tzip --output checkpoint", "checkpoint: exists already; name a new folder"),
        ("export model.tzip --output x --shortlist text", "text: line 1"),
        ("export text --output x", "text: not a .tzip file"),
        ("decompress model.tzip checkpoint", "checkpoint: exists already; name a new folder"),
        ("translate model.tzip source --threads 0", "threads = 0 is not an integer at least 1"),
        ("translate model.tzip source --max-ratio inf", "max_ratio = 'inf' is not"),
        ("translate model.tzip source --alpha 1e9", "alpha = '1e9' is not"),
        ("shortlist model.tzip x --data nowhere", "nowhere"),
        ("shortlist model.tzip x --data toy --candidates 0", "candidates = '0'"),
        ("score model.tzip source text", "40"),
    ],
)
def test_errors_are_one_line(folder, compressed, arguments, message):
    done = commands.tzip(*arguments.split(), folder=folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (folder / "x.tzip").exists()
    assert not (folder / "x").exists()


def test_a_model_that_someone_brings_is_compressed_whole(folder, tmp_path):
    """The paper's rows leave embeddings and output layer as they are, and say so; the command line does not."""
    for more, touched in (([], True), (["--scope", "linear"], False)):
        path = tmp_path / f"{touched}.tzip"
        commands.tzip("compress", folder / "checkpoint", path, "--quantize", "kmeans:bits=4", "--threads", "1", *more)
        assert (container.read(path).codes["source_embedding.weight"].entries > 0) == touched
