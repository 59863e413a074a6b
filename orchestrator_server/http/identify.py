"""Who is asking: one credential for each kind of caller, and no door for another kind's."""

import re
from collections.abc import Awaitable, Callable
from enum import Enum

from aiohttp import web

from orchestrator_server.access import api_tokens, tokens
from orchestrator_server.access import service as access
from orchestrator_server.access.callers import Actor, Caller, JobCaller
from orchestrator_server.errors import Malformed, Unauthenticated
from orchestrator_server.http.keys import CLOCK, DATABASE, KEYS, KNOWN
from orchestrator_server.http.known import Credential
from orchestrator_server.robots import service as robots
from sdk.contract.audit import ActorType

_USER_AGENT_CHARACTERS = 256
_BEARER = re.compile(r"Bearer ([\x21-\x7e]+)", re.IGNORECASE | re.ASCII)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Door(Enum):
    """Which kind of caller a route is for."""

    PUBLIC = "anyone"
    PEOPLE = "people"
    ROBOTS = "robots"
    JOBS = "running jobs"
    WORKERS = "robots and running jobs"
    FETCHERS = "robots and people"


def origin(request: web.Request) -> Actor:
    """Where a request comes from, before it is known from whom. Headers that a proxy might
    add count only from trusted ones (`http/proxies.py`): anybody can send them."""
    user_agent = request.headers.get("User-Agent", "")[:_USER_AGENT_CHARACTERS]
    return Actor(
        type=ActorType.SYSTEM,
        name="anonymous",
        ip_address=request.remote,
        user_agent=_UNPRINTABLE.sub("?", user_agent) or None,
    )


async def identify(request: web.Request, door: Door) -> Caller | None:
    """The caller, whom this door is for; Unauthenticated otherwise."""
    check_credentials(request)
    if door is Door.PUBLIC:
        return None
    is_shared = door in (Door.WORKERS, Door.FETCHERS)
    if door is Door.ROBOTS or (is_shared and "X-Robot-Token" in request.headers):
        token = request.headers.get("X-Robot-Token", "")
        if not token:
            raise Unauthenticated("Send the robot's token in the header X-Robot-Token.")
        return await _known(request, token, _robot)
    token = _bearer(request)
    if door in (Door.JOBS, Door.WORKERS):
        claims = tokens.read_job_token(request.app[KEYS], token)
        actor = Actor(type=ActorType.JOB, name=f"job {claims.job_id}")
        return JobCaller(id=claims.job_id, attempt=claims.attempt, actor=actor)
    return await _known(request, token, _person)


def check_credentials(request: web.Request) -> None:
    """One credential, given once: with two nobody could say who was meant."""
    given = request.headers.getall("Authorization", []) + request.headers.getall(
        "X-Robot-Token", []
    )
    if len(given) > 1:
        raise Malformed("Send one credential, once.")


async def _known(
    request: web.Request,
    token: str,
    look_up: Callable[[web.Request, str], Awaitable[Caller]],
) -> Caller:
    known = request.app[KNOWN]
    user_agent = request.headers.get("User-Agent", "")[:_USER_AGENT_CHARACTERS]
    shown = Credential(look_up is _robot, token, request.remote, user_agent)
    if (caller := known.get(shown)) is not None:
        return caller
    generation = known.generation
    caller = await look_up(request, token)
    known.keep(shown, caller, generation)
    return caller


async def _robot(request: web.Request, token: str) -> Caller:
    database = request.app[DATABASE].urgent  # a heartbeat is let in when all else has to wait
    robot, is_first_use = await database.read(robots.by_token, token, origin(request))
    if is_first_use:
        await database.write(robots.forget_previous_token, robot.id)
        request.app[KNOWN].forget()
    return robot


async def _person(request: web.Request, token: str) -> Caller:
    database = request.app[DATABASE]
    if not token.startswith(api_tokens.PREFIX):
        claims = tokens.verify(request.app[KEYS], token, request.app[CLOCK]())
        return await database.read(access.person, claims, origin(request))
    person, is_worth_noting = await database.read(api_tokens.person, token, origin(request))
    if is_worth_noting:
        await database.write(api_tokens.note_use, person.token_id)
    return person


def _bearer(request: web.Request) -> str:
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    if not found:
        raise Unauthenticated("Sign in, and send `Authorization: Bearer <token>`.")
    return found[1]
