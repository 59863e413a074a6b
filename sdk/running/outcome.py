"""What to tell the server about a script that has ended. Pure, but for reading the result."""

import signal
from pathlib import Path
from typing import Any, Literal

import msgspec

from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.running.counts import NOBODY, Swept
from sdk.running.process import Ended, Exit, StopOrder

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


def failed(reason: Reason, message: str) -> JobReport:
    return JobReport(status="failed", reason=reason, error_message=message, started="yes")


def stopped_before_start(reason: Reason | None) -> JobReport:
    why = reason or Reason.OPERATOR
    message = f"{SENTENCES[why]} Its script had not started."
    return JobReport(status="failed", reason=why, error_message=message, started="no")


def _with_reason(report: JobReport, file: Path) -> JobReport:
    try:
        with file.open("rb") as content:
            said = msgspec.json.decode(content.read(FAILURE_BYTES), type=Failure)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
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
        with file.open("rb") as content:
            text = content.read(RESULT_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadResult(f"The result of the script cannot be read: {error.strerror}.") from error
    if len(text) > RESULT_BYTES:
        raise BadResult(f"The result of the script is larger than {RESULT_BYTES} bytes.")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadResult(f"The result of the script is not JSON: {error}.") from error
