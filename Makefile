PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test faults soak mutants check docs fuzz bench clean

demo: .venv/ready  ## a server, a robot and three packages at work: make demo [ARGS=--once]
	$(BIN)/orchestrator demo $(ARGS)

test: .venv/ready  ## every promise, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile $(ARGS)

faults: .venv/ready  ## all faults, also those that take long: make faults [ARGS='-k disk']
	$(BIN)/python -m pytest tests/faults tests/machine tests/soak -n auto --dist loadfile $(ARGS)

soak: .venv/ready  ## robots and trouble for long, and nothing grows: make soak [MINUTES=5] [SEED=7]
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),5) --seed $(or $(SEED),7) $(ARGS)

mutants: .venv/ready  ## deliberate bugs, each of which the tests must catch
	$(BIN)/python -m tests.machine.mutants $(ARGS)

check: .venv/ready  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 -p robot_agent -p sdk.running  # no test of ours runs there

docs: .venv/ready  ## write docs/api.md and sdk/client/ anew from the route tables
	$(BIN)/python docs/generate_api.py
	$(BIN)/python -m docs.generate_client

fuzz: .venv/ready  ## ask the server whatever its API allows, for longer: make fuzz [EXAMPLES=200]
	RUNWRIGHT_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/program/test_fuzz.py

bench: .venv/ready  ## measure, and write docs/performance.md: QUICK=1 in three minutes, PEERS=1 beside others
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(PEERS),--peers) $(ARGS)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	touch $@
