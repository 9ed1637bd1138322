# `make repro`: set up, run the pipeline, print the accuracies.  `make test`: set up for tests, run ruff, mypy and the
# tests. `make lock`: resolve both lock files again.
# `make repro PHOTOS=path/to/class`: the same on class photos, a folder, zip or tar, as the only batch. Its name is made
# of theirs, or NAME=... gives it. Without make: `python -m shoepair repro`.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
# Put .venv first: DVC starts each stage as plain `python`.
export PATH := $(BIN):$(PATH)
# As it was typed, through the environment: a path may have spaces, quotes and dollars.
override PHOTOS := $(value PHOTOS)
export PHOTOS
DERIVE_NAME := import sys; from shoepair.runtime.batch_names import derive_batch_name as f; print(f(sys.argv[1]))
quote = '$(subst ','\'',$(1))'
NAME ?= $(shell $(call quote,$(BIN)/python) -c $(call quote,$(DERIVE_NAME)) $(call quote,$(PHOTOS)) 2>/dev/null)

# Byte code is written where a module is loaded, and not for those that nothing loads.
PIP := "$(BIN)/python" -m pip install -qq --disable-pip-version-check --no-compile
# torch has no hash in a lock and is installed by its version alone, in a call of its own: pip prefers a build whose hash
# is allowed to the one that lies on a machine, and the registry's build for Linux brings gigabytes of CUDA.
TORCH := $(shell sed -n 's/^torch = "\(.*\)"$$/torch==\1/p' pyproject.toml)
COMPILE := echo $(TORCH) | "$(BIN)/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-package torch --custom-compile-command "make lock" $(UPGRADE) pyproject.toml -

.PHONY: setup setup-tests lock repro test test-fast test-long test-all test-slowest lint

repro: setup
ifdef PHOTOS
	@shoepair add "$$PHOTOS" --name "$(NAME)" --alone
endif
	@shoepair repro

# Unit tests only: seconds.
test-fast: setup-tests
	@python -m pytest --numprocesses auto --dist worksteal tests/unit

test: lint
	@python -m pytest --numprocesses auto --dist worksteal -m "not long"

# The tests that `make test` leaves out.
test-long: setup-tests
	@python -m pytest --numprocesses auto --dist worksteal -m long

test-all: lint
	@python -m pytest --numprocesses auto --dist worksteal

# The twenty slowest tests, and what each waits for.
test-slowest: setup-tests
	@python -m pytest --numprocesses auto --dist worksteal --slowest 20 -q

# Syntax and library of Python 3.11 to 3.14: what ruff (3.11's syntax) and both ends of mypy's table of the standard
# library accept is in all four. Deprecation warnings at run time are errors in the tests.
lint: setup-tests
	@ruff check .
	@ruff format --check .
	@mypy --python-version 3.11
	@mypy --python-version 3.14 --enable-error-code deprecated
	@lint-imports --no-logo --cache-dir .import_linter_cache

# What is locked stays where pyproject.toml admits it. `make lock UPGRADE=--upgrade` takes the newest of all,
# `UPGRADE="--upgrade-package numpy"` of one; then also change [tool.shoepair.results] in pyproject.toml.
lock: setup-tests
	@$(COMPILE) --extra serve --output-file requirements.lock
	@$(COMPILE) --all-extras --constraint requirements.lock --output-file requirements-test.lock

# Both reinstall when the locked versions or the package's metadata change: what the pipeline, `shoepair check` and
# `shoepair serve` need; and the rest, which tests, other engines, exports and remotes need.
setup: .venv/.ready
setup-tests: .venv/.ready-tests

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d, expected 3.11 or later: make PYTHON=python3.11" % sys.version_info[:2])'
	@$(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv"
	@$(PIP) --requirement requirements.lock
	@$(PIP) $(TORCH)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.ready-tests: .venv/.ready requirements-test.lock
	@echo "installing what the tests need into .venv"
	@$(PIP) --requirement requirements-test.lock
	@touch $@
