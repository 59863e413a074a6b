"""How a value is usually written: the texts that must not be seen if it must not. Pure."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

LEAST_BYTES = 4  # a shorter text is in every other line
LEAST_LINE_BYTES = 8  # of one line of several: `}` and `else:` are nobody's secret
# What stays as it is: `quote`, `quote_plus`, `encodeURIComponent`, `encodeURI`, forms, requests.
_SAFE = ("", "/", "-_.~!*'()", "-_.~!*'();/?:@&=+$,#", "-_.*", "!#$%&'()*+,/:;=?@[]~")
_FOR_URLS = str.maketrans("+/", "-_")
_WIDTHS = (76, 64)  # MIME's lines (RFC 2045) and PEM's (RFC 7468)


def forms(values: Iterable[str]) -> list[bytes]:
    """All that must not be seen, the longest first."""
    found = {form for value in values for form in _of(value)}
    long_enough = (form for form in found if len(form) >= LEAST_BYTES)
    return sorted(long_enough, key=lambda form: (-len(form), form))


def _of(value: str) -> Iterator[bytes]:
    # Without what is around it: scripts strip what they read, and its middle is found in either.
    plain = value.strip()
    lines = plain.replace("\r\n", "\n")
    for whole in {plain, lines, lines.replace("\n", "\r\n")}:
        content = whole.encode(errors="surrogatepass")
        if len(content) >= LEAST_BYTES:
            for text in (*_as_text(whole), *_for_urls(content), *_in_bytes(content)):
                yield text.encode(errors="surrogatepass")
    for line in {line.strip() for line in plain.splitlines()}:
        if len(line.encode(errors="surrogatepass")) >= LEAST_LINE_BYTES:
            for text in _as_text(line):
                yield text.encode(errors="surrogatepass")


def _as_text(text: str) -> Iterator[str]:
    """As it is, and as quotation marks, letters and angle brackets are escaped."""
    yield text
    for in_json in (_json(text), _json(text, ascii_only=False)):
        yield from (in_json, in_json.replace("/", r"\/"))
        yield re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", in_json)  # Go, Django
        yield re.sub(r"(?<=\\u)....", lambda found: found[0].upper(), in_json)
        yield from (_json(in_json), _json(in_json, ascii_only=False))  # JSON inside JSON
    yield from (repr(text)[1:-1], repr(text + "'\"")[1:-4], ascii(text)[1:-1])
    yield repr(text.encode(errors="surrogatepass"))[2:-1]
    yield from (html.escape(text), html.escape(text, quote=False))


def _json(text: str, *, ascii_only: bool = True) -> str:
    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _for_urls(content: bytes) -> Iterator[str]:
    quoted = {quote(content, safe=safe) for safe in _SAFE} | {
        quote_plus(content, safe=safe) for safe in _SAFE
    }
    quoted.add("".join(f"%{byte:02X}" for byte in content))
    for text in quoted:
        yield from (text, re.sub("%..", lambda found: found[0].lower(), text))


def _in_bytes(content: bytes) -> Iterator[str]:
    yield from (content.hex(), content.hex().upper())
    for text in _base64(content):
        yield from (text, text.translate(_FOR_URLS))


def _base64(content: bytes) -> Iterator[str]:
    """With and without its end, in lines, and what is the same of it in any longer text."""
    whole = base64.b64encode(content).decode()
    yield from (whole, whole.rstrip("="))
    for width in _WIDTHS:
        lines = [whole[i : i + width] for i in range(0, len(whole), width)]
        if len(lines) > 1:
            yield from ("\n".join(lines), "\r\n".join(lines))
            yield from (line for line in lines if len(line) >= LEAST_LINE_BYTES)
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        first = (0, 2, 3)[before]  # the characters that also depend on what comes before
        last = len(text) - ((before + len(content)) % 3 != 0)  # and the one on what comes after
        yield text[first:last]
