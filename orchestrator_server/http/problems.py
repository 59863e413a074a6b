"""The only place where an error becomes an HTTP status."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web

from orchestrator_server import errors
from orchestrator_server.http.keys import REQUEST_ID, ROUTE_PATH
from orchestrator_server.jobs.logs import LogGap
from sdk.contract.problem import MEDIA_TYPE, FieldError, Problem

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.OrchestratorError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.Misdirected: HTTPStatus.MISDIRECTED_REQUEST,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
# After these the rest of the body is not read, so the connection cannot be used again.
_ENDS_CONNECTION = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}

CLIENT_HAS_GONE = 499  # as nginx has it

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except errors.OrchestratorError as error:
        return _refused(request, error)
    except msgspec.ValidationError as error:
        return _answer(request, _from_validation(error))
    except LogGap as gap:
        problem = _problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, str(gap), "log-gap")
        return _answer(request, msgspec.structs.replace(problem, next_offset=gap.next_offset))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _from_aiohttp(request, error)
    except Exception as error:
        if isinstance(error, ConnectionError) and client_has_gone(request):
            return web.Response(status=CLIENT_HAS_GONE)  # is not sent, but counted and logged
        return _unforeseen(request, error)


def status_of(error: errors.OrchestratorError) -> HTTPStatus:
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def client_has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def path_in_log(request: web.Request) -> str:
    """Of an artifact the route alone: a script names it, and its name may hold a secret."""
    route = request.get(ROUTE_PATH, "")
    return route if "/artifacts/{name}" in route else request.path


def _unforeseen(request: web.Request, error: Exception) -> web.Response:
    scarcity = errors.of_system(error)
    if scarcity is not None:
        log.warning(
            "request refused", method=request.method, path=path_in_log(request), why=str(error)
        )
        return _refused(request, scarcity)
    log.exception("request failed", method=request.method, path=path_in_log(request))
    return _answer(request, Problem(title="Internal error", status=500))


def _refused(request: web.Request, error: errors.OrchestratorError) -> web.Response:
    kind, status = next((k, s) for k, s in STATUS.items() if isinstance(error, k))
    problem = _problem(status, str(error), error.kind or _slug(kind.__name__))
    if isinstance(error, errors.Invalid):
        field = FieldError(str(error), error.pointer)
        problem = msgspec.structs.replace(problem, errors=[field])
    response = _answer(request, problem)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.Unavailable | errors.TooMany):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    is_cut_short = isinstance(error, errors.Unavailable) and not request.content.is_eof()
    if status in _ENDS_CONNECTION or is_cut_short:
        response.force_close()
    return response


def _from_validation(error: msgspec.ValidationError) -> Problem:
    detail, _, path = str(error).partition(" - at `$")
    pointer = "#" + re.sub(r"[.\[]", "/", path.rstrip("`").replace("]", ""))
    problem = _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{detail} ({pointer}).", "invalid")
    return msgspec.structs.replace(problem, errors=[FieldError(detail, pointer)])


def _from_aiohttp(request: web.Request, error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    detail = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {request.path[:200]}.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method[:20]} is not possible here.",
    }.get(status, status.description or status.phrase)
    response = _answer(request, _problem(status, detail, _slug_of_phrase(status)))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _problem(status: HTTPStatus, detail: str, kind: str) -> Problem:
    return Problem(
        type=f"/problems/{kind}", title=status.phrase, status=status.value, detail=detail
    )


def _answer(request: web.Request, problem: Problem) -> web.Response:
    told = msgspec.structs.replace(
        problem, instance=request.path, request_id=request.get(REQUEST_ID)
    )
    return web.Response(
        body=msgspec.json.encode(told), status=problem.status, content_type=MEDIA_TYPE
    )


def _slug(class_name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


def _slug_of_phrase(status: HTTPStatus) -> str:
    return status.phrase.lower().replace(" ", "-")
