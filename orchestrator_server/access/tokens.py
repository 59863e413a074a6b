"""Signed tokens: a person's sign-in (a JWT) and a job's own token. No database here.

The rules for the JWT are RFC 8725's: one algorithm, an explicit type, strict claims. PyJWT
accepts a text as `exp`, a list as `aud` and an empty `sub`; `_claims` does not.
"""

import hmac
import re
from datetime import datetime
from typing import Any, NamedTuple

import jwt
from jwt.types import Options

from orchestrator_server.errors import Unauthenticated
from orchestrator_server.keys import Keys

ALGORITHM = "HS256"
ISSUER = "runwright"
MAX_SECONDS = 24 * 3600  # a token that says it lives longer is not ours
LEEWAY_SECONDS = 30
MAX_CHARACTERS = 4096

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_JOB_TOKEN = re.compile(
    r"rw_job_([1-9][0-9]{0,17})_([1-9][0-9]{0,9})_([A-Za-z0-9_-]{43})", re.ASCII
)
# The claims are ours to check, at the time of the caller's clock.
_SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
}
_REFUSED = "Your sign-in is not valid or has ended; sign in again."


class Kind(NamedTuple):
    """What tells one sort of token from another; a token of one never passes for another's."""

    audience: str
    type: str  # RFC 8725, section 3.11
    via: str  # as in a Person, and the kind of its row


USER = Kind("rw:user", "rw-user+jwt", "session")
SDK = Kind("rw:sdk", "rw-sdk+jwt", "sdk")
_BY_TYPE: dict[Any, Kind] = {kind.type: kind for kind in (USER, SDK)}


class Claims(NamedTuple):
    user_id: int
    token: str  # `jti`: the sign-in it belongs to, looked up by its hash
    expires_at: int  # seconds since 1970, as in RFC 7519
    kind: Kind = USER


class JobClaims(NamedTuple):
    job_id: int
    attempt: int


def sign(
    keys: Keys, user_id: int, token: str, now: datetime, seconds: int, kind: Kind = USER
) -> str:
    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": kind.audience,
        "sub": str(user_id),
        "iat": issued,
        "nbf": issued,
        "exp": issued + seconds,
        "jti": token,
    }
    if kind is SDK:
        claims["auth_type"] = "sdk"  # as clients of the seed read it; the audience decides
    return jwt.encode(claims, keys.signing, ALGORITHM, {"kid": keys.signing_id, "typ": kind.type})


def verify(keys: Keys, text: str, now: datetime) -> Claims:
    """The claims of a token we signed, at the time `now`; Unauthenticated otherwise."""
    if len(text) > MAX_CHARACTERS or not _SHAPE.fullmatch(text):
        raise Unauthenticated(_REFUSED)
    try:
        header = jwt.get_unverified_header(text)
        kind = _BY_TYPE.get(header.get("typ"))
        if kind is None or header != {
            "alg": ALGORITHM,
            "typ": kind.type,
            "kid": keys.signing_id,
        }:
            raise Unauthenticated(_REFUSED)
        payload = jwt.decode(text, keys.signing, [ALGORITHM], _SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Unauthenticated(_REFUSED) from error
    return _claims(payload, now, kind)


def job_token(keys: Keys, job_id: int, attempt: int) -> str:
    """The same for the same attempt, so that a repeated answer carries the same token."""
    return f"rw_job_{job_id}_{attempt}_{keys.mac('job token', f'{job_id}.{attempt}')}"


def read_job_token(keys: Keys, text: str) -> JobClaims:
    found = _JOB_TOKEN.fullmatch(text)
    if found:
        claims = JobClaims(int(found[1]), int(found[2]))
        if hmac.compare_digest(job_token(keys, *claims), text):
            return claims
    raise Unauthenticated("This job token is not valid.")


def _claims(payload: dict[str, Any], now: datetime, kind: Kind) -> Claims:
    times = [payload.get(name) for name in ("iat", "nbf", "exp")]
    if not all(type(time) is int for time in times):
        raise Unauthenticated(_REFUSED)
    issued, not_before, expires = (int(str(time)) for time in times)
    at = now.timestamp()
    user_id, token = payload.get("sub"), payload.get("jti")
    sound = (
        payload.get("iss") == ISSUER
        and payload.get("aud") == kind.audience
        and isinstance(user_id, str)
        and re.fullmatch("[1-9][0-9]{0,17}", user_id, re.ASCII)
        and isinstance(token, str)
        and max(issued, not_before) <= at + LEEWAY_SECONDS
        and at < expires <= issued + MAX_SECONDS
    )
    if not sound:
        raise Unauthenticated(_REFUSED)
    return Claims(int(str(user_id)), str(token), expires, kind)
