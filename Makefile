# One command each: train, test, lint, bench, clean. Everything happens in ./.venv and ./build.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup train test lint format cpp-test bench clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EPOCHS ?= 5
OUT ?= runs/lenet5

# Data that lies beside the checkout is used; a CNNFAST_DATA of yours comes first.
ifneq ($(wildcard ../shared/data/mnist),)
export CNNFAST_DATA ?= $(abspath ../shared/data)
endif

SOURCES := $(shell find cpp python -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.py' \
             -o -name '*.pyi' -o -name 'py.typed' \)) CMakeLists.txt pyproject.toml README.md LICENSE

help:
	@echo "make train    set up, then train LeNet-5 for $(EPOCHS) epochs on handwritten digits"
	@echo "make test     set up, then run the whole Python test suite"
	@echo "make lint     ruff, clang-format and mypy --strict"
	@echo "make cpp-test the C++ unit tests (needs GoogleTest)"
	@echo "make bench    every kernel: GFLOP/s, GB/s, share of what the machine can do"
	@echo "make format   format Python and C++ in place"
	@echo "make clean    remove $(VENV), build and caches"

train: $(VENV)/.installed
	$(BIN)/cnnfast train --model lenet5 --epochs $(EPOCHS) --out $(OUT)

test: $(VENV)/.installed
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.lint $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find cpp -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run -Werror
	$(BIN)/mypy

format: $(VENV)/.lint
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	find cpp -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format -i

cpp-test: $(VENV)/.tools
	PATH="$(abspath $(BIN)):$$PATH" bash -c 'cmake --preset development -G Ninja \
	  -DPython_EXECUTABLE=$(abspath $(BIN))/python -DCNNFAST_PYTHON=OFF \
	  && cmake --build --preset development && ctest --preset development'

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.kernels $(BENCH_ARGS)

setup: $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	rm -f python/cnnfast/_core*.so
	find python tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# A Python >= 3.10 that can make a virtual environment; PYTHON=... names one.
$(VENV)/.made:
	@found=""; \
	for candidate in $${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10 python}; do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' \
	      >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "cnnfast needs Python 3.10 or newer with the venv module; none was found on PATH." >&2; \
	  echo "Install one (Debian/Ubuntu: apt install python3 python3-venv) or name it:" >&2; \
	  echo "  make PYTHON=/path/to/python3" >&2; exit 2; \
	fi; \
	echo "cnnfast: making $(VENV) with $$($$found --version)"; \
	rm -rf $(VENV); $$found -m venv $(VENV)
	@touch $@

# Build tools live in the environment, so that a rebuild finds them where the last one did.
# CMake and Ninja come from PyPI where the system has none that serves.
$(VENV)/.tools: $(VENV)/.made pyproject.toml
	@if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null && ! command -v clang++ >/dev/null \
	    && [ -z "$${CXX:-}" ]; then \
	  echo "cnnfast needs a C++20 compiler (Debian/Ubuntu: apt install g++)" >&2; exit 2; fi
	@$(PIP) install --quiet "scikit-build-core>=0.10" "pybind11>=2.12"
	@$(PIP) install --quiet $$($(BIN)/python -c \
	  "from scikit_build_core.build import get_requires_for_build_wheel as g; print(*g(), 'pybind11')")
	@touch $@

$(VENV)/.installed: $(VENV)/.tools $(SOURCES)
	@echo "cnnfast: compiling and installing (the first time takes some minutes)"
	@PATH="$(abspath $(BIN)):$$PATH" $(PIP) install --quiet --no-build-isolation ".[test]"
	@touch $@

$(VENV)/.lint: $(VENV)/.made pyproject.toml
	@$(PIP) install --quiet "ruff>=0.6" "mypy>=1.10" "clang-format>=18"
	@touch $@
