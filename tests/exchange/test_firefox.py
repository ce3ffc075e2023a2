"""Firefox's folders: written in float32 and 8 bits, read back, and refused where its engine has no such model."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch

from tests.data.test_lists import ONE, OTHER, SHARED, SPECIAL, listed
from tests.exchange.test_exporting import SIZE, SOURCES, untrained
from tests.exchange.test_marian_nmt import LINES, SSRU, kept, read, same, write
from tests.toys import commands
from tzip.data.lists import Lists, pack
from tzip.data.pieces import BEGIN, END, Pieces
from tzip.exchange import lexfile, marianfile, shortlist
from tzip.exchange.exporters import firefox
from tzip.nmt.options import Search
from tzip.nmt.search import search


@pytest.fixture
def calibration(tmp_path: Path) -> str:
    path = tmp_path / "calibration.txt"
    path.write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    return str(path)


def test_a_container_gives_back_the_same_model(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(2, **SSRU)
    folder = write(tmp_path / "m", model, vocabulary, "firefox")
    assert {path.name for path in folder.iterdir()} == {"model.bin", "vocab.spm"}
    found, pieces = read(folder)
    assert same(model, found)
    data = (folder / "model.bin").read_bytes()
    values, _ = marianfile.load(folder / "model.bin")
    assert (len(data) - sum(-(-4 * value.size // 256) * 256 for value in values.values())) % 256 == 0
    for beam in (1, 4):
        ours, theirs = (search(one, SOURCES, Search(beam=beam)) for one in (model, found))
        assert [best.pieces for best, *_ in ours] == [best.pieces for best, *_ in theirs]
    again = write(tmp_path / "again", found, pieces, "firefox")
    assert all(file.read_bytes() == (again / file.name).read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("tie", ["all", "decoder"])
def test_8_bits_give_back_the_same_model_to_half_a_step(
    tmp_path: Path, vocabulary: Pieces, calibration: str, tie: str
) -> None:
    shared = {"encoder_unique": 1, "decoder_unique": 1} if tie == "decoder" else {}
    model = untrained(2, tie=tie, d_ff=48, **SSRU, **shared)
    folder = write(tmp_path / "m", model, vocabulary, "firefox", type="int8", calibration=calibration)
    found, _ = read(folder)
    matrices = firefox.matrices(model)
    assert len(matrices) == 2 * 6 + 2 * 8
    for name, parameter in found.named_parameters():
        weight, read_back = (kept(name, x.detach()) for x in (model.get_parameter(name), parameter))
        step = weight.abs().max().item() / 63
        quantized = name.removesuffix(".weight") in matrices or "embedding" in name
        assert (weight - read_back).abs().max() <= (0.501 * step if quantized else 0.0), name
        assert not quantized or len((read_back / step).round().unique()) > 20
    full = write(tmp_path / "full", untrained(2, d_ff=48, **SSRU), vocabulary, "firefox") / "model.bin"
    assert (folder / "model.intgemm.alphas.bin").stat().st_size < 0.7 * full.stat().st_size


def test_scales_of_activations_are_of_the_largest(tmp_path: Path, vocabulary: Pieces, calibration: str) -> None:
    """One per product, that of the tied output under Marian's name for it; 127 is the largest value on the text."""
    model, seen = untrained(2, **SSRU), []
    folder = write(tmp_path / "m", model, vocabulary, "firefox", type="int8", calibration=calibration)
    values, _ = marianfile.load(folder / "model.intgemm.alphas.bin")
    alphas = {name: float(value[0, 0]) for name, value in values.items() if name.endswith("_QuantMultA")}
    assert alphas.keys() == {f"{name}_QuantMultA" for name in [*firefox.matrices(model).values(), "none"]}
    forget = model.decoder[1].ssru.forget
    forget.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].abs().max().item()))
    with torch.no_grad():
        for source in vocabulary.encode(LINES):
            (best,) = search(model, [source], Search(beam=1))[0]
            model(torch.tensor([[*source, END]]), torch.tensor([[BEGIN, *best.pieces]]))
    assert alphas["decoder_l2_rnn_Wf_QuantMultA"] == pytest.approx(127 / max(seen), rel=1e-4)


