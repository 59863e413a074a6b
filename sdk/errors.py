"""What can go wrong when talking to an orchestrator, as exceptions."""

from sdk.contract.problem import Problem


class Refused(Exception):
    """The server understood, and said no; `problem` holds its words."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem

    @property
    def status(self) -> int:
        return self.problem.status

    def is_about(self, kind: str) -> bool:
        """Whether the problem's type is `/problems/<kind>`, or a full address that ends so."""
        return self.problem.type.rsplit("/", 1)[-1].replace("_", "-") == kind


class Unauthenticated(Refused):
    """The caller is not known: no token, or one that no longer counts."""


class Forbidden(Refused):
    """The caller is known and may not do this."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """The thing is not in a state to allow this."""


class Invalid(Refused):
    """The request can be read but does not fit; `problem.errors` says where."""


class TooLarge(Refused):
    """More bytes than the server takes in one piece."""


class Unavailable(Refused):
    """Not now; the same request may be answered later."""

    def __init__(self, problem: Problem, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_seconds = retry_after_seconds


class LogGap(Refused):
    """A piece of a log does not follow what the server has, which ends at `next_offset`."""

    def __init__(self, problem: Problem, next_offset: int) -> None:
        super().__init__(problem)
        self.next_offset = next_offset


class Unreachable(Exception):
    """No answer at all: no connection, or none in time."""


class NotAnOrchestrator(Exception):
    """An answer that makes no sense: a proxy's page, a body cut in the middle, a redirect."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


LATER = frozenset({408, 425, 429})
_BY_STATUS: dict[int, type[Refused]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: Invalid,
}


def from_problem(problem: Problem, retry_after_seconds: float | None = None) -> Refused:
    if problem.status in LATER or problem.status >= 500:
        return Unavailable(problem, retry_after_seconds)
    if problem.status == 416 and problem.next_offset is not None:
        return LogGap(problem, problem.next_offset)
    return _BY_STATUS.get(problem.status, Refused)(problem)
