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

import msgspec
from aiohttp import web

from orchestrator_server import etags
from orchestrator_server.access.callers import Caller, JobCaller, Person, RobotCaller, Worker
from orchestrator_server.errors import NotFound
from orchestrator_server.etags import Expected
from orchestrator_server.http import bodies
from orchestrator_server.http.identify import Door, identify
from orchestrator_server.http.keys import CALLER, ROUTE_PATH
from sdk.contract.base import MAX_ID, Page, Query, Request

ID_PATTERN = "[1-9][0-9]{0,18}"
TEXT_PATTERN = "[^/]{1,255}"
_CALLERS = (Person, RobotCaller, JobCaller, Worker)
_NAME_IN_PATH = re.compile(r"{(\w+)}")


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
    sdk: str | None  # the scope with which an SDK token opens it; None: it does not

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.handler) or ""


def _route(method: str, path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    hints = get_type_hints(handler)
    gives = hints.pop("return")
    bodies_, queries = _of_kind(hints, Request), _of_kind(hints, Query)
    in_path = _NAME_IN_PATH.findall(path)
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
        sdk=said.get("sdk"),
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


def job_get(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    return _route("GET", path, handler, door=Door.JOBS, **said)


def worker_post(path: str, handler: Callable[..., Awaitable[Any]], **said: Any) -> Route:
    """A row for robots, and for the jobs that run on them."""
    return _route("POST", path, handler, door=Door.WORKERS, **said)


def mount(app: web.Application, route: Route) -> None:
    """Put a row into aiohttp's router; a trailing slash names the same resource."""
    pattern = _NAME_IN_PATH.sub(
        lambda m: f"{{{m[1]}:{TEXT_PATTERN if m[1] in route.texts else ID_PATTERN}}}", route.path
    )
    guarded = _guarded(route)
    for path in {pattern, pattern.rstrip("/") + "/"}:
        app.router.add_route(route.method, path, guarded)


def reply(body: Any, status: int = 200, *, next_page: str | None = None) -> web.Response:
    response = web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
    if next_page:
        response.headers["Link"] = f'<{next_page}>; rel="next"'
    return response


def _of_kind(hints: dict[str, Any], kind: type) -> list[type]:
    return [hint for hint in hints.values() if isinstance(hint, type) and issubclass(hint, kind)]


def _guarded(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    hints = get_type_hints(route.handler)
    hints.pop("return")
    named = {kind: name for name, hint in hints.items() for kind in [hint]}
    caller_name = next((named[kind] for kind in _CALLERS if kind in named), None)
    body_name = named.get(route.takes) if route.takes else None
    query_name = named.get(route.query) if route.query else None
    expected_name = named.get(Expected)

    async def guarded(request: web.Request) -> web.StreamResponse:
        request[ROUTE_PATH] = route.path
        bodies.check_size(request, route.limit_bytes)
        caller = await identify(request, route.door)
        if caller is not None:
            request[CALLER] = caller
        _check_rights(route, caller)
        arguments: dict[str, Any] = {name: _path_id(request, name) for name in route.ids}
        arguments |= {name: _path_text(request, name) for name in route.texts}
        if expected_name is not None:
            arguments[expected_name] = etags.expected(request.headers.get("If-Match"))
        if caller_name is not None:
            arguments[caller_name] = caller
        if query_name is not None and route.query is not None:
            arguments[query_name] = bodies.decode_query(request, route.query)
        if body_name is not None and route.takes is not None:
            media_type = bodies.check_type(request, route.media_types)
            content = await bodies.read(request, route.limit_bytes)
            arguments[body_name] = bodies.decode(content, media_type, route.takes)
        return _answer(request, route, await route.handler(request, **arguments))

    return guarded


def _check_rights(route: Route, caller: Caller | None) -> None:
    if isinstance(caller, Person):
        caller.must_be_for(route.sdk)
        if route.may is not None:
            caller.must(route.may)


def _answer(request: web.Request, route: Route, answer: Any) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, Page):
        next_page = None
        if answer.more:
            query = request.rel_url.update_query(cursor=str(answer.items[-1].id))
            next_page = str(query)
        return reply(answer.items, route.status, next_page=next_page)
    return _tagged(request, reply(answer, route.status), answer)


def _tagged(request: web.Request, response: web.Response, answer: Any) -> web.Response:
    """What has an id has a state that can be asked for: `If-None-Match`, `If-Match`."""
    if getattr(answer, "id", None) is None or request.method not in ("GET", "PUT"):
        return response
    tag = etags.of(answer)
    if request.method == "GET" and etags.is_known(request.headers.get("If-None-Match"), tag):
        response = web.Response(status=304)
    response.headers["ETag"] = tag
    return response


def _path_id(request: web.Request, name: str) -> int:
    number = int(request.match_info[name])
    if number > MAX_ID:
        raise NotFound(f"There is no {name.removesuffix('_id')} {number}.")
    return number


def _path_text(request: web.Request, name: str) -> str:
    text = request.match_info[name]
    if not text.isprintable():
        raise NotFound(f"There is no {name} of that name.")
    return text


def is_list(gives: Any) -> bool:
    return get_origin(gives) in (Page, list)
