PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs clean

demo: .venv/ready  ## a server, a robot and three packages at work: make demo [ARGS=--once]
	$(BIN)/orchestrator demo $(ARGS)

test: .venv/ready  ## everything, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest $(ARGS)

check: .venv/ready  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/ready  ## write docs/api.md anew from the route tables
	$(BIN)/python docs/generate_api.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	touch $@
