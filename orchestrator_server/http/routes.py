"""The few words every routes.py is written in, and what happens to every request.

A handler says by its annotations what it takes and gives, once, for mypy, for the reader and
for `/openapi.json`:

    async def create_job(request: web.Request, person: Person, wanted: JobCreate) -> Job: ...

    ROUTES = [post("/api/jobs", create_job, may="jobs:create", status=201)]

A Request is the body, a Query the query string, an `int` the id in the path, a `str` a name in
it, Expected what `If-Match` says, and Person, RobotCaller or JobCaller who is asking.
The order of the checks is the contract's: size, who, may they, does it parse and fit; whether
it exists and is in the right state is the verb's.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, get_origin, get_type_hints

from orchestrator_server.http import bodies
from orchestrator_server.http.identify import Door
from sdk.contract.base import Page, Query, Request

NAME_IN_PATH = re.compile(r"{(\w+)}")


class Route(NamedTuple):
    """A row of a route table; everything that is said about a route is here."""

    method: str
    path: str  # "/api/jobs/{job_id}"
    handler: Callable[..., Awaitable[Any]]
    door: Door
    may: str | None  # the permission a person needs; None where the door itself is enough
    status: int
    media_types: tuple[str, ...]
    limit_bytes: int
    takes: type | None  # the Struct of the body
    query: type | None
    gives: Any  # what the answer holds: a Struct, Page[Struct], bytes, or None
    ids: tuple[str, ...]
    texts: tuple[str, ...]  # names in the path that are not ids
    documented: bool  # whether it stands in `/openapi.json`
    repeatable: bool  # whether it answers an Idempotency-Key once
    sdk: tuple[str, ...]  # an SDK token opens it with one of these scopes; none: never

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.handler) or ""


def _route(method: str, path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    hints = get_type_hints(handler)
    gives = hints.pop("return")
    bodies_, queries = _of_kind(hints, Request), _of_kind(hints, Query)
    in_path = NAME_IN_PATH.findall(path)
    door = said.get("door", Door.PEOPLE)
    if door is not Door.PUBLIC and not inspect.getdoc(handler):
        raise TypeError(f"{handler.__name__} needs a sentence on what it is for.")
    return Route(
        method=method,
        path=path,
        handler=handler,
        door=door,
        may=said.get("may"),
        status=said.get("status", 200),
        media_types=said.get("media_types", (bodies.JSON,)),
        limit_bytes=said.get("limit_bytes", bodies.JSON_BYTES),
        takes=bodies_[0] if bodies_ else None,
        query=queries[0] if queries else None,
        gives=said.get("gives", gives),
        ids=tuple(name for name in in_path if hints[name] is int),
        texts=tuple(name for name in in_path if hints[name] is str),
        documented=said.get("documented", True),
        repeatable=said.get("repeatable", False),
        sdk=_scopes(said.get("sdk", ())),
    )


def get(
    path: str, handler: Callable[..., Awaitable[Any]], *, may: str | None, **said: Any
) -> Route:
    """A row for people. `may=None`: signed in is enough."""
    return _route("GET", path, handler, may=may, **said)


def post(
    path: str, handler: Callable[..., Awaitable[Any]], *, may: str | None, **said: Any
) -> Route:
    """A row for people. `may=None`: signed in is enough."""
    return _route("POST", path, handler, may=may, **said)


def put(
    path: str, handler: Callable[..., Awaitable[Any]], *, may: str | None, **said: Any
) -> Route:
    """A row for people. `may=None`: signed in is enough."""
    return _route("PUT", path, handler, may=may, **said)


def delete(
    path: str, handler: Callable[..., Awaitable[Any]], *, may: str | None, **said: Any
) -> Route:
    return _route("DELETE", path, handler, may=may, status=204, **said)


def public_get(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    """A row for anyone."""
    return _route("GET", path, handler, door=Door.PUBLIC, **said)


def public_post(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    """A row for anyone."""
    return _route("POST", path, handler, door=Door.PUBLIC, **said)


def robot_get(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("GET", path, handler, door=Door.ROBOTS, **said)


def robot_post(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("POST", path, handler, door=Door.ROBOTS, **said)


def robot_put(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("PUT", path, handler, door=Door.ROBOTS, **said)


def job_get(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("GET", path, handler, door=Door.JOBS, **said)


def job_post(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("POST", path, handler, door=Door.JOBS, **said)


def job_put(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("PUT", path, handler, door=Door.JOBS, **said)


def worker_post(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    """A row for robots, and for the jobs that run on them."""
    return _route("POST", path, handler, door=Door.WORKERS, **said)


def fetcher_get(
    path: str, handler: Callable[..., Awaitable[Any]], *, may: str, **said: Any
) -> Route:
    """A row for robots, and for people with this permission."""
    return _route("GET", path, handler, door=Door.FETCHERS, may=may, **said)


def _scopes(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said


def _of_kind(hints: dict[str, Any], kind: type) -> list[type]:
    return [hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, kind)]


def is_list(gives: Any) -> bool:
    return get_origin(gives) in (Page, list)
