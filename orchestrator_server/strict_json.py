"""The one place where JSON from outside is parsed, by the rules that scripts and robots share."""

from typing import Any

from orchestrator_server.errors import Malformed
from sdk import strict_json
from sdk.strict_json import MAX_DEPTH, NotStrict

__all__ = ["MAX_DEPTH", "decode", "read"]


def decode(body: bytes) -> Any:
    """The value of `body`; Malformed, with a sentence that says why, if it has none."""
    try:
        return read(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error


def read(text: str) -> Any:
    """The value of `text`, which may be a text within a body; Malformed as in `decode`."""
    try:
        return strict_json.read(text)
    except NotStrict as error:
        raise Malformed(f"The body is not JSON we read: {error}.") from error
