# What can be done here. `make help` lists it; a fresh machine needs Python 3.11 or later, make and git.

PYTHON ?= python3
UV     := $(shell command -v uv 2>/dev/null)
BIN    := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY  := .venv/ready

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export PYTHONUTF8 := 1
unexport VIRTUAL_ENV
ifneq ($(OS),Windows_NT)
export PATH := $(CURDIR)/$(BIN):$(PATH)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint types layers project lessons tests lab notebooks bench constraints clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1~\2/p' Makefile | awk -F'~' '{ printf "%-20s %s\n", $$1, $$2 }'

# ---------------------------------------------------------------------------------------------- for everybody
run: $(READY)  ## set up, then run the pipeline on the built-in example (settings.ini)
	@$(BIN)/mlkit run

test: lint types layers project lessons tests  ## set up, then run everything that continuous integration runs

lab: $(READY)  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/index.ipynb

# ---------------------------------------------------------------------------------------------- for authors
notebooks: $(READY)  ## after editing a notebook: export the library, clean the notebooks, make README.md
	@$(BIN)/nbdev-export
	@$(BIN)/nbdev-clean
	@$(BIN)/python tools/readme.py > README.md.new && mv README.md.new README.md

bench: $(READY)  ## measure runs, large tables, explanations, serving, intervals, verdicts, and the quality of models
	@$(BIN)/python tests/bench/pipeline.py
	@$(BIN)/python tests/bench/table.py
	@$(BIN)/python tests/bench/explain.py
	@$(BIN)/python tests/bench/serving.py
	@$(BIN)/python tests/bench/intervals.py
	@$(BIN)/python tests/bench/verdicts.py
	@$(BIN)/python tests/bench/quality.py
	@$(BIN)/python tests/bench/batch.py
	@$(BIN)/python tests/bench/serving.py

constraints:  ## pin the newest versions that go together (needs uv)
	@printf '%s\n' '# The tested set: every package with its version and the hashes of its files.' \
	  '# Made by `make constraints` from pyproject.toml (dependencies, and the dev group). Not to be edited.' \
	  '# For Python 3.11 and later on Linux, macOS (Apple silicon) and Windows.' > constraints.new
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-annotate --no-header pyproject.toml --group dev >> constraints.new || { rm constraints.new; exit 1; }
	@mv constraints.new constraints.txt

clean:  ## remove what builds and checks left behind; .venv and runs/ stay
	@rm -rf build dist _docs _proc *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# ---------------------------------------------------------------------------------------------- what `make test` is made of
lint: $(READY)
	@echo "== lint: ruff"
	@$(BIN)/ruff check --quiet --output-format concise . || { echo "make lint: ruff found the above. In mlkit/, mend the notebook that is named at the top of the file, then 'make notebooks'." >&2; exit 1; }

types: $(READY)
	@echo "== types: mypy"
	@$(BIN)/mypy --no-error-summary mlkit || { echo "make types: mypy found the above. Mend the notebook that is named at the top of the file, then 'make notebooks'." >&2; exit 1; }

layers: $(READY)
	@echo "== layers: import-linter"
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; echo "make layers: a module imports one from a layer above it. Mend the import, or the layers in pyproject.toml." >&2; exit 1; }

project: $(READY)
	@echo "== project: notebooks, library and README agree"
	@$(BIN)/pytest -q --no-header tests/project/test_project.py

lessons: $(READY)
	@echo "== lessons: every notebook runs"
	@$(BIN)/python tools/on_a_copy.py nbdev-test --n-workers 2 --do-print --timing || { echo "make lessons: the notebooks named above do not run. Open them with 'make lab', mend, then 'make notebooks'." >&2; exit 1; }

tests: $(READY)
	@echo "== tests: pytest"
	@$(BIN)/pytest tests --ignore tests/project/test_project.py

# ---------------------------------------------------------------------------------------------- the environment
# Made once, and again when what is wanted changes. uv is used when it is there, because it is faster.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv; the first time takes a few minutes."
ifeq ($(UV),)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11. Name a newer one: make PYTHON=python3.13 run" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=24.1'  # older ones trip over extras in a list with hashes
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
else
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then uv venv --quiet --allow-existing --python $(PYTHON) .venv; else uv venv --quiet --allow-existing .venv; fi
	@uv pip install --quiet --compile-bytecode --python .venv --require-hashes -r constraints.txt
	@uv pip install --quiet --python .venv --no-deps --no-build-isolation -e .
endif
	@touch $@
