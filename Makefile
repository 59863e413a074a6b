PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test faults soak mutants check docs fuzz bench audit sbom lowest clean

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

audit: .venv/ready  ## known vulnerabilities of our dependencies; says so if nobody can be asked
	.ci/audit $(ARGS)

sbom: .venv/ready  ## what is in an installation, as CycloneDX: dist/runwright.cdx.json
	mkdir -p dist
	$(BIN)/uv export --quiet --frozen --all-extras --no-dev --format cyclonedx1.5 \
		--preview-features sbom-export --output-file dist/runwright.cdx.json

lowest: .venv-lowest/ready  ## the lowest versions that pyproject.toml allows: do they work?
	.venv-lowest/bin/python -m pytest -m "not slow" -n auto --dist loadfile -p no:cacheprovider \
		$(or $(ARGS),$(LOWEST))

clean:
	rm -rf .venv .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One file or folder for each library that we call, with the databases of the machine.
LOWEST := tests/test_contract.py tests/db/test_group_commit.py tests/db/test_queries.py \
	tests/db/test_values.py tests/sdk/test_packaging.py tests/sdk/test_login.py \
	tests/sdk/test_transport.py tests/server/http/test_protocol.py tests/server/http/test_known.py \
	tests/server/objects tests/server/packages tests/server/test_parameters.py \
	tests/server/test_keys.py tests/agent/test_work.py tests/agent/test_environments.py

.venv-lowest/ready: .venv/ready
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct \
		--editable '.[all]'
	$(BIN)/uv pip install --quiet --python .venv-lowest --group dev  # whatever fits to these
	touch $@

.venv/ready: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv sync --quiet --frozen --all-extras --python $(BIN)/python
	touch $@
