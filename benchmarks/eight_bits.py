"""What 8-bit weights up to 127 cost where sums of two products are cut at 16 bits, and up to 63 do not.

    python benchmarks/eight_bits.py results/firefox --firefox build/firefox-venv/bin/python

The run is that of config/firefox.yaml, see benchmarks/costs.py. Greedy BLEU of the test set by each engine's products:
CTranslate2 with oneDNN, its choice on processors of AMD, and with MKL; Firefox's engine. With VNNI CTranslate2 cuts
nothing; ONEDNN_MAX_CPU_ISA, MKL_ENABLE_INSTRUCTIONS and CT2_FORCE_CPU_ISA, all AVX2, leave it out.
"""

import argparse
import tempfile
from pathlib import Path

from costs import FIREFOX, OWN, run
from sacrebleu import corpus_bleu

from tzip.exchange import exporting
from tzip.files import read_lines
from tzip.format import model as model_file
from tzip.nmt.options import Search

LARGEST = (127, exporting.LARGEST_WEIGHT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, as results/firefox")
    parser.add_argument("--firefox", type=Path, required=True, help="Python of the environment with fxtranslate")
    parser.add_argument("--attention", nargs="+", default=[f"attention-{bits}bit" for bits in (8, 4, 3, 2)])
    parser.add_argument("--recurrent", nargs="+", default=[f"recurrent-{bits}bit" for bits in (8, 4, 3, 2)])
    args = parser.parse_args()
    source, dev = args.run / "data" / "test" / "test.en", args.run / "data" / "dev.en"
    lines, references = read_lines(source), [read_lines(args.run / "data" / "test" / "test.de")]
    print("| row | engine | float32 | " + " | ".join(f"8 bits, up to {largest}" for largest in LARGEST) + " |")
    print("|---|---|---|---|---|")
    for row in (*args.attention, *args.recurrent):
        model, pieces, _ = model_file.restore(args.run / "seed-1" / row / "model.tzip")
        found = {"float32": model_file.translate(model, pieces, lines, Search(beam=1))}
        engines = ["Firefox"] if row in args.recurrent else ["CTranslate2, oneDNN", "CTranslate2, MKL"]
        for largest in LARGEST:
            exporting.LARGEST_WEIGHT = largest
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch, "model")
                to = {"to": "firefox", "calibration": str(dev)} if row in args.recurrent else {"to": "ctranslate2"}
                exporting.write(folder, model, pieces, exporting.Options(type="int8", **to))
                if row in args.recurrent:
                    found["Firefox", largest] = run(args.firefox, FIREFOX, folder, source)["lines"]
                    continue
                for engine, mkl in zip(engines, "01", strict=True):
                    found[engine, largest] = run(*OWN, "folder", folder, source, CT2_USE_MKL=mkl)["lines"]
        bleu = {key: f"{corpus_bleu(texts, references).score:.2f}" for key, texts in found.items()}
        for engine in engines:
            cells = [f"`{row}`", engine, bleu["float32"], *(bleu[engine, largest] for largest in LARGEST)]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
