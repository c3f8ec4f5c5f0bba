# make demo   the whole pipeline on small data, then its verdicts     make test   the tests
# Every target first makes what it needs; what is up to date is left alone.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env demo data test test-long test-slurm test-browser lint format schemas architecture commands screenshots lock release clean

help:
	@echo 'make demo          run the pipeline of config.yaml and print its verdicts'
	@echo 'make data          fetch and prepare the data of config.yaml, nothing more'
	@echo 'make test          run the quick tests'
	@echo 'make test-long     run the longer tests of the whole workflow'
	@echo 'make test-slurm    run the tests that start a real SLURM on this machine'
	@echo 'make test-browser  run the tests that open the report in Chromium'
	@echo 'make lint          check style, types and the workflow'
	@echo 'make format        format code and rules'
	@echo 'make schemas       write schemas/ anew from the types'
	@echo 'make architecture  write the package graph in docs/architecture.md anew'
	@echo 'make screenshots   take the pictures in docs/images of results/report, or of REPORT=...'
	@echo 'make commands      write docs/commands.md anew from the parsers'
	@echo 'make lock          write requirements.lock and environment.yaml from what is installed'
	@echo 'make release       audit the results and freeze them: make release NAME=... [SIGN=KEY]'
	@echo 'make clean         remove the environment and caches; data and results stay'
	@echo 'make ... PYTHON=python3.12   with another Python (3.11 to 3.13), before the first make'

# The environment: exact versions from the lock, and the project itself in place.
env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13; try make PYTHON=python3.12" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
	touch $@

demo: env
	$(BIN)/snakemake --profile local
	$(BIN)/python -m workflow_src show

data: env
	$(BIN)/snakemake --profile local data

test: env
	$(BIN)/python -m pytest -m 'not workflow and not slurm and not browser' -n auto

test-long: env
	$(BIN)/python -m pytest -m workflow -n 2 --dist loadfile

# Skipped where SLURM is not installed (Debian: slurmctld slurmd slurm-client munge).
# DENSITY_BENCH_LONG=1 runs all of them, DENSITY_BENCH_KILLS=100 makes the random one longer.
test-slurm: env
	$(BIN)/python -m pytest -m slurm -n 2 --dist worksteal

# Skipped where no Chromium is installed (Debian: chromium fonts-dejavu-core).
# DENSITY_BENCH_LONG=1 opens the report in results/report, too.
test-browser: env
	$(BIN)/python -m pytest -m browser -n 2

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

schemas: env
	$(BIN)/python -m workflow_src.config.schema

architecture: env
	$(BIN)/python tests/support/architecture.py

REPORT ?= results/report

screenshots: env
	$(BIN)/python tests/support/screenshots.py $(REPORT)

commands: env
	$(BIN)/python -m workflow_src.command_line.reference

# To take newer versions first: .venv/bin/pip install --upgrade --upgrade-strategy eager -e '.[develop]'
lock: env
	$(BIN)/python tests/support/lock.py

# Refuses where the audit finds something or changes are not committed; NAME=... is its name.
release: env
	$(BIN)/python -m workflow_src release $(NAME) $(if $(SIGN),--sign $(SIGN))

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .snakemake density_bench.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
