"""Record a run's configuration: what the commands that continue it, or tell how far it is, start from."""

import argparse
import json
from pathlib import Path

from tzip.cli import run
from tzip.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="the run's configuration, JSON")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()

    config = json.loads(args.config)
    write_text(args.output, json.dumps(config, indent=1, ensure_ascii=False) + "\n")  # keys in their order


if __name__ == "__main__":
    run(main)
