# Every habit of the house. `make run` and `make test` need nothing but Python 3.11 or newer, make and a C library.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := $(shell sed -n 's/^torch==/torch==/p' requirements.txt)
# Gradio asks for Pillow < 13, whose JPEG decoder can be attacked; it works with 13 (docs/decisions/0002).
PILLOW := pillow>=13,<14
# The GPU half is several GB: it is installed where it can be used.
GPU ?= $(shell { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1 || test -n "$$IMAGE_MODEL" || grep -qs '^\(IMAGE_MODEL\|ZIMAGE_MODEL_PATH\)=.' .env; } && echo 1)

.PHONY: run test check bench format clean help

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/$(if $(GPU),all,web) ## Install what is missing and serve http://127.0.0.1:7860
	$(BIN)/python app.py

test: $(VENV)/dev ## Install what is missing and run all tests
	@sh tests/chromium.sh
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/dev ## Lint, format, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/dev ## Measure what the README and docs/performance.md claim
	$(BIN)/python -m bench.persona
	$(BIN)/python -m bench.gallery
	$(BIN)/python -m bench.tweets
	$(BIN)/python -m bench.tweets --faults
	$(BIN)/python -m bench.pool
	$(BIN)/python -m bench.pool --faults

format: $(VENV)/dev ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the virtual environments and caches; never your data
	rm -rf $(VENV) .bench .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Persona Studio needs Python 3.11 or newer; set PYTHON=python3.11, for example."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/web: requirements-web.txt | $(BIN)/python
	@echo "Installing Persona Studio (about a minute the first time) ..."
	@$(PIP) -r requirements-web.txt
	@$(PIP) --no-deps '$(PILLOW)'
	@touch $@

$(VENV)/all: requirements.txt $(VENV)/web
	@echo "Installing $(TORCH) and diffusers ..."
	@$(PIP) '$(TORCH)'
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps '$(PILLOW)'
	@touch $@

$(VENV)/dev: requirements-dev.txt $(VENV)/all
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-deps '$(PILLOW)'
	@touch $@
