# The whole vocabulary: demo, test, gauntlet, lint, bench, lab.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test gauntlet lint bench lab clean browser

demo: $(READY)
	$(BIN)/python -m immune_nb.notebook.demo notebooks/01_first_query.ipynb

test: $(READY) browser
	$(BIN)/python -m pytest --ignore tests/gauntlet

# The rest of the tests. What never leaks: 47 cases, each with the proof that its probe can fail, as a table.
gauntlet: $(READY) browser
	PYTHONPATH=tests:. $(BIN)/python -m pytest -q -p gauntlet_table

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python tests/bench/startup.py
	$(BIN)/python tests/bench/fetch.py

lab: $(READY)
	$(BIN)/python -m immune_nb.notebook.demo --lab notebooks

# Debian's Chromium drives the browser tests; it is installed when it is missing and we may.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu; } \
	  || echo "chromium is missing and cannot be installed here"

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build
