"""Finds tokens and keys of Runwright by their shape, without knowing their values. Pure.

Machine keys, robot tokens, API tokens and the like; tokens of jobs; sign-ins, which are JWTs. The
server's `access/secrets.py` and `access/tokens.py` make them.
"""

import base64
import binascii
import re
from collections.abc import Iterator

LONGEST_BYTES = 1024
_HEADER, _PAYLOAD, _SIGNATURE = 200, 700, 43  # the most characters of ours; HMAC-SHA-256 has 43
LEAST_BYTES = 12  # of one that was cut: less is only its beginning, which is no secret

_OPAQUE = rb"[a-z]{3}_[0-9A-Za-z]{49}"
_OF_A_JOB = rb"job_[1-9][0-9]{0,17}_[1-9][0-9]{0,9}_[0-9A-Za-z_-]{43}"
_OURS = re.compile(rb"rw_(?:" + _OPAQUE + rb"|" + _OF_A_JOB + rb")")
_JWT = re.compile(
    rb"eyJ[0-9A-Za-z_-]{10,%d}\.[0-9A-Za-z_-]{20,%d}\.[0-9A-Za-z_-]{%d}"
    % (_HEADER, _PAYLOAD, _SIGNATURE)
)
_OUR_TYPE = b'"rw-'  # how the `typ` in the header of our JWTs begins

_BEGUN = re.compile(
    rb"(?:r|rw"
    rb"|rw_(?:[a-z]{0,3}|[a-z]{3}_[0-9A-Za-z]{0,48}|job_[0-9]{1,18}_[0-9]{0,10}"
    rb"|job_[0-9]{1,18}_[0-9]{1,10}_[0-9A-Za-z_-]{0,42})"
    # Not from its first letter on: many a line ends in an "e", and would wait.
    rb"|eyJ[0-9A-Za-z_-]{0,%d}(?:\.[0-9A-Za-z_-]{0,%d}(?:\.[0-9A-Za-z_-]{0,%d})?)?)\Z"
    % (_HEADER, _PAYLOAD, _SIGNATURE - 1)
)


def spans(content: bytes) -> Iterator[tuple[int, int]]:
    """Where each begins and ends; they may overlap."""
    for first, shape in ((b"rw_", _OURS), (b"eyJ", _JWT)):
        at = content.find(first)
        while at >= 0:
            found = shape.match(content, at)
            if found and _may_be_ours(found[0]):
                yield found.span()
            at = content.find(first, at + 1)


def begun(content: bytes, end: int) -> int:
    """Where what may be the beginning of one begins, if the content is cut at `end`; else `end`."""
    at = max(0, end - LONGEST_BYTES)
    while found := _BEGUN.search(content, at, end):
        if _may_be_ours(found[0]):
            return found.start()
        at = found.start() + 1
    return end


def _may_be_ours(text: bytes) -> bool:
    """Others issue JWTs, too; the header of ours has a type of our own."""
    header, dot, _ = text.partition(b".")
    return not dot or _is_our_header(header)


def _is_our_header(encoded: bytes) -> bool:
    try:
        header = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except binascii.Error:
        return False
    return _OUR_TYPE in header.replace(b" ", b"")
