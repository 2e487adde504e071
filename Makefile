# make train, make test; make help lists the rest.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
# folders whose tests hardly train and start hardly any command, which is what takes long
QUICK := $(addprefix tests/,checkpoints config decoding io losses metrics music networks optim page \
  representations system test_docs.py test_imports.py)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
LOWEST := $(VENV)-lowest

# prints NAME==VERSION of each dependency, where VERSION is its lower bound or, of torch, the argument
define OLDEST
import re, sys, tomllib
for line in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    name, version = re.match(r"([\w-]+)>=([\d.]+)", line).groups()
    print(f"{name}=={sys.argv[1] if name == 'torch' and sys.argv[1:] else version}")
endef
export OLDEST

.PHONY: help train test test-quick test-lowest test-ray check bench notebook format clean
.DEFAULT_GOAL := help

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

train: $(VENV)/.installed ## train; ARGS="KEY=VALUE ..." passes overrides
	$(BIN)/python -m gan_music.train $(ARGS)

# One thread a process: the tests' networks are slower on two.
test: $(VENV)/.installed-test ## run the tests; ARGS="..." passes options to pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(TESTS) $(ARGS)

test-quick: ## run the tests that take two minutes
	$(MAKE) test TESTS="$(QUICK)"

# The lowest torch brings gigabytes of CUDA: where that is too much, TORCH=2.13.0, say.
test-lowest: ## train and sample once with the oldest versions that pyproject.toml allows (Python 3.11); TORCH=VERSION for another torch
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -c "$$OLDEST" $(TORCH) > $(LOWEST)/versions.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -r $(LOWEST)/versions.txt -e .
	$(LOWEST)/bin/python -m gan_music.train debug=fast hydra.run.dir=$(LOWEST)/run
	$(LOWEST)/bin/python -m gan_music.generate n_pieces=1 n_bars=4 format=mid,musicxml,png out=$(LOWEST)/run/music

# docs/machines.md says why without its dependencies
test-ray: $(VENV)/.installed-test ## install Ray, and test hydra/launcher=ray
	$(BIN)/python -m pip install --quiet 'ray[default]<3' boto3
	$(BIN)/python -m pip install --quiet --no-deps hydra-ray-launcher
	$(BIN)/python -m pytest -m slow tests/test_launchers.py $(ARGS)

check: $(VENV)/.installed-test ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## time what ought to be fast
	$(BIN)/python benchmarks/training_overhead.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/gan_step.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/reading.py

notebook: $(VENV)/.installed-notebook ## the whole way in Jupyter
	$(BIN)/python -m jupyterlab --ServerApp.root_dir=. notebooks/walk.ipynb

format: $(VENV)/.installed-test ## format the code, and mend what lint can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) $(LOWEST) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gan_music needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.12 ..."; \
	  exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "no virtual environment could be made: on Debian and Ubuntu, apt install python3-venv"; \
	  rm -rf $(VENV); exit 1; }

# the stamps are made last: an install that was cut off starts again
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing gan_music into $(VENV) (the first time takes minutes)"
	$(PIP) -e '.[audio]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.installed-notebook: $(VENV)/.installed
	$(PIP) -e '.[notebook]'
	@touch $@
