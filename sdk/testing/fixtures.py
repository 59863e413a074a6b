"""pytest fixtures: `pytest_plugins = ["sdk.testing.fixtures"]` in a package's conftest.py."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sdk.runtime.job import job
from sdk.testing.orchestrator import Orchestrator


@pytest.fixture
def orchestrator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Orchestrator]:
    """An orchestrator in memory, which the script under test finds."""
    with Orchestrator() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def job_parameters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., None]]:
    """Sets what `job.parameters` is: `job_parameters(limit=3)`."""

    def give(**parameters: Any) -> None:
        path = tmp_path / "parameters.json"
        path.write_text(json.dumps(parameters))
        monkeypatch.setenv("RUNWRIGHT_PARAMETERS", str(path))
        job._parameters = None

    yield give
    job._parameters = None
