"""The ways this program ends before its time, each with a status for the service manager."""

from enum import IntEnum

from sdk.contract.jobs import Reason


class Status(IntEnum):
    """Numbers from sysexits.h, so that other tools know them."""

    SOFTWARE = 70
    FOLDER_IN_USE = 73
    NAME_IN_USE = 75
    NOT_YET = 75  # EX_TEMPFAIL, like the one above: it may be otherwise later
    KEY_REFUSED = 77
    CONFIG = 78


class AgentExit(Exception):
    """Going on is useless until somebody acts; the message says what to do."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


class JobFailed(Exception):
    """A job cannot be started; nothing of it has run."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
