# Every target sets itself up: .venv is made once and used again until pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
PYTEST := $(VENV)/bin/python -m pytest --durations=10
STUDY ?= studies/lambda_sweep.yaml
ARGS ?=

.PHONY: study test test-all docs lint clean

study: $(VENV)/.installed
	$(VENV)/bin/python -m fer_tune.run $(STUDY) $(ARGS)

# First what starts no Ray, in two processes; then, one after the other, what starts Ray or measures time or memory.
test: $(VENV)/.installed-dev
	$(PYTEST) -n 2 --dist loadfile -m "not serial and not long"
	$(PYTEST) -m "serial and not long"

# Also what takes minutes: kills at random moments, six rounds of fuzzing, every shipped study by the command line.
test-all: $(VENV)/.installed-dev
	$(PYTEST) -n 2 --dist loadfile -m "not serial"
	$(PYTEST) -m serial

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/.installed: pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
