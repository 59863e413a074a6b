PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs fuzz bench clean

demo: .venv/ready  ## a server, a robot and three packages at work: make demo [ARGS=--once]
	$(BIN)/orchestrator demo $(ARGS)

test: .venv/ready  ## everything, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest $(ARGS)

check: .venv/ready  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/ready  ## write docs/api.md and sdk/client/ anew from the route tables
	$(BIN)/python docs/generate_api.py
	$(BIN)/python -m docs.generate_client

fuzz: .venv/ready  ## ask the server whatever its API allows, for longer: make fuzz [EXAMPLES=200]
	RUNWRIGHT_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/program/test_fuzz.py

bench: .venv/ready  ## measure, and write docs/performance.md
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	touch $@
