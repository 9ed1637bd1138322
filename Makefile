# `make repro`: set up, run the pipeline, print the accuracies.  `make test`: set up, run ruff, mypy and the tests.
# `make repro PHOTOS=path/to/class`: the same on class photos, a folder, zip or tar, as the only batch. Its name is made
# of theirs, or NAME=... gives it. Without make: `python -m shoepair repro`.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
# Put .venv first: DVC starts each stage as plain `python`.
export PATH := $(BIN):$(PATH)
# As it was typed, through the environment: a path may have spaces, quotes and dollars.
override PHOTOS := $(value PHOTOS)
export PHOTOS
DERIVE_NAME := import sys; from shoepair.runtime.batches import derive_batch_name as f; print(f(sys.argv[1]))
quote = '$(subst ','\'',$(1))'
NAME ?= $(shell $(call quote,$(BIN)/python) -c $(call quote,$(DERIVE_NAME)) $(call quote,$(PHOTOS)) 2>/dev/null)

.PHONY: setup repro test test-fast test-long test-all test-slowest lint

repro: setup
ifdef PHOTOS
	@shoepair add "$$PHOTOS" --name "$(NAME)" --alone
endif
	@shoepair repro

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

# Syntax and library of Python 3.11 to 3.14: what ruff (3.11's syntax) and both ends of mypy's table of the standard
# library accept is in all four. Deprecation warnings at run time are errors in the tests.
lint: setup
	@ruff check .
	@ruff format --check .
	@mypy --python-version 3.11
	@mypy --python-version 3.14 --enable-error-code deprecated
	@lint-imports --no-logo --cache-dir .import_linter_cache

# Reinstalls when the locked versions or the package's metadata change.
setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d, expected 3.11 or later: make PYTHON=python3.11" % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv"
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --requirement requirements.lock
	@"$(BIN)/python" -m pip install -qq --disable-pip-version-check --requirement requirements.lock --no-deps --editable .
	@touch $@
