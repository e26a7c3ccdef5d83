# Needs Python 3.11 or newer, make and the package index; `make` alone lists the targets.

PYTHON ?= python3
# For torch alone, whose other needs come from the package index as always, e.g.
# TORCH_FLAGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_FLAGS ?=
# Tests that run at a time, a thread and about a gigabyte each
JOBS ?= 2
# Further words for pytest or for the benchmark, e.g. ARGS="-k ledger" or ARGS="--rows a,g"
ARGS ?=
# Folder of GLUE's SST-2 TSVs, for the benchmark
BENCH_DATA ?= ../shared/data/sst2

BIN := .venv/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
STAMP := .venv/.installed
EXTRAS := minilm,serve,onnx,tensorboard,mlflow,notebook,dev
ALL := $(EXTRAS),bench,browser,docs
TORCH := $(shell grep '^torch==' constraints.txt)
# Two names, since newer versions of pip heed only the second while they build a package.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
PIP := -m pip --quiet --quiet --disable-pip-version-check
IS_PYTHON := -c 'import sys; sys.exit(sys.version_info < (3, 11))'

.PHONY: help study env test test-all browser faults check bench docs constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

study: $(STAMP) ## the demo study: packaged encoder, packaged reviews, minutes
	@$(BIN)/weft study demo

env: $(STAMP) ## the environment in .venv, as constraints.txt pins it

test: $(STAMP) ## the tests, without the long suites
	$(PYTEST) -n $(JOBS) -m "not slow" $(ARGS)

test-all: $(STAMP) browser ## all tests
	$(PYTEST) -n $(JOBS) -m "slow or not slow" $(ARGS)

browser: $(STAMP) ## Chromium and what drives it, for the tests of pages; without, they are skipped
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "weft: installing Chromium, for the tests of pages"; \
	    { apt-get update && DEBIAN_FRONTEND=noninteractive \
	        apt-get install --yes --no-install-recommends chromium; } >/dev/null 2>&1 || \
	    echo "weft: apt-get has no Chromium for this system; the tests of pages are skipped"; \
	else \
	    echo "weft: there is no Chromium here, so the tests of pages are skipped; to run them,"; \
	    echo "weft: install it as root (apt-get install chromium), then: make browser"; \
	fi
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then \
	    $(BIN)/python -c 'import playwright, axe_playwright_python' 2>/dev/null || \
	    $(PINNED) $(BIN)/python $(PIP) install --editable '.[$(EXTRAS),browser]'; \
	fi

faults: $(STAMP) ## studies killed, starved and harmed, then resumed and compared byte for byte
	$(PYTEST) -m "slow or not slow" tests/faults tests/training/test_broken_step.py \
	    tests/training/test_snapshot.py tests/training/test_due.py tests/methods/test_out_of_sample.py \
	    $(ARGS)

check: $(STAMP) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

bench: $(STAMP) ## weft beside its peers, hours; BENCH_DATA is the folder of SST-2's TSVs
	@$(PINNED) $(BIN)/python $(PIP) install --editable '.[$(EXTRAS),bench]'
	$(BIN)/python benchmarks/speed.py --data $(BENCH_DATA) $(ARGS)

# A .venv that does not work, or holds an older Python, is made anew; a stale one is brought up.
$(STAMP): pyproject.toml constraints.txt hatch_build.py $(wildcard src/weft/nn/native/*.cpp src/weft/nn/native/*.h)
	@$(BIN)/python $(IS_PYTHON) 2>/dev/null && $(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    command -v $(PYTHON) >/dev/null || { \
	        echo "weft needs Python 3.11 or newer, and there is no '$(PYTHON)' here."; \
	        echo "Install one, or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }; \
	    $(PYTHON) $(IS_PYTHON) || { \
	        echo "weft needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
	        echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }; \
	    echo "weft: making the environment in .venv with $$($(PYTHON) -V)"; \
	    $(PYTHON) -m venv --clear .venv; }
	@echo "weft: installing $(TORCH)"
	@$(BIN)/python $(PIP) install --no-deps $(TORCH_FLAGS) '$(TORCH)'
	@echo "weft: installing weft and what it needs (once; minutes on a slow line)"
	@$(PINNED) $(BIN)/python $(PIP) install --editable '.[$(EXTRAS)]'
	@touch $@
	@echo "weft: installed"

docs: $(STAMP) ## the pages of docs/ as a site, in site/
	@$(BIN)/python -c 'import mkdocs' 2>/dev/null || \
	$(PINNED) $(BIN)/python $(PIP) install --editable '.[$(EXTRAS),docs]'
	$(BIN)/python -m mkdocs build --strict --quiet

constraints: ## pin the newest versions anew (TORCH=torch==2.13.0 chooses torch's)
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(PYTHON) -m venv $$fresh; \
	$$fresh/bin/python $(PIP) install --no-deps $(TORCH_FLAGS) '$(TORCH)'; \
	$$fresh/bin/python $(PIP) install hatchling editables --editable '.[$(ALL)]'; \
	{ grep '^#' constraints.txt; \
	  $$fresh/bin/python -m pip freeze --all --exclude pip --exclude-editable \
	  | sed 's/+[a-z0-9.]*$$//' | sort -f; } > $$fresh/pinned; \
	cp $$fresh/pinned constraints.txt

clean: ## remove the environment and the caches; studies stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis dist site
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
