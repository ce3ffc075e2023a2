"""Translate a text by CTranslate2 on one core, and measure its speed and the model's memory."""

import argparse
import statistics
import time
from pathlib import Path

from tzip import options
from tzip.cli import run
from tzip.exchange import inference, onecore
from tzip.files import read_lines, write_json, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder of export.py")
    parser.add_argument("--source", type=Path, required=True, help="sentences, one per line")
    parser.add_argument("--repeats", type=int, default=5, help="timed passes over the text, after one untimed")
    parser.add_argument("--output", type=Path, required=True, help="translations, one per line")
    parser.add_argument("--time", type=Path, required=True, help="JSON: seconds, words per second, bytes")
    options.add_arguments(parser, inference.Options)
    args = parser.parse_args()

    settings = options.from_arguments(args, inference.Options, "inference")
    lines, pinned, before = read_lines(args.source), onecore.pin(), onecore.resident()
    translator = inference.Translator(args.model)
    memory = onecore.resident() - before
    translations = translator.translate(lines, settings)  # warms up: first touches of memory are not timed
    seconds, busy = [], []
    for _ in range(args.repeats):
        started, worked = time.perf_counter(), time.process_time()
        translator.translate(lines, settings)
        seconds.append(round(time.perf_counter() - started, 4))
        busy.append(round(time.process_time() - worked, 4))

    write_text(args.output, "".join(f"{line}\n" for line in translations))
    counts = {"source": lines, "target": translations}
    words = {side: sum(len(line.split()) for line in text) for side, text in counts.items()}
    write_json(
        args.time,
        {
            "seconds": seconds,
            "processor_seconds": busy,
            "sentences": len(lines),
            "pinned": pinned,
            "words": words,
            "words_per_second": round(words["source"] / statistics.median(seconds), 1),
            "target_words_per_second": round(words["target"] / statistics.median(seconds), 1),
            "file_bytes": sum(path.stat().st_size for path in args.model.iterdir()),
            "memory_bytes": memory,
            "computed_in": translator.engine.compute_type,
            "inference": vars(settings),
            "device": onecore.processor(),
        },
    )


if __name__ == "__main__":
    run(main)
