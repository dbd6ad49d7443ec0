# Both targets set themselves up: .venv is made once and used again until pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
STUDY ?= studies/lambda_sweep.yaml
ARGS ?=

.PHONY: study test faults docs lint clean

study: $(VENV)/.installed
	$(VENV)/bin/python -m fer_tune.run $(STUDY) $(ARGS)

test: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest

faults: $(VENV)/.installed-dev
	FER_TUNE_KILLS=20 FER_TUNE_FUZZ=6 $(VENV)/bin/python -m pytest tests/test_faults.py tests/test_fuzz.py

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
