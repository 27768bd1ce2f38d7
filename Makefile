# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or later, make and git.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint bench docs figures clean

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

bench: .venv/installed  # make bench MNIST=folder
	$(BIN)/python benchmarks/acceptance.py --mnist $(MNIST)

docs: .venv/installed
	$(BIN)/mkdocs build --strict

figures: .venv/installed
	$(BIN)/python -m tools.make_figures

clean:
	rm -rf .venv site dist runs
