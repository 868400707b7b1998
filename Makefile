# Everything that is done with this repository. Needs git, make and Python 3.11 or newer; each target sets up what
# it needs in .venv/ and build/.
#
#   make demo           Moodle's data becomes rooms on a real Synapse, before your eyes (ONCE=1: play it once and end)
#   make test           unit tests and tests against a real Synapse and PostgreSQL     (ARGS="-k name")
#   make test-browser   tests with a real client in Chromium; needs chromium, node and npm (ARGS="-k name")
#   make lint           ruff, mypy and the layer contracts
#   make docs           write what docs/ takes from the code; make docs-check fails where that is out of date
#   make translations   collect what people read from the code and compile the catalogues; says what is not translated
#   make bench          the quick benchmarks, as listed in bench/QUICK
#   make sbom           the bill of materials of a release, build/sbom.json
#   make lock           choose new versions of all packages (needs PYTHON=python3.11)
#   make clean          remove whatever these targets made

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test test-browser bench lint docs docs-check translations sbom lock clean

VENV := .venv
BIN := $(VENV)/bin
# A named PYTHON is taken or refused; without one the first that will do is taken.
PYTHON ?=
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
ARGS ?=
ONCE ?=

# The tests start the service hundreds of times: what was compiled for one start must be there for the next.
unexport PYTHONDONTWRITEBYTECODE

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

venv: $(VENV)/.project

$(VENV)/.requirements: requirements/test.txt
	@for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$("$$python" -V)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "None of these is a Python 3.11 or newer with the module venv: $(CANDIDATES)." >&2; \
	echo "Install one (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
	  -r requirements/test.txt
	@touch $@

$(VENV)/.project: $(VENV)/.requirements pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: venv
	$(BIN)/moodle-appservice demo $(if $(filter-out 0,$(ONCE)),--once)

# One more than there are processors, for they wait for homeservers half of the time; more than six only start more of
# these.
WORKERS := $(shell cores=$$(nproc 2>/dev/null || echo 2); [ $$cores -lt 6 ] && echo $$((cores + 1)) || echo 6)

test: venv
	$(BIN)/python -m pytest -m "not browser" --numprocesses $(WORKERS) \
	  --junitxml=build/test-results.xml $(ARGS)

test-browser: venv
	$(BIN)/python -m pytest -m browser --junitxml=build/test-browser-results.xml tests/browser $(ARGS)

# Each line of bench/QUICK is a script in bench/ and its arguments.
bench: venv
	@[ -e bench/QUICK ] || { echo "bench/QUICK lists no benchmark."; exit 0; }; \
	sed -e 's/#.*//' -e '/^ *$$/d' bench/QUICK | while read -r script arguments; do \
	  echo "== $$script $$arguments"; \
	  $(BIN)/python "bench/$$script" $$arguments </dev/null || exit 1; \
	done

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

sbom: venv
	@mkdir -p build
	$(BIN)/python -m release.sbom > build/sbom.json

docs: venv
	$(BIN)/python -m docs.generate

docs-check: venv
	$(BIN)/python -m docs.generate --check
	$(BIN)/python -m translations --check

translations: venv
	$(BIN)/python -m translations

# The oldest Python that we support decides, for what it needs is what newer ones need or less. What one machine's
# pip is told to look at must not end in the lock, so its settings are left out.
COMPILE := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
  $(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "The lock is made with Python 3.11: make clean, then make lock PYTHON=python3.11" >&2; exit 1; }
	$(COMPILE) --extra cluster --extra demo --extra test --build-deps-for editable -o requirements/test.txt pyproject.toml
	$(COMPILE) -c requirements/test.txt -o requirements/run.txt pyproject.toml
	$(COMPILE) -c requirements/test.txt --extra cluster -o requirements/cluster.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
