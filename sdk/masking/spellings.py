"""How scripts write a value, made with the standard library as a script would: for the self-test of
the agent, and for the table in `docs/security.md`."""

import base64
import html
import json
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, quote_plus

VALUE = 'c4n\'ry "ä" <&> 7/8+??~~ of the doctor'
LINES = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bqä/+\n\tof the doctor, again\n-----END KEY-----"


class Spelling(NamedTuple):
    text: str
    around: int = 0  # how many characters of the text do not belong to the value

    def is_covered_in(self, sent: str) -> bool:
        """Whether nothing is left but what does not belong to it."""
        return "*" in sent and len(sent.replace("*", "")) <= self.around


def _in_base64(before: bytes, after: bytes = b"; more") -> Spelling:
    """The value inside a longer text; a character at either end belongs to both."""
    text = base64.b64encode(before + VALUE.encode() + after).decode()
    begin = -(-len(before) * 8 // 6)
    end = (len(before) + len(VALUE.encode())) * 8 // 6
    return Spelling(text, len(text) - (end - begin))


def _indented() -> Spelling:
    return Spelling(LINES.replace("\n", "\n    "), around=LINES.count("\n") * 5 + 1)


def _in_json_in_json() -> str:
    return json.dumps(json.dumps(VALUE)[1:-1])[1:-1]


SPELLINGS: dict[str, Callable[[], Spelling]] = {
    "as it is": lambda: Spelling(VALUE),
    "JSON": lambda: Spelling(json.dumps(VALUE)[1:-1]),
    "JSON, letters kept": lambda: Spelling(json.dumps(VALUE, ensure_ascii=False)[1:-1]),
    "JSON inside JSON": lambda: Spelling(_in_json_in_json()),
    "Python's repr": lambda: Spelling(repr(VALUE)[1:-1]),
    "Python's repr of bytes": lambda: Spelling(repr(VALUE.encode())[2:-1]),
    "HTML": lambda: Spelling(html.escape(VALUE)),
    "URL": lambda: Spelling(quote(VALUE, safe="")),
    "URL, slashes kept": lambda: Spelling(quote(VALUE)),
    "URL, a form": lambda: Spelling(quote_plus(VALUE)),
    "URL, small letters": lambda: Spelling(
        re.sub("%..", lambda found: found[0].lower(), quote(VALUE, safe=""))
    ),
    "URL, every byte": lambda: Spelling("".join(f"%{byte:02X}" for byte in VALUE.encode())),
    "base64": lambda: Spelling(base64.b64encode(VALUE.encode()).decode()),
    "base64 for URLs": lambda: Spelling(base64.urlsafe_b64encode(VALUE.encode()).decode()),
    "base64 without its end": lambda: Spelling(
        base64.b64encode(VALUE.encode()).decode().rstrip("=")
    ),
    "base64 inside a longer text": lambda: _in_base64(b"ada:"),
    "base64 inside, moved by one": lambda: _in_base64(b"carl:"),
    "base64 inside, moved by two": lambda: _in_base64(b"robert:"),
    "base64 in lines": lambda: Spelling(
        base64.encodebytes(LINES.encode()).decode().rstrip("\n"), around=1
    ),
    "hex": lambda: Spelling(VALUE.encode().hex()),
    "hex, capitals": lambda: Spelling(VALUE.encode().hex().upper()),
    "several lines": lambda: Spelling(LINES),
    "several lines, CR LF": lambda: Spelling(LINES.replace("\n", "\r\n")),
    "several lines, indented": _indented,
    "one of several lines": lambda: Spelling(LINES.splitlines()[1]),
}
