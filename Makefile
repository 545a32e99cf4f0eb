# make demo: from nothing to a report. make test: the whole suite. Both make the environment where it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO ?= demo

.PHONY: demo test lint format docs docs-long bench clean help

help:
	@echo "make demo    train six variants on the embedded digits, combine every subset, write the report"
	@echo "make test    run the whole test suite"
	@echo "make lint    style, lint and types"
	@echo "make format  rewrite the files in the house's style"
	@echo "make docs    build the documentation in build/docs"
	@echo "make bench   print the figures of benchmarks/"
	@echo "make clean   remove the environment and the demo"

# Installed anew when the requirements change.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[dev]"
	@touch $@

demo: $(INSTALLED)
	$(BIN)/ens-train --study $(DEMO) --variants 6
	$(BIN)/ens-combine --study $(DEMO) --k all
	$(BIN)/ens-report all --study $(DEMO)
	@echo "The pictures are in $(DEMO)/report. Look at curve.png first."

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --error-on-warning

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "Open build/docs/index.html."

# The examples of README and docs/ that take minutes; the suite runs the quick ones.
docs-long: $(INSTALLED)
	$(BIN)/python tests/doc_blocks.py

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
