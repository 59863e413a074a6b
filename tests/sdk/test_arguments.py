"""From parameters to arguments of the types that annotations name, and from results to JSON."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from sdk.running.command import LAUNCHER
from sdk.runtime.arguments import DoNotFit, as_json, converted

ROOT = Path(__file__).parents[2]


class Color(Enum):
    RED = "red"


def takes(annotation: Any) -> Any:
    def main(x):
        return x

    main.__annotations__ = {"x": annotation}
    return main


@pytest.mark.parametrize(
    ("annotation", "given", "got"),
    [
        (Path, "a/b", Path("a/b")),
        (date, "2030-01-02", date(2030, 1, 2)),
        (datetime, "2030-01-02T03:04:05+00:00", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, 7, Decimal(7)),
        (UUID, "00000000-0000-0000-0000-000000000007", UUID(int=7)),
        (Color, "red", Color.RED),
        (float, 7, 7.0),
        (int | None, None, None),
        (Path | None, "a", Path("a")),
        (list[Path], ["a", "b"], [Path("a"), Path("b")]),
        (set[int], [1, 1], {1}),
        (dict[str, date], {"a": "2030-01-02"}, {"a": date(2030, 1, 2)}),
        (Annotated[Path, "where"], "a", Path("a")),
        (Literal["a", "b"], "a", "a"),
        (Any, {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_becomes_what_its_annotation_names(annotation, given, got):
    assert converted(takes(annotation), {"x": given}) == {"x": got}


@pytest.mark.parametrize(
    ("annotation", "given"),
    [(int, "7"), (int, True), (bool, 1), (str, 7), (float, "x"), (Path, 7), (date, "tomorrow"),
     (Color, "blue"), (Decimal, "x"), (int | None, "x"), (list[int], ["x"])],
)  # fmt: skip
def test_what_does_not_fit_is_named(annotation, given):
    with pytest.raises(DoNotFit, match="The parameter x does not fit"):
        converted(takes(annotation), {"x": given})


@pytest.mark.parametrize(("annotation", "noun"), [(int, "an int"), (bool, "a bool")])
def test_what_does_not_fit_is_a_sentence(annotation, noun):
    with pytest.raises(DoNotFit, match=f"The parameter x does not fit: 'y' is not {noun}\\.$"):
        converted(takes(annotation), {"x": "y"})


@pytest.mark.parametrize("parameters", [{}, {"x": 1, "y": 2}])
def test_a_missing_or_unknown_parameter_is_named_before_anything_runs(parameters):
    with pytest.raises(DoNotFit, match=r"x|y"):
        converted(takes(int), parameters)


def test_what_is_returned_becomes_json():
    @dataclass
    class Report:
        at: date
        files: list[Path]
        color: Color
        total: Decimal

    report = Report(date(2030, 1, 2), [Path("a")], Color.RED, Decimal("1.10"))
    assert as_json(report) == {
        "at": "2030-01-02", "files": ["a"], "color": "red", "total": "1.10"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parameters", "reason", "says"),
    [
        ("def main(): raise SystemExit('user locked')", "{}", "script_failed", "user locked"),
        ("raise SystemExit(('user', 1))", "{}", "script_failed", "('user', 1)"),
        ("def main(): raise SystemExit(256)", "{}", "script_failed", "sys.exit(256)"),
        ("async def main(): raise SystemExit(-512)", "{}", "script_failed", "sys.exit(-512)"),
        ("def main(): raise SystemExit(2**40)", "{}", "script_failed", "sys.exit(1099511627776)"),
        ("def main(n): ...", "{}", "parameters_invalid", "missing a required argument: 'n'"),
        ("def other(): ...", "{}", "script_failed", "has no function main; it has other"),
        ("def main(n: int): ...", '{"n": "x"}', "parameters_invalid", "The parameter n"),
        ("def main(): raise ValueError('no amount')", "{}", "script_failed", "no amount"),
        (r"def main(): raise ValueError('a \0 and \ud800')", "{}", "script_failed",
         "a \ufffd and \ufffd"),
        (r"def main(): return {'iban': 10**22}", "{}", "script_failed",
         "must be JSON, and this is not: a whole number needs more than 64 bits"),
        (r"def main(): return 'page 1\0page 2'", "{}", "script_failed", "NUL"),
        (r"def main(): return open", "{}", "script_failed", "The result of a job must be JSON"),
        ("import nothing_of_that_name", "{}", "script_failed", "ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_why_it_failed_is_told_to_the_robot(tmp_path, text, parameters, reason, says):
    status, told = called(tmp_path, text, parameters)
    assert (status, told["reason"], says in told["message"]) == (1, reason, True)


@pytest.mark.parametrize(
    ("code", "status"), [("", 0), ("0", 0), ("3", 3), ("False", 0), ("True", 1), ("257", 1)]
)
def test_a_number_is_an_exit_status_and_no_reason(tmp_path, code, status):
    assert called(tmp_path, f"import sys\ndef main(): sys.exit({code})") == (status, None)


def called(tmp_path, text, parameters="{}"):
    """The exit status, and what is told to the robot."""
    (tmp_path / "main.py").write_text(text)
    (tmp_path / "parameters.json").write_text(parameters)
    ended = subprocess.run(
        [sys.executable, str(LAUNCHER), "main", str(tmp_path / "main.py")],
        env={
            "PYTHONPATH": str(ROOT),
            "RUNWRIGHT_PARAMETERS": str(tmp_path / "parameters.json"),
            "RUNWRIGHT_FAILURE": str(tmp_path / "failure.json"),
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    told = tmp_path / "failure.json"
    return ended.returncode, json.loads(told.read_text()) if told.exists() else None
