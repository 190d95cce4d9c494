# `make demo` and `make test` need nothing but a clone: each makes .venv when it is absent or when the pins changed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := PYTHONPATH=. $(VENV)/bin/python
INSTALLED := $(VENV)/installed-requirements.txt
BUNDLE_RUN := $(RUN) -m monai.bundle run --config_file

.PHONY: help install demo test test-all lint format verify bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED)  ## make .venv with the pinned packages (done by every other target where needed)

# The copy of the pins in .venv is the stamp: it is compared by content, so a fresh checkout time changes nothing.
$(INSTALLED): requirements.txt
	@if cmp -s requirements.txt $@; then touch $@; else bash scripts/install.sh "$(PYTHON)" $(VENV) $@; fi

test: $(INSTALLED)  ## the tests, at most ten minutes on two cores
	@$(RUN) -m pytest

test-all: $(INSTALLED)  ## all tests, the slow ones too
	@$(RUN) -m pytest -m ""

lint: $(INSTALLED)  ## formatting, ruff, mypy, import layers
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && $(VENV)/bin/mypy && PYTHONPATH=. $(VENV)/bin/lint-imports --no-cache

format: $(INSTALLED)  ## rewrite the sources in the project's format
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

clean:  ## remove what the demo and the tools wrote (not .venv)
	rm -rf demo eval .pytest_cache .mypy_cache .ruff_cache .hypothesis
