"""What happens to every request, in this order: size, who, may they, does it parse and fit."""

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec
from aiohttp import web

from orchestrator_server import etags
from orchestrator_server.access.callers import (
    Caller,
    Fetcher,
    JobCaller,
    Person,
    RobotCaller,
    Worker,
)
from orchestrator_server.errors import NotFound
from orchestrator_server.etags import Expected
from orchestrator_server.http import bodies
from orchestrator_server.http.identify import Door, identify
from orchestrator_server.http.keys import CALLER, CHANGES, KNOWN, ROUTE_PATH
from orchestrator_server.http.protocol import Protocol
from orchestrator_server.http.routes import NAME_IN_PATH, Route
from sdk.contract.base import MAX_ID, Page

ID_PATTERN = "[1-9][0-9]{0,18}"
TEXT_PATTERN = "[^/]{1,255}"
_ABOUT_WORK = ("/api/jobs", "/api/queue-items")  # these change nothing about anybody
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_CALLERS = (Person, RobotCaller, JobCaller, Worker, Fetcher)


def mount(app: web.Application, route: Route) -> None:
    """Put a row into aiohttp's router; a trailing slash names the same resource."""
    pattern = NAME_IN_PATH.sub(
        lambda m: f"{{{m[1]}:{TEXT_PATTERN if m[1] in route.texts else ID_PATTERN}}}", route.path
    )
    handler = _guarded(route)
    if _may_change_callers(route):
        handler = _forgetting(handler)
    for path in {pattern, pattern.rstrip("/") + "/"}:
        app.router.add_route(route.method, path, handler)


def reply(body: Any, status: int = 200, *, next_page: str | None = None) -> web.Response:
    response = web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )
    if next_page:
        response.headers["Link"] = f'<{next_page}>; rel="next"'
    return response


def _guarded(route: Route) -> Handler:
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
            _tell_connection(request)
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


def _forgetting(handler: Handler) -> Handler:
    async def forgetting(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            request.app[KNOWN].forget()
            request.app[CHANGES].forget()

    return forgetting


def _may_change_callers(route: Route) -> bool:
    """Whether somebody may be somebody else, or have other rights, when it is done; or a process
    another one."""
    by_people = route.door in (Door.PEOPLE, Door.PUBLIC) and route.method != "GET"
    return by_people and not route.path.startswith(_ABOUT_WORK)


def _tell_connection(request: web.Request) -> None:
    """A known caller may take longer over a body than a stranger."""
    if not request.content.is_eof() and isinstance(request.protocol, Protocol):
        request.protocol.caller_is_known(request.remote or "")


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
        raise NotFound("There is nothing of that name: it has a control or invisible character.")
    return text
