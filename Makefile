# Everything runs in .venv, which the first target that needs it builds.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
#: Tests that start no process and train next to nothing.
FAST := tests/config/test_check.py tests/config/test_hash.py tests/data tests/metrics tests/module \
	tests/fleet/test_schedule.py tests/fleet/test_schedule_records.py tests/fleet/test_settings.py \
	tests/search/test_dimensions.py tests/search/test_settings.py tests/search/test_space.py \
	tests/run/test_record.py tests/test_architecture.py tests/test_errors.py tests/test_files.py
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: demo test test-fast test-slow mutants crash kills lint format typecheck bench docs clean

demo: .venv/.installed  ## train one experiment on built-in cells
	$(BIN)/scyan-exp train

test: .venv/.installed-dev  ## every test but the slow ones
	$(PYTEST)

test-fast: .venv/.installed-dev  ## tests of single parts, for the inner loop: a minute
	$(PYTEST) $(FAST)

test-slow: .venv/.installed-dev  ## tests that take minutes
	$(PYTEST) -m slow

mutants: .venv/.installed-mutants  ## which changes no test notices: make mutants MODULE=files
	$(BIN)/python scripts/mutants.py $(MODULE)

crash: .venv/.installed-dev  ## strike at every call that changes the disk: make crash CASE=sweep; hours
	$(BIN)/python -m tests.crash $(CASE)

kills: .venv/.installed-dev  ## kill sweeps at random: make kills ENGINE=local KILLS=100; an hour
	$(BIN)/python -m pytest -m kills -n 0 -k "$(ENGINE)" tests/fleet/test_many_kills.py

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: .venv/.installed-dev
	$(BIN)/mypy

bench: .venv/.installed-dev  ## measure, beside the reference; about an hour
	$(BIN)/python -m benchmarks --write

docs: .venv/.installed-docs  ## the site of these pages, in build/site; it opens from disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo build/site/index.html

clean:
	rm -rf .venv .mutants build dist

.venv/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint,bench]'
	touch $@

.venv/.installed-docs: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/.installed-mutants: .venv/.installed-dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutants]'
	touch $@
