"""What can go wrong, in the words of the domain. Nothing here knows about HTTP.

The message of each is a sentence for the caller: what it is about, its state, the next step.
"""

import errno


class OrchestratorError(Exception):
    """Base of every error a caller is meant to see; its message is shown to them.

    `kind` may narrow the type on the wire, for programs that must tell two conflicts apart.
    """

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind


class Malformed(OrchestratorError):
    """The request cannot be read at all."""


class Invalid(OrchestratorError):
    """The request can be read but does not fit; `pointer` says where (RFC 6901)."""

    def __init__(self, message: str, *, pointer: str = "#", kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.pointer = pointer


class NotFound(OrchestratorError):
    """There is no such thing, or the caller may not know of it."""


class Conflict(OrchestratorError):
    """The request was fine, but the thing is not in a state to allow it."""


class AlreadyExists(Conflict):
    """What must be unique is there already; `constraint` is the database's name for it."""

    def __init__(self, message: str, *, constraint: str | None = None) -> None:
        super().__init__(message, kind="already-exists")
        self.constraint = constraint


class PreconditionFailed(OrchestratorError):
    """The thing is not in the state that the request was made for (`If-Match`)."""


class Forbidden(OrchestratorError):
    """The caller is known and may not do this."""


class Unauthenticated(OrchestratorError):
    """The caller is not known."""


class TooLarge(OrchestratorError):
    """More bytes than this server takes in one piece."""


class UnsupportedMediaType(OrchestratorError):
    """The body is not of a type this route reads."""


class TooSlow(OrchestratorError):
    """The body did not arrive in time."""


class Misdirected(OrchestratorError):
    """The request names a host that is not this server."""


class Unavailable(OrchestratorError):
    """The server cannot do this now; asking again later may help."""

    retry_after_seconds = 2


class TooMany(OrchestratorError):
    """The caller asks more often than this server answers; `retry_after_seconds` says when."""

    def __init__(self, message: str, *, retry_after_seconds: int, kind: str | None = None) -> None:
        super().__init__(message, kind=kind)
        self.retry_after_seconds = retry_after_seconds


class StorageFull(Unavailable):
    """The disk is full; reading still works."""

    retry_after_seconds = 10

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="storage-full")


def of_system(error: BaseException) -> Unavailable | None:
    """The error that stands for a lack of room or of descriptors; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull("The disk of the server is full; make room on it.")
    if number in (errno.EMFILE, errno.ENFILE):
        return Unavailable("The server has too many files open; try again in a moment.")
    return None
