# Each target sets up .venv by itself. Nothing else has to be installed or typed.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# What the installed package is built from. Python sources are not here: the install is editable.
BUILD_INPUTS := $(wildcard pyproject.toml setup.cfg setup.py MANIFEST.in) \
	$(shell find qstore_tf/cc -type f)

# Tools that make and check wheels, and a cross-compiler: 300 MB that nothing else needs.
WHEELS := .ci-venvs/wheels
WHEEL_TOOLS := ziglang==0.17.1 auditwheel==6.8.2 twine==7.0.0 build==1.6.1 'setuptools>=70.1,<82'
PLATFORMS := manylinux_2_27_x86_64 manylinux_2_27_aarch64

.PHONY: help demo test bench bench-distributed bench-ionq bench-store bench-routing bench-adaptive conformance lint wheel wheels \
	$(PLATFORMS) clean

help:
	@echo "make demo   train a hybrid quantum-classical model on images of digits"
	@echo "make test   style, types, and all tests with coverage"
	@echo "make bench  measure speed beside other frameworks (builds their environments)"
	@echo "make bench-distributed  measure two workers on two cores against one"
	@echo "make bench-ionq  compare compilers to IonQ's native gates (builds their environments)"
	@echo "make bench-store  compare the database with other stores (builds their environment)"
	@echo "make bench-routing  measure a Router beside one backend, and a Pool of three local IonQs"
	@echo "make bench-adaptive  compare adaptive shots and depths with fixed ones"
	@echo "make conformance  run clients of IonQ and Pinecone, as they are, against local ones (the same)"
	@echo "make lint   style and types only"
	@echo "make wheel  build the source distribution and a wheel for this machine into dist/"
	@echo "make wheels build the source distribution and the wheels for publishing, and check them"
	@echo "make clean  delete the environment and everything built"

demo: $(INSTALLED)
	$(BIN)/qstore train

test: lint
	$(BIN)/python -m pytest --cov=qstore_tf --cov-report=term --cov-fail-under=90 $(PYTEST_ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy qstore_tf k8s/objects.py k8s/checks k8s/local_runner

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py

bench-distributed: $(INSTALLED)
	$(BIN)/python benchmarks/distributed.py

bench-ionq: $(INSTALLED)
	$(BIN)/python benchmarks/ionq.py

# A goal that is missed does not end the rest.
bench-store: $(INSTALLED)
	-$(BIN)/python benchmarks/store.py
	-$(BIN)/python benchmarks/store_index.py
	-$(BIN)/python benchmarks/store_catalog.py
	-$(BIN)/python benchmarks/store_catalog.py --sync-ms 3
	-$(BIN)/python benchmarks/store_cache.py

bench-routing: $(INSTALLED)
	$(BIN)/python benchmarks/router.py
	$(BIN)/python benchmarks/pool.py

bench-adaptive: $(INSTALLED)
	$(BIN)/python benchmarks/adaptive.py

conformance: $(INSTALLED)
	$(BIN)/python tests/conformance/run.py

wheel: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build

# The wheels are made from the source distribution, so that it is seen to be complete, and are the
# same bytes whenever and wherever they are made of one commit.
wheels: export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
wheels: $(WHEELS)/.installed
	rm -rf dist
	$(WHEELS)/bin/python -m build --no-isolation --sdist
	$(MAKE) -j2 $(PLATFORMS)
	$(WHEELS)/bin/python .ci/check_wheels.py dist/*.whl
	$(WHEELS)/bin/python -m twine check --strict dist/*

# Side by side: each builds its own C++ runtime the first time, on one core.
$(PLATFORMS):
	QSTORE_PLATFORM=$@ QSTORE_REQUIRE_NATIVE=1 $(WHEELS)/bin/python -m pip wheel --quiet \
		--no-deps --no-build-isolation --wheel-dir dist dist/qstore_tf-*.tar.gz

$(WHEELS)/.installed: Makefile | $(BIN)/python
	rm -rf $(WHEELS)
	$(BIN)/python -m venv $(WHEELS)
	$(WHEELS)/bin/python -m pip install --quiet --upgrade pip
	$(WHEELS)/bin/python -m pip install --quiet $(WHEEL_TOOLS)
	@touch $@

clean:
	rm -rf $(VENV) .ci-venvs .bench-venvs build dist *.egg-info qstore_tf/ops/*.so
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

# python3.11 first: the newest for which every peer and every TensorFlow has a wheel.
$(BIN)/python:
	@set -e; for python in $(PYTHON) python3.11 python3.12 python3.10 python3.13 python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
			echo "Setting up $(VENV) with $$python"; \
			"$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
			exit 0; \
		fi; \
	done; \
	echo "No Python 3.10 or newer found. Install one, or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(INSTALLED): $(BUILD_INPUTS) | $(BIN)/python
	@echo "Installing into $(VENV): downloads TensorFlow, compiles the op library (minutes)"
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@
