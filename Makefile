# `make repro`: set up, run the pipeline, print the accuracies.  `make test`: set up, run ruff, mypy and the tests.
# `make repro PHOTOS=path/to/class`: the same on a folder of class photos.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
NAME ?= $(notdir $(patsubst %/,%,$(PHOTOS)))
# Put .venv first: DVC starts each stage as plain `python`.
export PATH := $(BIN):$(PATH)

.PHONY: setup repro test test-fast test-long test-all test-slowest lint

repro: setup
ifdef PHOTOS
	@shoepair add "$(PHOTOS)" --name "$(NAME)" --alone
endif
	@shoepair doctor
	@dvc repro
	@shoepair metrics

# Unit tests only: seconds.
test-fast: setup
	@python -m pytest --numprocesses auto --dist worksteal tests/unit

test: setup lint
	@python -m pytest --numprocesses auto --dist worksteal -m "not long"

# The tests that `make test` leaves out.
test-long: setup
	@python -m pytest --numprocesses auto --dist worksteal -m long

test-all: setup lint
	@python -m pytest --numprocesses auto --dist worksteal

# The twenty slowest tests, and what each waits for.
test-slowest: setup
	@python -m pytest --numprocesses auto --dist worksteal --slowest 20 -q

lint: setup
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo --cache-dir .import_linter_cache

# Reinstalls when the locked versions or the package's metadata change.
setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d, expected 3.11 or later: make PYTHON=python3.11" % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@
