# What can be done here. `make help` lists it; a fresh machine needs Python 3.11 or later, make and git.

PYTHON    ?= python3
UV        := $(shell command -v uv 2>/dev/null)
BIN       := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY     := .venv/ready
READY_DEV := .venv/ready-dev
PROJECT   := $(filter-out %/test_lab.py,$(sort $(wildcard tests/project/test_*.py)))

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export PYTHONUTF8 := 1
unexport VIRTUAL_ENV
unexport PYTHONDONTWRITEBYTECODE
ifneq ($(OS),Windows_NT)
export PATH := $(CURDIR)/$(BIN):$(PATH)
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run lab check test lint types layers project lessons tests format notebooks bench test-lowest hooks constraints clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1~\2/p' Makefile | awk -F'~' '{ printf "%-20s %s\n", $$1, $$2 }'

# ---------------------------------------------------------------------------------------------- for everybody
run: $(READY)  ## set up, then run the pipeline on the built-in example (settings.ini): about three minutes
	@$(BIN)/mlkit run

lab: $(READY)  ## set up, then open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/nbs/index.ipynb --LabApp.news_url=None

# ---------------------------------------------------------------------------------------------- for authors
check: lint types layers project  ## what takes no minute: code, types, layers, notebooks clean and exported, README.md

test: check lessons tests  ## check, then every notebook and every test: all that continuous integration runs

notebooks: format  ## after editing a notebook: format, export the library, clean the notebooks, make README.md and docs
	@$(BIN)/nbdev-export
	@$(BIN)/nbdev-clean
	@$(BIN)/python tools/fold.py
	@$(BIN)/python tools/readme.py > README.md.new && mv README.md.new README.md
	@$(BIN)/python tools/api.py
	@$(BIN)/python tools/house.py

format: $(READY_DEV)  ## format notebooks, tests and tools, and sort their imports
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format --quiet .

bench: $(READY_DEV)  ## measure runs, large and wide tables, explanations, serving, intervals, verdicts, leaks, promotions, monitoring, budgets, and the quality of models
	@$(BIN)/python tests/bench/pipeline.py
	@$(BIN)/python tests/bench/table.py
	@$(BIN)/python tests/bench/wide.py
	@$(BIN)/python tests/bench/explain.py
	@$(BIN)/python tests/bench/serving.py
	@$(BIN)/python tests/bench/siege.py 60
	@$(BIN)/python tests/bench/intervals.py
	@$(BIN)/python tests/bench/verdicts.py
	@$(BIN)/python tests/bench/leaks.py
	@$(BIN)/python tests/bench/gate.py
	@$(BIN)/python tests/bench/monitor.py
	@$(BIN)/python tests/bench/budget.py
	@$(BIN)/python tests/bench/quality.py
	@$(BIN)/python tests/bench/batch.py

# The oldest Python and the oldest of each package that pyproject.toml asks for, extras too, in an environment of their own.
LOWEST := build/lowest
CORE   := tests/data/test_table.py tests/inference/test_predictor.py tests/inference/test_signing.py \
          tests/packaging/test_onnx_export.py tests/pipeline/test_frames.py tests/quality/test_leakage.py \
          tests/security/test_secrets.py tests/serving/test_start_and_end.py tests/sources/test_readers.py \
          tests/stages/test_explain.py

test-lowest: $(READY_DEV)  ## prove the lower bounds of pyproject.toml: core tests with the oldest packages it allows
	@echo "== test-lowest: pytest with the oldest packages"
	@mkdir -p build
	@uv venv --quiet --clear --python 3.11 $(LOWEST)
	@uv pip compile --quiet --no-header --no-annotate --resolution lowest-direct --python-version 3.11 --all-extras pyproject.toml -o $(LOWEST).txt
	@uv pip install --quiet --python $(LOWEST) --constraints $(LOWEST).txt -r $(LOWEST).txt pytest pytest-timeout hypothesis -e .
	@$(LOWEST)/bin/python -m pytest -q $(CORE) || { echo "make test-lowest: a package is too old for the above. Raise its lower bound in pyproject.toml, then 'make constraints'." >&2; exit 1; }

hooks: $(READY_DEV)  ## let Git run the checks that a commit touches before it is made (pre-commit)
	@$(BIN)/pre-commit install

