# Each command makes what it needs: a virtual environment in .venv, pinned by constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check format bench clean

demo: .venv/core  ## sample garments from the model in models/fashion
	$(BIN)/python examples/garments.py

test: .venv/dev  ## the whole test suite
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: .venv/dev  ## format, lint, types, doctests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest --doctest-modules src

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/bench  ## measure beside other libraries; writes benchmarks/results
	for script in orders sampler_overhead sampler_error training listening; do \
		$(BIN)/python benchmarks/$$script.py || exit 1; done
	$(BIN)/python benchmarks/sampling.py --model models/fashion

clean:
	rm -rf .venv out

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Clarion needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/dev: .venv/core
	$(PIP) --editable '.[dev]'
	@touch $@

.venv/bench: .venv/dev
	$(PIP) --editable '.[bench]'
	@touch $@
