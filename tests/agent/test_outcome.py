"""How a script ended, in words."""

import json

import pytest

from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.running.counts import Swept
from sdk.running.outcome import RESULT_BYTES, as_told, report_for, sendable, stopped_before_start
from sdk.running.process import Ended, Exit, StopOrder


def ordered(reason, why=""):
    order = StopOrder()
    order.stop(reason, why)
    return order


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


KILLED_BY_NOBODY = (
    "The script was ended by SIGKILL, which nobody here sent; perhaps the machine ran out of "
    "memory."
)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (3, "The script exited with status 3."),
        (-9, KILLED_BY_NOBODY),
        (-11, "The script was ended by SIGSEGV."),
        (-45, "The script was ended by signal 45."),
    ],
)
def test_an_exit_is_explained(code, sentence):
    report = report_for(Exit(code, Ended.BY_ITSELF), StopOrder(), None)
    assert (report.status, report.reason) == ("failed", Reason.SCRIPT_FAILED)
    assert (report.error_message, report.started) == (sentence, "yes")


def test_a_time_limit_is_named():
    report = report_for(Exit(-15, Ended.TIMED_OUT), StopOrder(), 90)
    assert report.reason is Reason.SCRIPT_TIMEOUT
    assert report.error_message == "The script ran past its time limit of 90 seconds."


@pytest.mark.parametrize("reason", [Reason.CANCELED_BY_USER, Reason.OPERATOR, Reason.ROBOT_LOST])
def test_a_stopped_job_failed_even_if_its_script_says_otherwise(reason):
    report = report_for(Exit(0, Ended.STOPPED), ordered(reason), None)
    assert (report.status, report.reason) == ("failed", reason)
    assert stopped_before_start(reason).started == "no"


def test_an_order_may_say_more_than_its_reason():
    order = ordered(Reason.OUT_OF_MEMORY, "The script used 9 bytes.")
    assert report_for(Exit(-9, Ended.STOPPED), order, None).error_message == order.why


def test_an_order_that_came_too_late_does_not_spoil_success():
    report = report_for(Exit(0, Ended.BY_ITSELF), ordered(Reason.CANCELED_BY_USER), None)
    assert report.status == "completed"


def completed_with(tmp_path, content):
    file = tmp_path / "result.json"
    file.write_bytes(content)
    return as_told(report_for(Exit(0, Ended.BY_ITSELF), StopOrder(), None), file.parent)


def test_a_result_is_taken_from_its_file(tmp_path):
    assert completed_with(tmp_path, b'{"n": 1}').result == {"n": 1}


def test_no_result_is_fine(tmp_path):
    report = as_told(report_for(Exit(0, Ended.BY_ITSELF), StopOrder(), None), tmp_path)
    assert (report.status, report.result) == ("completed", None)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"NaN", b"[-Infinity]", b"1e999", b"{'a': 1}", b'"\xff"', b"1 2", b"[" * 100_000,
        b"[" * 64 + b"]" * 64, b" " * (RESULT_BYTES + 1), b'"page 1\\u0000page 2"',
        b'{"\\ud800": 1}', b'"\x00"', b"18446744073709551616", b'{"n": -9223372036854775809}',
        b'{"a": 1, "a": 2}', b"{%s}" % b", ".join(b'"%d": 1' % n for n in range(1001)),
    ],
)  # fmt: skip
def test_a_result_that_is_not_strict_json_fails_the_job(tmp_path, content):
    report = completed_with(tmp_path, content)
    assert (report.status, report.reason) == ("failed", Reason.SCRIPT_FAILED)
    assert report.error_message.startswith("The result of the script")
    assert sendable(report) == report


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 2**53 + 1, "\U0001f600", 1e308, [[[]]] * 9])
def test_a_result_that_fits_is_sent_as_it_is(tmp_path, value):
    report = completed_with(tmp_path, json.dumps(value).encode())
    assert (report.status, report.result) == ("completed", value)
    assert sendable(report) == report


@pytest.mark.parametrize("result", [{"n": 2**63}, ["a\0b"], {"\ud800": 1}, [[], 2**70], deep(64)])
def test_a_report_of_another_version_fails_if_its_result_does_not_fit(result):
    report = sendable(JobReport(status="completed", result=result, error_message="a\0b"))
    assert (report.status, report.result) == ("failed", None)
    assert report.error_message.startswith("The result of the script must be JSON")


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (b'{"reason": "script_failed", "message": "ValueError: no amount"}',
         Reason.SCRIPT_FAILED, "ValueError: no amount. The script exited with status 1."),
        (b'{"reason": "parameters_invalid", "message": "x is missing."}',
         Reason.PARAMETERS_INVALID, "x is missing. The script exited with status 1."),
        (b'{"reason": "robot_lost", "message": "x"}', Reason.SCRIPT_FAILED,
         "The script exited with status 1."),
        (b"\xff", Reason.SCRIPT_FAILED, "The script exited with status 1."),
        (b"[" * 60_000, Reason.SCRIPT_FAILED, "The script exited with status 1."),
        (b'{"reason": "script_failed", "message": "ValueError: bad \\u0000 byte, \\ud800"}',
         Reason.SCRIPT_FAILED,
         "ValueError: bad \ufffd byte, \ufffd. The script exited with status 1."),
    ],
)  # fmt: skip
def test_why_a_function_failed_is_told_if_it_says_so(tmp_path, content, reason, message):
    (tmp_path / "failure.json").write_bytes(content)
    report = as_told(report_for(Exit(1, Ended.BY_ITSELF), StopOrder(), None), tmp_path)
    assert (report.reason, report.error_message) == (reason, message)


def test_whose_fault_it_was_is_told(tmp_path):
    content = b'{"reason": "script_failed", "message": "no", "error_type": "business"}'
    (tmp_path / "failure.json").write_bytes(content)
    report = as_told(report_for(Exit(1, Ended.BY_ITSELF), StopOrder(), None), tmp_path)
    assert report.error_type == "business"


def test_what_had_to_be_killed_is_in_the_record():
    canceled, ending = ordered(Reason.CANCELED_BY_USER), Exit(0, Ended.STOPPED, Swept(7), 1.84)
    said = report_for(ending, canceled, None).error_message
    assert said == "The job was canceled. 7 processes were killed, 0 left, after 1.8 s."
    said = report_for(Exit(-9, Ended.BY_ITSELF, Swept(1, 2)), StopOrder(), None).error_message
    assert said.endswith("1 process was killed, 2 left, after 0.0 s.")
