# make        everything: environment, default run, its table
# make test   every test that needs nothing but Python
# make test-faults  faults injected into real runs; writes the table of docs/reliability.md
# make test-slurm   the workflow through a SLURM cluster that it starts on this machine (root, Debian's packages)
# make test-interop imported and exported models held against other toolkits, in environments that it makes
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready
IN_VENV := PATH="$(BIN):$$PATH"
PYTHON_FILES := tzip workflow_scripts tests benchmarks
SNAKEMAKE_FILES := Snakefile rules
FAULTS := $(addprefix tests/faults/, kills.py stale.py disk.py downloads.py training.py places.py mutants.py hostile.py)

.PHONY: all environment test test-slurm test-faults test-interop
all: $(READY)
	$(IN_VENV) PYTHONPATH="$(CURDIR)/workflow_scripts" snakemake --logger tzip
	$(IN_VENV) python workflow_scripts/show.py --results results/default

environment: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 or newer; choose one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.txt)"
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

test: $(READY)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/snakefmt --check $(SNAKEMAKE_FILES)
	$(BIN)/hadolint Dockerfile
	$(IN_VENV) snakemake --lint
	$(IN_VENV) python -m pytest -n 2 --dist loadgroup

test-slurm: $(READY)
	$(IN_VENV) python -m pytest -s tests/slurm/on_slurm.py

test-faults: $(READY)
	$(IN_VENV) python -m pytest --fuzz 10000 $(FAULTS) tests/format/test_fuzz.py

test-interop: $(READY)
	$(IN_VENV) python -m pytest tests/interop/equality.py tests/interop/exported.py tests/interop/m2m100.py tests/interop/marian_nmt.py tests/interop/archives.py
