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


MEANINGS = {
    Status.SOFTWARE: "a part of it failed, or it had gone deaf",
    Status.FOLDER_IN_USE: "another agent uses its data folder",
    Status.NAME_IN_USE: "its name is in use, by another machine or by a copy of it",
    Status.KEY_REFUSED: "the server refuses its machine key",
    Status.CONFIG: "something that it was told does not fit",
}


class AgentExit(Exception):
    """Going on is useless until somebody acts; the message says what to do."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


class SecondAgent(AgentExit):
    """Another agent of the same name and key works here already."""


class JobFailed(Exception):
    """A job cannot be started; nothing of it has run."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