constraints:  ## pin what pyproject.toml asks for; UPGRADE=1: the newest versions that go together (needs uv)
	@$(if $(UV),,echo "make constraints: needs uv, see https://docs.astral.sh/uv/" >&2; exit 1)
	@$(PYTHON) tools/constraints.py compile $(if $(UPGRADE),--upgrade)

clean:  ## remove what builds and checks left behind; .venv and runs/ stay
	@rm -rf build dist _docs _proc *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage

# ---------------------------------------------------------------------------------------------- what `make test` is made of
lint: $(READY_DEV)
	@echo "== lint: ruff"
	@$(BIN)/ruff check --quiet --output-format concise . || { echo "make lint: ruff found the above. In mlkit/, mend the notebook that is named at the top of the file, then 'make notebooks'." >&2; exit 1; }
	@$(BIN)/ruff format --quiet --check . || { echo "make lint: some files are not formatted ('.venv/bin/ruff format --check .' lists them). To mend it: 'make notebooks' ('make format' if no notebook is among them)." >&2; exit 1; }

types: $(READY_DEV)
	@echo "== types: mypy"
	@$(BIN)/mypy --no-error-summary mlkit tests/project/user_script.py || { echo "make types: mypy found the above. Mend the notebook that is named at the top of the file, then 'make notebooks'." >&2; exit 1; }

layers: $(READY_DEV)
	@echo "== layers: import-linter"
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; echo "make layers: a module imports one from a layer above it. Mend the import in the notebook, then 'make notebooks'; a new room gets its layer in pyproject.toml." >&2; exit 1; }

project: $(READY_DEV)
	@echo "== project: notebooks, library and README agree"
	@$(BIN)/pytest -q --no-header -n 2 $(PROJECT)

lessons: $(READY_DEV)
	@echo "== lessons: every notebook runs"
	@$(BIN)/python tools/on_a_copy.py python tools/lessons.py || { echo "make lessons: the notebooks named above do not run. Open them with 'make lab', mend, then 'make notebooks'." >&2; exit 1; }

tests: $(READY_DEV)
	@echo "== tests: pytest"
	@$(BIN)/pytest tests -n 2 --dist loadfile --no-loadscope-reorder --durations=30 $(PROJECT:%=--ignore=%)

# ---------------------------------------------------------------------------------------------- the environment
# One .venv in two steps: a user's, and on top of it an author's. Each is made once, and gone through again when
# pyproject.toml or constraints.txt change; what is there already stays. uv is used where it is, because it is faster.
# Nothing is compiled ahead: that takes longer than all the rest, and three modules of four are never imported. Python
# compiles the others when they first are, and keeps that (hence no PYTHONDONTWRITEBYTECODE).
ifeq ($(UV),)
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check
else
INSTALL := uv pip install --quiet --python .venv
endif

# Who stops pip or uv leaves packages that look installed and are not whole. A mark tells, and .venv is made anew.
UNFINISHED := .venv/unfinished
define install
@touch $(UNFINISHED); trap 'exit 130' HUP INT TERM; $(INSTALL) $(1) || { rm $(UNFINISHED); exit 1; }; rm $(UNFINISHED)
endef

$(READY): pyproject.toml constraints.txt
	@if [ -e $(UNFINISHED) ]; then echo "The last set-up was interrupted."; rm -rf .venv; fi
	@echo "Setting up .venv for users; the first time takes a minute or two."
ifeq ($(UV),)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11. Name a newer one: make PYTHON=python3.13 run" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(INSTALL) 'pip>=24.1'  # older ones trip over extras in a list with hashes
else
	@if $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then uv venv --quiet --allow-existing --python $(PYTHON) .venv; else uv venv --quiet --allow-existing .venv; fi
endif
	@$(BIN)/python tools/constraints.py users > .venv/users.txt
	$(call install,--require-hashes -r .venv/users.txt)
	@PYTHONWARNINGS=ignore $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(READY_DEV): $(READY)
	@if [ -e $(UNFINISHED) ]; then rm $(READY); $(MAKE) --no-print-directory $(READY); fi
	@echo "Setting up .venv for authors; the first time takes another minute."
	$(call install,--require-hashes -r constraints.txt)
	@touch $@
