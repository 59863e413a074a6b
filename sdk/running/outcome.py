"""What to tell the server about a script that has ended. Pure, but for reading the result."""

import json
import signal
from pathlib import Path
from typing import Any, Literal

import msgspec

from sdk import strict_json
from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.running import regular_files
from sdk.running.counts import NOBODY, Swept
from sdk.running.process import Ended, Exit, StopOrder

NO_JSON = "The result of the script must be JSON, and it is not:"
RESULT_BYTES = 1024 * 1024
FAILURE_BYTES = 64 * 1024

SENTENCES = {
    Reason.CANCELED_BY_USER: "The job was canceled.",
    Reason.OPERATOR: "The agent was told to stop at once, so it stopped the job.",
    Reason.ROBOT_LOST: "The robot lost touch with the server, so it stopped the job.",
    Reason.AGENT_RESTARTED: "The agent was restarted while it had this job.",
}


class BadResult(Exception):
    """The script wrote a result that cannot be sent."""


def report_for(exit: Exit, order: StopOrder, time_limit: float | None) -> JobReport:
    """The report without a result, which only a completed job has."""
    match exit.ended:
        case Ended.STOPPED:
            reason = order.reason or Reason.OPERATOR
            return failed(reason, (order.why or SENTENCES[reason]) + _who_was_killed(exit))
        case Ended.TIMED_OUT:
            message = f"The script ran past its time limit of {time_limit or 0:g} seconds."
            return failed(Reason.SCRIPT_TIMEOUT, message + _who_was_killed(exit))
        case Ended.BY_ITSELF if exit.code == 0:
            return JobReport(status="completed", started="yes")
    return failed(Reason.SCRIPT_FAILED, _exit_sentence(exit.code) + _who_was_killed(exit))


class Failure(msgspec.Struct, frozen=True):
    """What a function that was called says of its exception."""

    reason: Literal["script_failed", "parameters_invalid"]
    message: str
    error_type: Literal["business", "application"] | None = None


def as_told(report: JobReport, folder: Path) -> JobReport:
    """The report with what the script left in its folder: its result, or why it failed."""
    if report.reason is Reason.SCRIPT_FAILED:
        return _with_reason(report, folder / "failure.json")
    if report.status != "completed":
        return report
    try:
        return msgspec.structs.replace(report, result=_read_result(folder / "result.json"))
    except BadResult as error:
        return failed(Reason.SCRIPT_FAILED, str(error))


def sendable(report: JobReport) -> JobReport:
    """The report as the server takes it: what it refuses in a message is replaced, a result with
    such a thing in it fails the job. For what another version, or another part, has written."""
    try:
        strict_json.read(msgspec.json.encode(report.result).decode(), strict_json.VALUE_DEPTH)
    except (ValueError, RecursionError, TypeError) as error:
        report = failed(Reason.SCRIPT_FAILED, f"{NO_JSON} {error}.")
    return with_fit_message(report)


def with_fit_message(report: JobReport) -> JobReport:
    """The report with U+FFFD in its message for what the server refuses."""
    message = report.error_message and strict_json.fit(report.error_message)
    return msgspec.structs.replace(report, error_message=message)


def failed(reason: Reason, message: str) -> JobReport:
    return JobReport(status="failed", reason=reason, error_message=message, started="yes")


def stopped_before_start(reason: Reason | None) -> JobReport:
    why = reason or Reason.OPERATOR
    message = f"{SENTENCES[why]} Its script had not started."
    return JobReport(status="failed", reason=why, error_message=message, started="no")


def _with_reason(report: JobReport, file: Path) -> JobReport:
    try:
        content = json.loads(regular_files.read(file, FAILURE_BYTES))
        said = msgspec.convert(strict_json.fit_values(content), Failure)
    except (OSError, ValueError, RecursionError):  # what does not fit msgspec is a ValueError
        return report  # it is the script's file: whatever is in it, how it ended is known
    return msgspec.structs.replace(
        report,
        reason=Reason(said.reason),
        error_type=said.error_type,
        error_message=f"{_sentence(said.message)} {report.error_message}",
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _who_was_killed(exit: Exit) -> str:
    return swept_sentence(exit.swept, f", after {exit.ending_seconds:.1f} s")


def swept_sentence(swept: Swept, when: str = "") -> str:
    if swept == NOBODY:
        return ""
    are = "process was" if swept.killed == 1 else "processes were"
    return f" {swept.killed} {are} killed, {swept.left} left{when}."


def _exit_sentence(code: int) -> str:
    if code >= 0:
        return f"The script exited with status {code}."
    if code == -9:
        return (
            "The script was ended by SIGKILL, which nobody here sent; perhaps the machine ran "
            "out of memory."
        )
    try:
        return f"The script was ended by {signal.Signals(-code).name}."
    except ValueError:  # a real-time signal, or one this Python does not know
        return f"The script was ended by signal {-code}."


def _read_result(file: Path) -> Any:
    try:
        text = regular_files.read(file, RESULT_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = str(error.strerror or error).rstrip(".")
        raise BadResult(f"The result of the script cannot be read: {why}.") from error
    if len(text) > RESULT_BYTES:
        raise BadResult(f"The result of the script is larger than {RESULT_BYTES} bytes.")
    try:
        return strict_json.read(text.decode(), strict_json.VALUE_DEPTH)
    except ValueError as error:  # what is not UTF-8 is one
        raise BadResult(f"{NO_JSON} {error}.") from error
