# Everything runs in .venv, which the first target that needs it builds.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
#: Tests that start no process and train next to nothing.
FAST := tests/config/test_check.py tests/config/test_hash.py tests/data tests/metrics tests/module \
	tests/fleet/test_schedule.py tests/fleet/test_schedule_records.py tests/fleet/test_settings.py \
	tests/search/test_dimensions.py tests/search/test_settings.py tests/search/test_space.py \
	tests/run/test_record.py tests/test_architecture.py tests/test_errors.py tests/test_files.py
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

#: The lower bounds of pyproject.toml, and what the fast tests need.
OLDEST := --resolution lowest-direct --python .venv-oldest/bin/python --requirement pyproject.toml \
	--requirement scripts/oldest.in

.PHONY: demo test test-fast test-oldest test-slow sbom mutants crash kills lint format typecheck \
	bench docs tutorials clean

demo: .venv/.installed  ## train one experiment on built-in cells, with words on each step
	$(BIN)/scyan-exp demo

tutorials: .venv/.installed-docs  ## execute the notebooks of docs/tutorials again
	$(BIN)/python scripts/tutorials.py

test: .venv/.installed-dev  ## every test but the slow ones
	$(PYTEST)

test-fast: .venv/.installed-dev  ## tests of single parts, for the inner loop: a minute
	$(PYTEST) $(FAST)

test-oldest: .venv-oldest/.installed  ## the fast tests with the oldest versions that are allowed
	PYTHONPATH=. .venv-oldest/bin/python -m pytest -n auto -o filterwarnings=default \
		$(FAST) --ignore tests/data/test_fcs.py --ignore tests/data/test_fcs_writing.py

sbom: .venv/.installed-tools  ## what a run is made of, as CycloneDX: dist/sbom.cdx.json
	mkdir -p dist
	rm -rf dist/.sbom && $(BIN)/uv venv --quiet --python $(BIN)/python dist/.sbom
	$(BIN)/uv pip install --quiet --python dist/.sbom/bin/python --constraint constraints.txt .
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.cdx.json dist/.sbom/bin/python
	rm -rf dist/.sbom

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
	rm -rf .venv .venv-oldest .mutants build dist

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

.venv/.installed-tools: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt 'cyclonedx-bom>=5' 'uv>=0.8'
	touch $@

.venv-oldest/.installed: .venv/.installed-tools pyproject.toml scripts/oldest.in
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-oldest
	$(BIN)/uv pip install --quiet $(OLDEST)
	touch $@
