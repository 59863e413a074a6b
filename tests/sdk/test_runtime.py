"""What a script sees of its job, in real processes where the environment matters."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sdk.runtime.job import MESSAGE_CHARACTERS, Job

ROOT = Path(__file__).parents[2]
VARIABLES = ("PARAMETERS", "RESULT", "PROGRESS", "JOB_ID", "ATTEMPT", "IDEMPOTENCY_KEY")


@pytest.fixture(autouse=True)
def _no_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"RUNWRIGHT_{name}", raising=False)


@pytest.fixture
def on_a_robot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the three files; `parameters.json` is for the test to write."""
    for name in ("PARAMETERS", "RESULT", "PROGRESS"):
        monkeypatch.setenv(f"RUNWRIGHT_{name}", str(tmp_path / f"{name.lower()}.json"))
    return tmp_path


def run(code: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return ended.stdout


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_importing_the_runtime_loads_only_the_standard_library() -> None:
    code = """
import json, sys
before = set(sys.modules)
import sdk.runtime
print(json.dumps(sorted(set(sys.modules) - before)))
"""

    loaded = {name.partition(".")[0] for name in json.loads(run(code))}

    assert "sdk" in loaded
    assert loaded - sys.stdlib_module_names == {"sdk"}


def test_importing_the_runtime_loads_nothing_slow() -> None:
    code = "import json, sys, sdk.runtime; print(json.dumps(sorted(sys.modules)))"

    loaded = set(json.loads(run(code)))

    assert not loaded & {"asyncio", "dataclasses", "urllib.request", "tempfile", "sdk.contract"}


def test_a_script_reads_who_it_is_and_hands_over_its_result(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text('{"city": "Århus"}', encoding="utf-8")
    code = """
from sdk.runtime import job
job.result = [job.id, job.attempt, job.idempotency_key, job.parameters["city"]]
"""

    run(
        code,
        RUNWRIGHT_JOB_ID="7",
        RUNWRIGHT_ATTEMPT="2",
        RUNWRIGHT_IDEMPOTENCY_KEY="k-7",
        RUNWRIGHT_PARAMETERS=str(tmp_path / "parameters.json"),
        RUNWRIGHT_RESULT=str(tmp_path / "result.json"),
    )

    assert read(tmp_path / "result.json") == [7, 2, "k-7", "Århus"]


def test_outside_a_robot_everything_works_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job()

    job.result = {"rows": 3}
    job.progress(0.5, "half\nof it")

    assert (job.id, job.attempt, job.parameters, job.result) == (0, 1, {}, {"rows": 3})
    assert capsys.readouterr() == ("", "50% half of it\n")
    assert list(tmp_path.iterdir()) == []


def test_two_runs_outside_a_robot_do_not_share_an_idempotency_key() -> None:
    first, second = Job(), Job()

    assert first.idempotency_key == first.idempotency_key != second.idempotency_key


def test_parameters_are_read_when_first_asked_for_and_once(on_a_robot: Path) -> None:
    job = Job()
    (on_a_robot / "parameters.json").write_text('{"a": 1}', encoding="utf-8")
    first = job.parameters
    (on_a_robot / "parameters.json").unlink()

    assert job.parameters is first
    assert first == {"a": 1}


def test_parameters_that_are_no_object_are_refused(on_a_robot: Path) -> None:
    (on_a_robot / "parameters.json").write_text("[1]", encoding="utf-8")

    with pytest.raises(ValueError, match=r"are a JSON object, and .* holds a list"):
        _ = Job().parameters


def test_the_last_result_counts(on_a_robot: Path) -> None:
    job = Job()

    job.result = "first"
    job.result = {"ж": "last"}

    assert job.result == {"ж": "last"}
    assert read(on_a_robot / "result.json") == {"ж": "last"}
    assert [path.name for path in on_a_robot.iterdir()] == ["result.json"]


def endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({1, 2}, TypeError),
        (b"bytes", TypeError),
        ({(1, 2): 3}, TypeError),
        (math.nan, ValueError),
        ({"deep": [math.inf]}, ValueError),
        (endless(), ValueError),
        ("half a pair: \ud800", ValueError),
        ("page 1\0page 2", ValueError),
        ({"iban": 12345678901234567890123}, ValueError),
        (2**63, ValueError),
        ({1: "a", "1": "b"}, ValueError),
        (dict.fromkeys(range(1001)), ValueError),
        (json.loads("[" * 64 + "]" * 64), ValueError),
    ],
)
def test_a_result_that_is_not_json_is_refused_and_the_one_before_stays(
    on_a_robot: Path, value: object, error: type[Exception]
) -> None:
    job = Job()
    job.result = "good"

    with pytest.raises(error, match="The result of a job must be JSON"):
        job.result = value

    assert job.result == "good"
    assert read(on_a_robot / "result.json") == "good"


def test_progress_says_how_much_is_done_and_cuts_a_long_message(on_a_robot: Path) -> None:
    Job().progress(1, "ü" * 500)

    written = read(on_a_robot / "progress.json")
    assert written == {"fraction": 1.0, "message": "ü" * MESSAGE_CHARACTERS}
    assert [path.name for path in on_a_robot.iterdir()] == ["progress.json"]


@pytest.mark.parametrize("fraction", [-0.01, 1.01, math.nan, math.inf])
def test_progress_outside_nought_and_one_is_refused(on_a_robot: Path, fraction: float) -> None:
    with pytest.raises(ValueError, match="a fraction from 0 to 1"):
        Job().progress(fraction)

    assert list(on_a_robot.iterdir()) == []


def test_an_undecodable_file_name_in_a_message_does_not_end_the_job(on_a_robot: Path) -> None:
    Job().progress(0.25, "reading \udcff.txt")

    assert read(on_a_robot / "progress.json")["message"] == "reading \ufffd.txt"


def test_progress_that_cannot_be_written_is_said_and_does_not_end_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNWRIGHT_PROGRESS", str(tmp_path / "missing" / "progress.json"))

    Job().progress(0.5)

    assert "Progress could not be written" in capsys.readouterr().err


def test_a_reader_never_sees_half_a_progress(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    code = """
from sdk.runtime import job
for count in range(3000):
    job.progress(count / 3000, "x" * (count % 200))
"""
    environment = {**os.environ, "RUNWRIGHT_PROGRESS": str(path)}

    seen = 0
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment) as script:
        while script.poll() is None:
            if path.exists():
                assert set(read(path)) == {"fraction", "message"}
                seen += 1

    assert seen > 0
    assert script.returncode == 0
