# Everything a person types. `make` alone tells what there is.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8765
STATE ?= .state
ARGS ?=
WORKERS ?= 4

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-input --progress-bar off
PO := $(wildcard controller/web/locale/*/LC_MESSAGES/*.po)
MO := $(PO:.po=.mo)

# pip's output as one short line a package
NAMES := sed -u -n -E 's,^(Collecting|Processing) (.*/)?([^ /]+).*,    \3,p'

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
export HOST PORT STATE

.PHONY: help run prepare setup check types style test soak hil bench packages assets lock deb windows
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:
	@echo "make run     set up what it needs and start a demo fleet with this machine in it (HOST, PORT, STATE)"
	@echo "make setup   make $(VENV) with everything in it"
	@echo "make check   format, lint, types, layers, translations, generated files"
	@echo "make test    set everything up, check, and run every test (ARGS for pytest, WORKERS at once)"
	@echo "make soak    the long tests at their stated size: an hour of kills, and as long again several times"
	@echo "make hil     what hardware-in-the-loop tests there are; ARGS runs them"
	@echo "make bench   what benchmarks there are; NAME=ingest runs one"
	@echo "make deb     Debian packages of agent and controller in dist/ (ARGS=\"agent --arch arm64 --python 3.13\")"
	@echo "make windows Windows package of the agent in dist/"
	@echo "make lock    take the newest dependencies into requirements/"

# --- setting up: a stamp for what running needs, and one for all the rest

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed."; exit 1; }
	@echo "==> Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Install it:  sudo apt install make python3-venv"; exit 1; }

$(VENV)/run.stamp: requirements/run.lock requirements/assets.lock pyproject.toml | $(BIN)/python
	@echo "==> Python packages to run with (1 to 2 minutes, once)"
	@$(PIP) --require-hashes -r requirements/run.lock | $(NAMES)
	@{ command -v npm && command -v node; } > /dev/null || $(PIP) --require-hashes -r requirements/assets.lock | $(NAMES)
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/all.stamp: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "==> Python packages for everything (2 to 4 minutes, once)"
	@$(PIP) --require-hashes -r requirements/dev.lock | $(NAMES)
	@$(PIP) --quiet --no-deps --no-build-isolation -e .
	@touch $(VENV)/run.stamp $@

%.mo: %.po | $(VENV)/run.stamp
	@$(BIN)/python -m tools.translations

assets: | $(VENV)/run.stamp
	@$(BIN)/python -m tools.assets

packages:
	@PYTHON="$(PYTHON)" tools/debian-packages.sh

setup: $(VENV)/all.stamp

lock: $(VENV)/all.stamp
	@$(BIN)/python -m tools.lock

# --- packages to install; see docs/install.md

deb: $(VENV)/run.stamp $(MO) assets
	@$(BIN)/python -m tools.deb $(ARGS)

windows: $(VENV)/run.stamp
	@$(BIN)/python -m tools.windows

# --- running

prepare: $(VENV)/run.stamp $(MO) assets

run: prepare
	@exec $(BIN)/fabfleet demo --with-parent --host "$$HOST" --port "$$PORT" --state "$$STATE"

# --- proving: most tests wait for servers and machines, so that two cores feed four workers

check: $(VENV)/all.stamp
	@echo "==> Checks"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.schemas --check
	$(BIN)/python -m tools.translations --check
	$(BIN)/python -m tools.devices --check
	$(BIN)/python -m tools.agent_words --check
	$(BIN)/python -m tools.privacy --check

test: packages $(VENV)/all.stamp $(MO) assets check
	@echo "==> Tests"
	@HIL_REQUIRE=1 $(BIN)/pytest -n $(WORKERS) -m "not soak" $(ARGS)

soak: packages $(VENV)/all.stamp $(MO) assets
	@echo "==> Tests at full size: an hour of kills and the other long ones"
	@$(BIN)/pytest --soak -m "kill or soak" -v $(ARGS)

hil: packages $(VENV)/all.stamp
	@$(BIN)/python -m hil $(ARGS)

bench: $(VENV)/all.stamp
	@$(BIN)/python -m bench$(addprefix .,$(NAME)) $(ARGS)
