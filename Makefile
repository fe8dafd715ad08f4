# make demo: learn real handwritten digits and judge what comes out. make test: everything that CI runs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt

.PHONY: demo test env core lint slow

demo: core
	$(BIN)/morelike train digits --seed 0 --out runs/digits
	$(BIN)/morelike sample runs/digits -n 100 --out runs/digits/samples.png

test: env lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

slow: env
	$(BIN)/pytest -m slow

lint: env
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

env: .venv/env.done
core: .venv/core.done

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Morelike needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/core.done: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

.venv/env.done: .venv/core.done
	$(PIP) -e '.[test,tables,track,text,molecules]'
	touch $@
