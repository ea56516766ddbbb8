PYTHON ?= python3
BIN := .venv/bin
SOUNDS ?=
# Test processes, each with one thread and up to 2 GB
JOBS ?= 2

.PHONY: install demo test lint clean

install: .venv/installed

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[cpu,video,asr,onnx,dev]"
	@touch $@

demo: install
	$(BIN)/mmasc demo $(if $(SOUNDS),"$(SOUNDS)")

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile

clean:
	rm -rf .venv build dist *.egg-info
