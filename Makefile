# One door for everything: what a developer runs, a build machine runs too.
.POSIX:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
N ?= 200000
# How long the soak takes, in seconds.
LENGTH ?= 1200
JOBS ?= 1
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

# The stamps: $(BASE) is the package alone, $(DEV) the package with what tests and documentation need, $(MUTATION)
# with what changes it as well.
BASE = $(VENV)/.installed-base
DEV = $(VENV)/.installed-dev
MUTATION = $(VENV)/.installed-mutation

# The tests that are about what is held to full coverage.
COVERING = tests/ldap tests/contentsync tests/store tests/test_consumer.py tests/test_relay.py tests/test_following.py \
	tests/test_guard.py tests/test_resumption.py tests/test_replay.py tests/test_selection.py tests/test_subscription.py \
	tests/test_restarts.py tests/test_db.py tests/cli/test_backup.py tests/cli/test_export.py tests/cli/test_reset.py
# It limits how much work something takes, to which the measuring adds.
DESELECTED = --deselect tests/ldap/test_dn.py::test_the_work_grows_with_the_length_of_a_name_and_not_faster

help:
	@echo 'make demo       show the program at work on a directory server of its own'
	@echo 'make test       style, types, imports, documentation and tests'
	@echo 'make test-long  the same, with the tests that take long'
	@echo 'make check      style, types and imports only'
	@echo 'make docs       the documentation, into docs/_build/html'
	@echo 'make bench      measure'
	@echo 'make bench-sinks  measure how changes are delivered'
	@echo 'make coverage   show that tests take every branch of what everything relies on'
	@echo 'make mutants    change what decides what is gone, and show that tests notice'
	@echo 'make fuzz       look for input that breaks the codec, for ten minutes'
	@echo 'make soak       everything at once, with all that can go wrong, for twenty minutes (LENGTH=1200 seconds)'
	@echo 'make clean      remove everything made here'

demo: packages-demo $(BASE)
	$(BIN)/python -m syncrepl_client.cli.demo

# The examples of a page build on each other, so they run in one process.
# The documentation comes last, for it shows what the tests found; it is silent unless something is wrong.
test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal tests
	$(BIN)/python -m pytest docs
	@$(MAKE) docs

test-long: packages-long check
	$(BIN)/python -m pytest --long -n 2 --dist worksteal tests
	$(BIN)/python -m pytest --long docs
	@$(MAKE) docs

check: packages-dev $(DEV)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: packages-dev $(DEV)
	$(BIN)/sphinx-build -n -W --keep-going --quiet docs docs/_build/html

bench: packages-dev $(DEV)
	$(BIN)/python -m bench --entries $(N)
	$(BIN)/python -m bench.stream --entries $(N)
	$(BIN)/python -m bench.stored

bench-sinks: packages-dev $(DEV)
	$(BIN)/python -m bench.sinks

# Each time the same examples, in the same order: what is taken by chance may not be taken the next time.
coverage: packages-dev $(DEV)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal -p no:randomly --hypothesis-seed=0 $(DESELECTED) $(COVERING)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# It goes on where it was left: rm -r mutants for all of it.
mutants: packages-dev $(MUTATION)
	$(BIN)/python -m tests.mutation --jobs $(JOBS)

fuzz: packages-dev $(DEV)
	$(BIN)/python -m tests.fuzz --seconds 600

soak: packages-dev $(DEV)
	$(BIN)/python -m tests.soak --seconds $(LENGTH)

clean:
	rm -rf $(VENV) docs/_build build dist mutants .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Looked at on every run: a stamp would not notice a package that went away.
packages-demo:
	@PYTHON='$(PYTHON)' sh scripts/install-packages demo

packages-dev:
	@PYTHON='$(PYTHON)' sh scripts/install-packages dev

packages-long:
	@PYTHON='$(PYTHON)' sh scripts/install-packages long

$(BASE): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --editable .
	@touch $@

$(DEV): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --editable '.[dev,docs]'
	@touch $(BASE) $@

$(MUTATION): $(DEV)
	$(PIP) install --editable '.[dev,docs,mutation]'
	@touch $@

.PHONY: help demo test test-long check docs bench bench-sinks coverage mutants fuzz soak clean packages-demo packages-dev packages-long
