#!/usr/bin/env bash
set -euo pipefail
# Snakemake runs this in the repository, with the new environment active.
pip install --quiet --no-deps --editable .
