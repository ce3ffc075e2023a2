"""Firefox's engine on an exported folder: the peer in `benchmarks/costs.py`, by the Python that has fxtranslate.

    python costs_firefox.py FOLDER TEXT

Prints memory in bytes, processor seconds and translations as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

import fxtranslate


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    folder, lines = Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    before = resident()
    vocabulary = (folder / "vocab.spm").read_bytes()
    model = (folder / "model.intgemm.alphas.bin").read_bytes()
    translator = fxtranslate.Translator(model=model, src_vocab=vocabulary, trg_vocab=vocabulary)
    translator.translate(lines[0])
    memory, seconds = resident() - before, []
    for _ in range(5):
        started = time.process_time()
        found = [translator.translate(line) for line in lines]
        seconds.append(time.process_time() - started)
    print(json.dumps({"memory": memory, "seconds": min(seconds), "lines": found}))


main()
