PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
SOUNDS ?=
# Test processes, each with one thread and up to 2 GB
JOBS ?= 2

# Without kept bytecode each of the many processes of the tests compiles torch, and all else, again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test pytest test-slow lint docs dist demo-of-wheel clean

install: .venv/installed

# Python compiles a module when it is first loaded; compiling the 22,000 that come along beforehand takes minutes
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[cpu,video,asr,onnx,web,dev]"
	@touch $@

demo: install
	$(BIN)/mmasc demo $(if $(SOUNDS),"$(SOUNDS)")

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Both at once: a check of types keeps one core busy for a minute
test: install
	$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Minutes each: what a test of everyday leaves out
test-slow: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow

docs: install
	$(BIN)/zensical build --strict --config-file .mkdocs.yml

dist: install
	rm -rf dist
	$(BIN)/python -m build --outdir dist

# What a user gets from the wheel alone, outside of the clone
demo-of-wheel: dist
	rm -rf build/wheel
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --disable-pip-version-check "$$(echo dist/*.whl)[cpu,video]"
	cd build && wheel/bin/mmasc demo

clean:
	rm -rf .venv build dist *.egg-info
