# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or later, make and git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint bench docs figures screens confusion clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/sparsight train digits

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest

test-all: lint
	$(BIN)/pytest -m "slow or not slow"

# the systems that we compare ourselves with live apart; --no-deps keeps out what breaks beside a CPU build of torch
.venv-bench/installed: pyproject.toml constraints.txt benchmarks/peers.txt benchmarks/peers-alone.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet -c constraints.txt -e . -r benchmarks/peers.txt
	.venv-bench/bin/pip install --quiet --no-deps -r benchmarks/peers-alone.txt
	touch $@

bench: .venv-bench/installed
	.venv-bench/bin/python benchmarks/speed.py --out benchmarks/speed

docs: .venv/installed
	$(BIN)/mkdocs build --strict

figures: .venv/installed
	$(BIN)/python -m tools.make_figures
	PYTHONPATH=tests $(BIN)/python -m tools.make_faults

screens: .venv/installed
	$(BIN)/python -m tools.make_screens

confusion: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m tools.make_faults --confusion

clean:
	rm -rf .venv .venv-bench site dist runs