def test_two_vocabularies(tmp_path: Path, calibration: str) -> None:
    """One numbering per side; of 8 bits, the scale of the output's input is a number of 8 bits, too."""
    apart = Lists(ONE, OTHER, (*SPECIAL, *listed(ONE)), (*SPECIAL, *listed(OTHER)[::-1]))
    pieces = Pieces(pack(apart))
    model = untrained(0, **pieces.decides(), tie="decoder", **SSRU)
    with pytest.raises(ValueError, match="tie = decoder: Firefox's engine in float32 knows only all"):
        write(tmp_path / "m", model, pieces, "firefox")
    for to, given in (("marian_nmt", {}), ("firefox", {"type": "int8", "calibration": calibration})):
        folder = write(tmp_path / f"{to}{len(given)}", model, pieces, to, **given)
        found, own = read(folder)
        assert found.config.target_vocabulary == len(apart.target)
        assert same(model, found) or given
        assert own.spell(range(4, len(own))) == pieces.spell(range(4, len(own)))
        assert own.spell(range(4, own.targets), target=True) == pieces.spell(range(4, own.targets), target=True)
    values, _ = marianfile.load(folder / "model.intgemm.alphas.bin")
    assert values["decoder_Wemb_QuantMultA"].shape == (1, 1)
    assert "none_QuantMultA" not in values


def test_sentencepiece_numbers_pieces_as_the_rows_of_the_embeddings(tmp_path: Path, vocabulary: Pieces) -> None:
    folder = write(tmp_path / "m", untrained(0, **SSRU), vocabulary, "firefox")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocab.spm"))
    assert len(processor) == SIZE - 2
    assert (processor.eos_id(), processor.unk_id(), processor.bos_id(), processor.pad_id()) == (0, 1, -1, -1)
    ours = vocabulary.encode(LINES)
    assert processor.encode(LINES) == [[piece - 2 for piece in row] for row in ours]
    assert processor.decode(processor.encode(LINES)) == LINES


# ── shortlists ────────────────────────────────────────────────────────────────────────────────────


def test_a_shortlist_is_written_and_read(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(0, **SSRU)
    shortlist.write(tmp_path / "list", shortlist.Shortlist((100, 101), {270: (200, 270), 271: (5,)}), vocabulary)
    folder = write(tmp_path / "m", model, vocabulary, "firefox", shortlist=str(tmp_path / "list"))
    always, lists = lexfile.read(folder / "lex.s2t.bin", SIZE - 2, SIZE - 2)
    assert always == 2  # the end and unknown
    assert {i: row for i, row in enumerate(lists) if row} == {0: [98, 99], 268: [198, 268], 269: [3]}
    again = write(tmp_path / "again", model, vocabulary, "firefox", shortlist=str(folder / "lex.s2t.bin"))
    found, lists_again = lexfile.read(again / "lex.s2t.bin", SIZE - 2, SIZE - 2)
    assert (found, lists_again[:-1]) == (always, lists[:-1])
    data = bytearray((folder / "lex.s2t.bin").read_bytes())
    for place, said in ((60, "damaged"), (len(data), "damaged")):
        damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] if place < len(data) else data[:-4]
        (tmp_path / "bad").write_bytes(damaged)
        with pytest.raises(ValueError, match=f"bad: a {said} shortlist"):
            write(tmp_path / "x", model, vocabulary, "firefox", shortlist=str(tmp_path / "bad"))
    with pytest.raises(ValueError, match=f"a shortlist for {SIZE - 2} source pieces; this model has 9, and 9"):
        lexfile.read(folder / "lex.s2t.bin", 9, 9)
    (tmp_path / "list").write_text("\tnowhere\n")
    with pytest.raises(ValueError, match="list: line 1: 'nowhere' is not a piece of this model's vocabulary"):
        write(tmp_path / "x", model, vocabulary, "firefox", shortlist=str(tmp_path / "list"))
    assert not (tmp_path / "x").exists()


def test_the_checksum_is_that_of_marian() -> None:
    """Two steps by hand: h ← h xor (word + 0x9e3779b9 + 64 h + h / 4)."""
    head = np.array([0, 0, 5, 7], "<u8").tobytes()
    first = 5 + 0x9E3779B9
    assert lexfile.checksum(head) == first ^ (7 + 0x9E3779B9 + (first << 6) + (first >> 2))


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────


