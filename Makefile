# `make demo` and `make test` need nothing but a clone: each makes .venv when it is absent or when the pins changed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
# Passive waiting: on a busy machine, threads that spin for each other cost a multiple of the work itself.
RUN := PYTHONPATH=. OMP_WAIT_POLICY=PASSIVE $(VENV)/bin/python
INSTALLED := $(VENV)/installed-requirements.txt
BUNDLE_RUN := $(RUN) -m monai.bundle run --config_file

.PHONY: help install demo pretrain test test-all lint format verify bench clean

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
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

verify: $(INSTALLED)  ## what the MONAI Model Zoo checks: metadata, network, export, workflow properties
	@$(RUN) -m scripts.verify

bench: $(INSTALLED)  ## speed of reading, preparation, radiomics and training; memory of a training step
	@$(RUN) -m scripts.bench

PRETRAINING_BREASTS ?= 4500
PRETRAINING_EPOCHS ?= 40

pretrain: $(INSTALLED)  ## train the flow generator on thousands of phantom breasts (many hours; goes on where it was stopped) and ship it
	$(RUN) -m scripts.phantom --layout cbis_ddsm --breasts $(PRETRAINING_BREASTS) --seed 4000 --film_spacing_mm 1.0 --output pretraining/dicom
	$(RUN) -m scripts.prepare cbis_ddsm --source pretraining/dicom --output pretraining/prepared --fractions "(0.87,0.02,0.11)"
	$(BUNDLE_RUN) configs/flow_train.json --dataset_dir pretraining/prepared --output_dir pretraining/flow --max_epochs $(PRETRAINING_EPOCHS)
	$(RUN) -m scripts.release pretraining/flow

DEMO_TRAIN := "['configs/train.json','configs/demo.json']"
DEMO_EVALUATE := "['configs/train.json','configs/evaluate.json','configs/demo.json']" --repeats_dir demo/repeats
# Step 5 takes a breast that no step has seen: of another seed than the cohort's.
DEMO_INFERENCE := "['configs/inference.json','demo/train/network.json']" --weights demo/train/model.pt

demo: $(INSTALLED)  ## the main job: phantom DICOM films, preparation, training, scores, a synthetic MLO (ten minutes)
	rm -rf demo
	$(RUN) -m scripts.phantom --layout cbis_ddsm --breasts 160 --seed 0 --film_spacing_mm 1.0 --output demo/dicom
	$(RUN) -m scripts.prepare cbis_ddsm --source demo/dicom --output demo/prepared
	$(BUNDLE_RUN) $(DEMO_TRAIN)
	$(RUN) -m scripts.repeat --cohort demo/dicom --dataset_dir demo/prepared --output demo/repeats
	$(BUNDLE_RUN) $(DEMO_EVALUATE)
	$(RUN) -m scripts.phantom --layout clinical --breasts 1 --seed 1003 --film_spacing_mm 1.0 --output demo/unseen
	$(BUNDLE_RUN) $(DEMO_INFERENCE) --source demo/unseen/P_00001/L_CC.dcm --mask demo/unseen/P_00001/L_CC_mask.png --output_dir demo/inference/with_mask
	$(BUNDLE_RUN) $(DEMO_INFERENCE) --source demo/unseen/P_00001/L_CC.dcm --output_dir demo/inference/without_mask
	@printf '\nThe scores of the test split\n' && cat demo/train/evaluation/report.md
	@printf '\nFiles to look at\n'
	@printf '  %s\n' demo/train/evaluation/*_case.png demo/train/panels demo/inference/*/*.png demo/inference/*/*.dcm \
		demo/train/evaluation/summary.json demo/train/evaluation/metrics.csv demo/train/results.csv demo/prepared/rejected.csv
	@printf '\nThe report, for a browser\n  %s\n' demo/train/evaluation/report.html