def test_what_8_bits_need_is_told(tmp_path: Path, vocabulary: Pieces, calibration: str) -> None:
    model = untrained(0, **SSRU)
    for given, said in [
        ({"type": "int8"}, "calibration: int8 needs it; give a text"),
        ({"calibration": calibration}, "calibration: type = float32 has no use for it"),
        ({"type": "int16"}, "type = int16: firefox has float32, int8"),
    ]:
        with pytest.raises(ValueError, match=said):
            write(tmp_path / "m", model, vocabulary, "firefox", **given)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError, match="calibration: a text without a sentence"):
        write(tmp_path / "m", model, vocabulary, "firefox", type="int8", calibration=str(tmp_path / "empty"))


def test_a_list_that_no_sentencepiece_model_numbers_is_refused(tmp_path: Path) -> None:
    """As of OPUS-MT, whose list has the pieces of both sides' models."""
    pieces = Pieces(pack(SHARED))
    model = untrained(0, **pieces.decides(), **SSRU)
    with pytest.raises(ValueError, match="is a piece of the source's SentencePiece model or of its list, not of both"):
        write(tmp_path / "m", model, pieces, "firefox")
    found, own = read(write(tmp_path / "n", model, pieces, "marian_nmt"))
    assert same(model, found)
    assert own.encode(LINES) == pieces.encode(LINES)


def test_a_file_with_its_pieces_named(tmp_path: Path, vocabulary: Pieces) -> None:
    model = untrained(0, **SSRU)
    folder = write(tmp_path / "m", model, vocabulary, "firefox")
    (folder / "vocab.spm").rename(tmp_path / "v.spm")
    (folder / "model.bin").rename(tmp_path / "n.bin")
    assert same(model, read(tmp_path / "n.bin", pieces=str(tmp_path / "v.spm"))[0])


def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, vocabulary: Pieces, calibration: str) -> None:
    """Cut or changed anywhere: read as before, or refused."""
    model = untrained(0, **SSRU)
    folder = write(tmp_path / "m", model, vocabulary, "firefox", type="int8", calibration=calibration)
    archive = write(tmp_path / "n", model, vocabulary, "marian_nmt") / "model.npz"
    draw = random.Random(1)
    for file in (folder / "model.intgemm.alphas.bin", archive):
        data = file.read_bytes()
        refused = 0
        for case in range(60):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[draw.randrange(min(len(data), 6000))] = draw.randrange(256)
            file.write_bytes(damaged if case % 2 else data[: draw.randrange(len(data))])
            try:
                marianfile.load(file)
            except ValueError as error:
                refused += "\n" not in str(error)
        assert refused > 30


def test_a_type_of_one_processor_is_refused(tmp_path: Path) -> None:
    marianfile.save_container(tmp_path / "m.bin", {"encoder_l1_self_Wq": np.ones((2, 2), np.float32)}, {"a": 1}, {})
    data = (tmp_path / "m.bin").read_bytes().replace((0x404).to_bytes(8, "little"), (0x14101).to_bytes(8, "little"))
    (tmp_path / "m.bin").write_bytes(data)
    with pytest.raises(
        ValueError, match="'encoder_l1_self_Wq' is of type 0x14101; 0x404, 0x402, 0x101, 0x4101 are read"
    ):
        marianfile.load(tmp_path / "m.bin")


def test_by_the_command_line(tmp_path: Path, vocabulary: Pieces) -> None:
    """Firefox's student imported, compressed, exported: the folder holds what the file holds."""
    write(tmp_path / "student", untrained(0, **SSRU), vocabulary, "firefox")
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    for line in [
        "import student checkpoint --format marian_nmt --max-length 64",
        "compress checkpoint small.tzip --quantize uniform:bits=8 --scope all",
        "translate small.tzip text --output translated",
        "export small.tzip --to firefox --type int8 --calibration text --output out",
    ]:
        done = commands.tzip(*line.split(), folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "origin.json").read_text())["format"] == "marian_nmt"
    assert len((tmp_path / "translated").read_text().splitlines()) == len(LINES)
    assert read(tmp_path / "out")[0].config.mixers == ("attention", "ssru")
